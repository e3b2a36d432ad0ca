# Image tokenizer, codes, stand-ins of the pretrained parts, the three stages.

WORLD = at("world-train")
ASKING = ("questions", "dialogues")  # tables beside the pictures; other rows are builds


def sizes():
    """`--set-model` options of the image tokenizer."""
    return " ".join(f"--set-model {key}={value}" for key, value in config["set_model"].items())


rule image_tokenizer:
    input:
        at("world-train/captions.parquet"),
    output:
        at("image-tokenizer/manifest.json"),
    params:
        command=f"vargpt train image-tokenizer --preset tiny {sizes()}"
        f" --data {WORLD}/captions.parquet --image-root {WORLD} --out {at('image-tokenizer')}"
        f" {settings('image_tokenizer')}",
    shell:
        step("image-tokenizer")


rule codes:
    input:
        at("image-tokenizer/manifest.json"),
        at("world-train/captions.parquet"),
    output:
        at("codes/manifest.json"),
    params:
        command=f"vargpt encode --model {at('image-tokenizer')} --images {WORLD}"
        f" --centre whole --out {at('codes')}",
    shell:
        step("codes")


rule start:
    input:
        at("image-tokenizer/manifest.json"),
    output:
        at("start/config.json"),
    params:
        command=f"vargpt init --preset {config['preset']} --seed {config['seed']}"
        f" --image-tokenizer {at('image-tokenizer')} --out {at('start')}",
    resources:
        gpu=0,
    shell:
        step("start")


rule base:
    input:
        at("start/config.json"),
        at("codes/manifest.json"),
        at("world-train/captions.parquet"),
    output:
        at("base/manifest.json"),
    params:
        command=f"vargpt train base --model {at('start')} --data {WORLD} --image-root {WORLD}"
        f" --codes {at('codes')} --out {at('base')} {settings('base')}",
    shell:
        step("base")


BEFORE = {"1": "base", "2": "stage1", "3": "stage2"}


rule stage:
    input:
        lambda wildcards: at(f"{BEFORE[wildcards.number]}/manifest.json"),
        at("codes/manifest.json"),
        lambda wildcards: [
            at(f"data-{source.partition(':')[0]}/manifest.json")
            for source in config["data"][int(wildcards.number)]
            if source.partition(":")[0] not in ASKING
        ],
    output:
        at("stage{number}/manifest.json"),
    wildcard_constraints:
        number="[123]",
    params:
        command=lambda wildcards: (
            f"vargpt train {wildcards.number} --model {at(BEFORE[wildcards.number])}"
            f" {sources(config['data'][int(wildcards.number)])} --image-root {WORLD}"
            f" --codes {at('codes')} --out {at('stage')}{wildcards.number}"
            f" {settings(int(wildcards.number))}"
        ),
    shell:
        step("stage{number}")


def sources(listed):
    """`--data` options: "130k:2" is the -130K rows, each twice an epoch."""
    found = []
    for source in listed:
        name, colon, weight = source.partition(":")
        folder = f"{WORLD}/{name}" if name in ASKING else at(f"data-{name}")
        found.append(f"--data {folder}{colon}{weight}")
    return " ".join(found)
