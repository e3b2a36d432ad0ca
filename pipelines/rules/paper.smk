# The paper's run: ImageNet, published parts, a cluster. None of it has been run: no GPU, no ImageNet,
# no weights were at hand. docs/reproduction.md works out count, GPU hours and USD of every step.
#
# What to fetch first (config/paper.yaml says where it is expected):
#   ImageNet-1k training and validation images               image-net.org, own terms
#   llava-1.5-7b-hf; var_d30.pth; vae_ch160v4096z32.pth      huggingface.co
#   llava_v1_5_mix665k.json and its images; LLaVA-OneVision  huggingface.co
#   Inception and CLIP weights: `vargpt-eval doctor` names them with their hashes

NODES, GPUS = config["nodes"], config["gpus_per_node"]


def ranks(number):
    """The launcher of a step on its nodes. On several, srun starts torchrun once on each, and only
    there the list of nodes is known. srun does not take the job's --cpus-per-task over by itself.
    """
    if NODES[number] == 1:
        return f"torchrun --nproc-per-node={GPUS} --no-python"
    return (
        f"srun --nodes={NODES[number]} --ntasks-per-node=1 --cpus-per-task={8 * GPUS} bash -c"
        " 'torchrun"
        f" --nnodes={NODES[number]} --nproc-per-node={GPUS} --rdzv-backend=c10d --rdzv-endpoint="
        f'$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n1):{config["rendezvous_port"]}'
        ' --no-python "$@"\' torchrun'
    )


ASKED = (
    *("cpus_per_task", "gpu", "mem_mb", "runtime"),
    *("mpi", "nodes", "slurm_extra", "tasks"),  # None, and so not asked for, on one node
)


def nodes(number, hours):
    """What Slurm is asked for: all GPUs of so many nodes."""
    asked = {"cpus_per_task": 8 * GPUS, "runtime": hours * 60, "mem_mb": 512_000}
    if NODES[number] == 1:
        return {**asked, "gpu": GPUS}
    return {
        **asked,
        "nodes": NODES[number],
        "tasks": NODES[number],
        "mpi": "srun",  # the command starts its own job step
        "slurm_extra": f"--gpus-per-node={GPUS}",
        "gpu": 0,  # beside those of the nodes
    }


# BLIP-2's captions of 1.33 M images, on one GPU; captions: hub in config/paper.yaml spares it.
# Of all of ImageNet, so that paths start with train/ as in the image root and in the codes.
rule captions:
    output:
        at("captions/manifest.json"),
    params:
        command=f"datagen caption {config['imagenet']} {config['captioning']}"
        f" --out {at('captions')}",
    shell:
        step("captions")


def captions_input(source):
    return [at("captions/manifest.json")] if config[source] == "blip2" else []


def captions_of(source):
    return at("captions") if config[source] == "blip2" else config[source]


# `datagen build-130k --dry-run` says what it would cost; --max-usd in config/paper.yaml is the cap.
rule instruct:
    input:
        captions_input("captions"),
    output:
        at("data-{kind}/manifest.json"),
    wildcard_constraints:
        kind="class|130k|1270k",
    params:
        command=lambda wildcards: (
            f"datagen build-{wildcards.kind} --captions {captions_of('captions')}"
            f" --out {at('data-')}{wildcards.kind} {config['writer'].get(wildcards.kind, '')}"
        ),
    resources:
        gpu=0,
    shell:
        step("data-{kind}")


rule instruct_stage2:
    input:
        at("data-130k/manifest.json"),
    output:
        at("data-stage2/manifest.json"),
    params:
        command=f"datagen build-stage2 --llava {config['llava_rows']}"
        f" --onevision {config['onevision']} --instruct {at('data-130k')}"
        f" --image-root {config['image_root']} --out {at('data-stage2')}"
        f" {config['stage2_options']}",
    resources:
        gpu=0,
    shell:
        step("data-stage2")


rule prompts:
    input:
        captions_input("validation_captions"),
    output:
        at("prompts/manifest.json"),
    params:
        command=f"datagen build-eval --captions {captions_of('validation_captions')}"
        f" --out {at('prompts')}",
    resources:
        gpu=0,
    shell:
        step("prompts")


def tokenizer_sizes():
    """`--set-model` options of an image tokenizer of one's own."""
    return " ".join(f"--set-model {key}={value}" for key, value in config["set_model"].items())


# Optional: an image tokenizer of one's own, as VAR trained its on OpenImages.
#   snakemake ... tokenizer_openimages
rule tokenizer_openimages:
    input:
        [],
    output:
        at("tokenizer-openimages/manifest.json"),
    params:
        command="vargpt train image-tokenizer --preset 7b"
        f" --image-root {config['openimages']} --out {at('tokenizer-openimages')}"
        f" {tokenizer_sizes()} {settings('image_tokenizer')}",
    shell:
        step("tokenizer-openimages")


rule codes:
    output:
        at("codes/manifest.json"),
    params:
        launcher=ranks("codes"),
        command=f"vargpt encode --model {config['vae']}"
        f" --images {config['imagenet']} --centre centre --out {at('codes')}",
    resources:
        **nodes("codes", 6),
    shell:
        step("codes", launched="{params.launcher} ")


rule start:
    output:
        at("start/config.json"),
    params:
        command=f"vargpt init --llava {config['llava']} --var {config['var']}"
        f" --vae {config['vae']} --seed {config['seed']} --out {at('start')}",
    resources:
        gpu=0,
    shell:
        step("start")


BEFORE = {"1": "start/config.json", "2": "stage1/manifest.json", "3": "stage2/manifest.json"}


def nodes_of_stage():
    """`nodes` of the stage that a job's wildcard names."""

    def asked(name):
        return lambda wildcards: nodes(
            int(wildcards.number), config["hours"][int(wildcards.number)]
        ).get(name)

    return {name: asked(name) for name in ASKED}


rule stage:
    input:
        lambda wildcards: at(BEFORE[wildcards.number]),
        at("codes/manifest.json"),
        lambda wildcards: [
            at(f"data-{source.partition(':')[0]}/manifest.json")
            for source in config["data"][int(wildcards.number)]
        ],
    output:
        at("stage{number}/manifest.json"),
    wildcard_constraints:
        number="[123]",
    params:
        launcher=lambda wildcards: ranks(int(wildcards.number)),
        command=lambda wildcards: (
            f"vargpt train {wildcards.number}"
            f" --model {at(BEFORE[wildcards.number].split('/')[0])} "
            + " ".join(
                f"--data {at('data-')}{source}"
                for source in config["data"][int(wildcards.number)]
            )
            + f" --image-root {config['image_root']} --codes {at('codes')} --engine fsdp2"
            f" --out {at('stage')}{wildcards.number} {settings(int(wildcards.number))}"
        ),
    resources:
        **nodes_of_stage(),
    shell:
        step("stage{number}", launched="{params.launcher} ")


rule generate:
    input:
        at("stage3/manifest.json"),
        at("prompts/manifest.json"),
    output:
        touch(at("drawn/done")),
    params:
        command=f"vargpt generate --model {at('stage3')} --prompts {at('prompts/data')}"
        f" --seed {config['seed']} --batch-size 64 {config['generate_options']} --out {at('drawn')}",
    shell:
        step("drawn")


rule generation_metrics:
    input:
        at("drawn/done"),
        at("prompts/manifest.json"),
    output:
        at("run/gen-metrics/summary.json"),
    params:
        command=f"vargpt-eval gen-metrics --generations {at('drawn')} --prompts {at('prompts')}"
        f" {config['extractors']}"
        f" --ref {config['fid_reference']} --out {at('run/gen-metrics')}",
    shell:
        step("run/gen-metrics")


rule benchmarks:
    input:
        at("stage3/manifest.json"),
    output:
        touch(at("run/benchmarks/done")),
    params:
        command=f"vargpt-eval run --model {at('stage3')} --tasks {','.join(config['tasks'])}"
        f" --data {config['benchmarks']} --out {at('run/benchmarks')}",
    shell:
        step("run/benchmarks")


rule report:
    input:
        at("run/benchmarks/done"),
        at("run/gen-metrics/summary.json"),
    output:
        at("report/report.html"),
    params:
        command=f"vargpt-eval report {at('run/benchmarks')} {at('run/gen-metrics')}"
        f" --out {at('report')}",
    resources:
        gpu=0,
    shell:
        step("report")


rule model_card:
    input:
        at("stage3/manifest.json"),
        at("report/report.html"),
    output:
        at("stage3/README.md"),
    params:
        command=f"{shlex.quote(sys.executable)} {shlex.quote(str(HERE / 'model_card.py'))} {RUN} {scale}",
    resources:
        gpu=0,
    shell:
        "{params.command}"
