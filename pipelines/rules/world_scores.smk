# What the trained model draws and answers, and what is right of it. The same of the start, untrained.

rule generate:
    input:
        at("{model}/manifest.json"),
        at("world-{split}/prompts.parquet"),
    output:
        touch(at("scores-{model}/drawn-{split}.done")),
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
        at("scores-{model}/drawn-{split}.done"),
        at("world-{split}/prompts.parquet"),
    output:
        at("scores-{model}/read-{split}/summary.json"),
    params:
        command=lambda wildcards, input: (
            f"vargpt-eval world --generations {input[0].removesuffix('.done')} --prompts {input[1]}"
            f" --out {at(f'scores-{wildcards.model}/read-{wildcards.split}')}"
        ),
    resources:
        gpu=0,
    shell:
        step("scores-{model}/read-{split}")


rule questions_answered:
    input:
        at("{model}/manifest.json"),
        at("world-{split}/questions/questions.parquet"),
    output:
        at("scores-{model}/asked-{split}/summary.json"),
    params:
        command=lambda wildcards: (
            f"vargpt-eval run --model {at(wildcards.model)} --tasks world_questions"
            f" --data {at('world-')}{wildcards.split} --limit {config['questions']}"
            f" --batch-size {config['generate']['batch_size']}"
            f" --out {at(f'scores-{wildcards.model}/asked-{wildcards.split}')}"
        ),
    shell:
        step("scores-{model}/asked-{split}")


SCORES = [
    at(f"scores-stage3/{what}-{split}/summary.json")
    for split in ("validation", "withheld")
    for what in ("read", "asked")
]


rule report:
    input:
        SCORES,
    output:
        at("report/report.html"),
        at("report/report.md"),
    params:
        command="vargpt-eval report " + " ".join(str(Path(path).parent) for path in SCORES)
        + f" --out {at('report')}",
    resources:
        gpu=0,
    shell:
        step("report")


rule model_card:
    input:
        SCORES,
        at("stage3/manifest.json"),
    output:
        at("stage3/README.md"),
    params:
        command=f"{shlex.quote(sys.executable)} {shlex.quote(str(HERE / 'model_card.py'))} {RUN} {scale}",
    resources:
        gpu=0,
    shell:
        "{params.command}"
