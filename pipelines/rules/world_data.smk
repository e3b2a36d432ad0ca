# Rows and pictures of the sample world: no key, no download.

rule world:
    output:
        at("world-{split}/captions.parquet"),
        at("world-{split}/prompts.parquet"),
        at("world-{split}/questions/questions.parquet"),
        at("world-{split}/dialogues/dialogues.parquet"),
    params:
        command=lambda wildcards: (
            f"datagen world --out {at('world-')}{wildcards.split} --split {wildcards.split}"
            f" --rows {config['rows'][wildcards.split]} --size {config['size_px']}"
            f" {config['scenes']} --full-captions --questions --prompts"
        ),
    resources:
        gpu=0,
    shell:
        step("world-{split}")


rule instruct:
    input:
        at("world-train/captions.parquet"),
    output:
        at("data-{kind}/manifest.json"),
        at("data-{kind}/report.html"),
    wildcard_constraints:
        kind="class|130k|1270k",
    params:
        command=lambda wildcards, input: (
            f"datagen build-{wildcards.kind} --captions {input[0]}"
            f" --out {at('data-')}{wildcards.kind} --rows {config['rows'][wildcards.kind]}"
        ),
    resources:
        gpu=0,
    shell:
        step("data-{kind}")
