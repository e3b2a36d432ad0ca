# What the trained model draws and answers, and what is right of it. The same of the start, untrained.

rule generate:
    input:
        at("{model}/manifest.json"),
        at("world-{split}/prompts.parquet"),
    output:
        at("scores-{model}/drawn-{split}/generations.parquet"),
    params:
        command=lambda wildcards, input: (
            f"vargpt generate --model {at(wildcards.model)} --prompts {input[1]}"
            f" --seed {config['seed']} --batch-size {config['generate']['batch_size']}"
            f" {config['generate']['options']}"
            f" --out {at(f'scores-{wildcards.model}/drawn-{wildcards.split}')}"
        ),
    shell:
        step("scores-{model}/drawn-{split}")


rule drawings_read:
    input:
        at("scores-{model}/drawn-{split}/generations.parquet"),
        at("world-{split}/prompts.parquet"),
    output:
        at("scores-{model}/read-{split}/summary.json"),
    params:
        command=lambda wildcards, input: (
            f"vargpt-eval world --generations {input[0]} --prompts {input[1]}"
            f" --out {at(f'scores-{wildcards.model}/read-{wildcards.split}')}"
        ),
    shell:
        step("scores-{model}/read-{split}")
