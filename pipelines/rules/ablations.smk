# Tables 4 and 5 on the sample world: the rows of config/ablations.yaml, each of every seed.
#
#   snakemake -s pipelines/Snakefile --cores 2 --config scale=tiny -- ablations
#
# Image tokenizer, codes and base are the scale's own and shared; each chain of stages, each seed has
# its folder, so a run that was stopped goes on with what is missing.

ABLATIONS = config["ablations"]
SCORED = {4: ("drawn", ("read", "distance")), 5: ("asked", ("answers",))}


wildcard_constraints:
    chain=r"[123](\.[a-z_]+)?(-[123](\.[a-z_]+)?)*",
    seed=r"\d+",


def before(wildcards):
    """The folder of the model that the last stage of a chain starts from."""
    chain = wildcards.chain.rpartition("-")[0]
    return at(f"ablations/models/{chain}/seed-{wildcards.seed}" if chain else "base")


def last_stage(wildcards):
    """Number of the last stage, its settings and its data, with the one change that it names."""
    name = wildcards.chain.rpartition("-")[2]
    number = int(name[0])
    change = ABLATIONS["changes"][name] if "." in name else {}
    training = {**config["train"][number], **ABLATIONS["train"][number], **change.get("train", {})}
    return number, training, change.get("data", ABLATIONS["data"][number])


def ablation_sources(listed):
    """`--data` options, of the rows that the ablations have for themselves."""
    found = []
    for source in listed:
        name, colon, weight = source.partition(":")
        folder = at(f"ablations/train/{name}" if name in ASKING else f"ablations/data-{name}")
        found.append(f"--data {folder}{colon}{weight}")
    return " ".join(found)


def ablation_command(wildcards):
    number, training, data = last_stage(wildcards)
    chosen = " ".join(f"--set {key}={value}" for key, value in training.items())
    return (
        f"vargpt train {number} --model {before(wildcards)} {ablation_sources(data)}"
        f" --image-root {WORLD} --codes {at('codes')} {chosen} --set seed={wildcards.seed}"
        f" --out {at(f'ablations/models/{wildcards.chain}/seed-{wildcards.seed}')}"
    )


rule ablation_world:
    input:
        at("world-train/captions.parquet"),
    output:
        at("ablations/{split}/prompts.parquet"),
        at("ablations/{split}/questions/questions.parquet"),
        at("ablations/{split}/dialogues/dialogues.parquet"),
    wildcard_constraints:
        split="train|validation",
    params:
        command=lambda wildcards: (
            f"datagen world --out {at('ablations/')}{wildcards.split} --split {wildcards.split}"
            f" --rows {ABLATIONS['rows'][wildcards.split]} --size {config['size_px']}"
            f" {config['scenes']} --full-captions --questions --prompts"
        ),
    resources:
        gpu=0,
    shell:
        step("ablations/{split}")


rule ablation_instruct:
    input:
        at("world-train/captions.parquet"),
    output:
        at("ablations/data-1270k/manifest.json"),
    params:
        command=lambda wildcards, input: (
            f"datagen build-1270k --captions {input[0]} --out {at('ablations/data-1270k')}"
            f" --rows {ABLATIONS['rows']['1270k']}"
        ),
    resources:
        gpu=0,
    shell:
        step("ablations/data-1270k")


rule ablation_stage:
    input:
        lambda wildcards: f"{before(wildcards)}/manifest.json",
        at("codes/manifest.json"),
        at("ablations/data-1270k/manifest.json"),
        at("ablations/train/questions/questions.parquet"),
    output:
        at("ablations/models/{chain}/seed-{seed}/manifest.json"),
    params:
        command=ablation_command,
    shell:
        step("ablations/models/{chain}/seed-{seed}")


rule ablation_drawings:
    input:
        at("ablations/models/{chain}/seed-{seed}/manifest.json"),
        at("ablations/validation/prompts.parquet"),
    output:
        touch(at("ablations/drawings/{chain}/seed-{seed}.done")),
    params:
        command=lambda wildcards, input: (
            f"vargpt generate --model {Path(input[0]).parent} --prompts {input[1]}"
            f" --seed {config['seed']} --batch-size {config['generate']['batch_size']}"
            f" {config['generate']['options']} --min-images 1"
            f" --out {at(f'ablations/drawings/{wildcards.chain}/seed-{wildcards.seed}')}"
        ),
    shell:
        step("ablations/drawings/{chain}/seed-{seed}")


rule ablation_read:
    input:
        at("ablations/drawings/{chain}/seed-{seed}.done"),
        at("ablations/validation/prompts.parquet"),
    output:
        at("ablations/drawn/{chain}/seed-{seed}/read/summary.json"),
    params:
        command=lambda wildcards, input: (
            f"vargpt-eval world --generations {input[0].removesuffix('.done')} --prompts {input[1]}"
            f" --out {at(f'ablations/drawn/{wildcards.chain}/seed-{wildcards.seed}/read')}"
        ),
    resources:
        gpu=0,
    shell:
        step("ablations/drawn/{chain}/seed-{seed}/read")


# Distances tell pictures apart that are too far off to be read; no weights: a seeded random network.
rule ablation_distance:
    input:
        at("ablations/drawings/{chain}/seed-{seed}.done"),
        at("world-validation/captions.parquet"),
    output:
        at("ablations/drawn/{chain}/seed-{seed}/distance/summary.json"),
    params:
        command=lambda wildcards, input: (
            f"vargpt-eval gen-metrics --generations {input[0].removesuffix('.done')}"
            f" --ref {Path(input[1]).parent / 'world'}"
            f" --out {at(f'ablations/drawn/{wildcards.chain}/seed-{wildcards.seed}/distance')}"
        ),
    shell:
        step("ablations/drawn/{chain}/seed-{seed}/distance")


rule ablation_asked:
    input:
        at("ablations/models/{chain}/seed-{seed}/manifest.json"),
        at("ablations/validation/questions/questions.parquet"),
    output:
        at("ablations/asked/{chain}/seed-{seed}/answers/summary.json"),
    params:
        command=lambda wildcards, input: (
            f"vargpt-eval run --model {Path(input[0]).parent} --tasks world_questions"
            f" --data {at('ablations/validation')} --limit {ABLATIONS['questions']}"
            f" --batch-size {config['generate']['batch_size']}"
            f" --out {at(f'ablations/asked/{wildcards.chain}/seed-{wildcards.seed}/answers')}"
        ),
    shell:
        step("ablations/asked/{chain}/seed-{seed}/answers")


def scored_rows(table):
    """Row of the paper to the folder of its runs, a subfolder a seed."""
    chains, (folder, _) = ABLATIONS["tables"][int(table)], SCORED[int(table)]
    return {row: at(f"ablations/{folder}/{chain}") for row, chain in chains.items()}


def losses(table):
    """Row of Table 4 to the folder of its models, whose losses tell them apart before drawings do."""
    chains = ABLATIONS["tables"][4].items() if int(table) == 4 else ()
    return [(row, at(f"ablations/models/{chain}")) for row, chain in chains]


rule ablation_table:
    input:
        lambda wildcards: [
            f"{folder}/seed-{seed}/{scores}/summary.json"
            for folder in scored_rows(wildcards.table).values()
            for seed in ABLATIONS["seeds"]
            for scores in SCORED[int(wildcards.table)][1]
        ],
    output:
        at("ablations/table-{table}/ablations.html"),
        at("ablations/table-{table}/ablations.md"),
    wildcard_constraints:
        table="4|5",
    params:
        command=lambda wildcards: (
            f"vargpt-eval ablations --table {wildcards.table} "
            + " ".join(
                f"--row {shlex.quote(f'{row}={folder}')}"
                for row, folder in (*scored_rows(wildcards.table).items(), *losses(wildcards.table))
            )
            + f" --note {shlex.quote(ABLATIONS['notes'][int(wildcards.table)])}"
            f" --out {at(f'ablations/table-{wildcards.table}')}"
        ),
    resources:
        gpu=0,
    shell:
        step("ablations/table-{table}")


rule ablations:
    input:
        [at(f"ablations/table-{table}/ablations.md") for table in ABLATIONS["tables"]],
