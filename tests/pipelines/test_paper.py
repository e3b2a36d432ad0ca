"""Every command of the paper's workflow, at tiny size, on files in the layouts of the real ones."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.datagen.stage2_inputs import WEIGHTS, llava_record, write_llava, write_onevision
from tests.datagen.tiny_blip2 import save_tiny_blip2
from tests.eval import hub_layout
from vargpt_datagen.imagenet_classes import imagenet_classes

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SNAKEMAKE = shutil.which("snakemake", path=str(BIN))
NUM_CLASSES, PER_CLASS = 4, 12
# Slurm's two commands on one machine: srun drops its own options.
SLURM = {
    "srun": 'while [[ "$1" == --* ]]; do shift; done\nexec "$@"',
    "scontrol": "echo 127.0.0.1",
}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(SNAKEMAKE is None, reason="the group `pipelines` is not installed"),
]


def write_imagenet(folder: Path) -> None:
    """train/<wnid>/<wnid>_<n>.JPEG and val/<wnid>/ILSVRC2012_val_<n>.JPEG, drawn scenes."""
    from vargpt_datagen.world.drawing import draw
    from vargpt_schema.world import scene_at

    number = 0
    for each in imagenet_classes()[:NUM_CLASSES]:
        for place in range(PER_CLASS):
            number += 1
            name = f"train/{each.wnid}/{each.wnid}_{place}.JPEG"
            if place % 3 == 0:
                name = f"val/{each.wnid}/ILSVRC2012_val_{number:08d}.JPEG"
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            draw(scene_at(number), 48).save(folder / name)


def write_published_parts(folder: Path) -> None:
    """llava-1.5-7b-hf, var_d30.pth and an image tokenizer, at two layers each."""
    from tests.model.vargpt.published_folders import TEXT, published_model, write_var
    from tests.model.vargpt.published_folders import write_llava as write_llava_weights
    from vargpt_model.image_tokenizer_folder import save_image_tokenizer

    model = published_model()
    write_llava_weights(folder / "llava", model)
    path = folder / "llava" / "config.json"
    config = json.loads(path.read_text())
    # Its tokenizer knows letters alone, so texts are long.
    config["text_config"] = {**TEXT, "max_position_embeddings": 4096}
    path.write_text(json.dumps(config))
    write_var(folder / "var.pth", model)
    save_image_tokenizer(model.vae_local, folder / "vae")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    """Configuration and environment of a run whose inputs are small."""
    folder = tmp_path_factory.mktemp("paper")
    write_imagenet(folder / "imagenet")
    llava = write_llava(folder, [llava_record(number) for number in range(136)])
    shutil.copytree(folder / "imagenet" / "train", folder / "images" / "train")
    (folder / "weights.tsv").write_text(WEIGHTS)
    write_published_parts(folder)
    hub_layout.mmbench(folder / "benchmarks")
    hub_layout.gqa(folder / "benchmarks")
    quick = {"max_steps": 1, "batch_size": 4, "max_positions": 4096}
    config = {
        "imagenet": str(folder / "imagenet"),
        "image_root": str(folder / "images"),
        "captions": "blip2",
        "validation_captions": "blip2",
        "captioning": f"--model {save_tiny_blip2(folder / 'blip2')} --batch-size 8",
        "llava_rows": str(llava),
        "onevision": str(write_onevision(folder)),
        "stage2_options": f"--weights {folder / 'weights.tsv'} --rows 240",
        "llava": str(folder / "llava"),
        "var": str(folder / "var.pth"),
        "vae": str(folder / "vae"),
        "openimages": str(folder / "imagenet" / "val"),
        "set_model": {"base_channels": 32, "vocab_size": 16, "patch_nums": "1,2"},
        "fid_reference": str(folder / "imagenet" / "val"),
        "extractors": "",
        "benchmarks": str(folder / "benchmarks"),
        "tasks": ["mmbench_en_dev", "gqa"],
        "writer": {"130k": "--writer offline --rows 6"},
        "generate_options": "--min-images 1 --max-images 1 --max-part-tokens 8",
        "gpus_per_node": 2,
        "nodes": {"codes": 1, 1: 1, 2: 1, 3: 1},
        "rendezvous_port": free_port(),
        "train": {
            "image_tokenizer": {"num_steps": 2, "batch_size": 2},
            1: quick,
            2: quick,
            3: quick,
        },
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    for name, body in SLURM.items():
        path = folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/bash\n{body}\n")
        path.chmod(0o755)
    path = os.pathsep.join([str(folder / "bin"), str(BIN), os.environ["PATH"]])
    return folder, {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}


def snakemake(paper, *targets: str) -> subprocess.CompletedProcess[str]:
    folder, environment = paper
    return subprocess.run(
        [
            *(str(SNAKEMAKE), "-s", str(ROOT / "pipelines" / "Snakefile"), "--cores", "1"),
            *("--configfile", str(folder / "config.yaml")),
            *("--config", "scale=paper", "cpu=1", f"out={folder / 'run'}", "--", *targets),
        ],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=1_800,
    )


def test_every_rule_of_the_paper_runs_from_images_to_a_report(paper):
    done = snakemake(paper, "all", "tokenizer_openimages")
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    run = paper[0] / "run"
    for stage in ("1", "2", "3"):
        made = json.loads((run / f"stage{stage}" / "manifest.json").read_text())
        assert made["command"] == f"vargpt train {stage}"
        assert made["num_rows_unreadable"] == 0
    assert {row["path"] for row in made["data"]} == {"data-130k", "data-1270k"}
    summary = json.loads((run / "run" / "gen-metrics" / "summary.json").read_text())
    assert summary["gen_metrics"]["n"] == NUM_CLASSES * PER_CLASS // 3
    asked = json.loads((run / "run" / "benchmarks" / "summary.json").read_text())
    assert set(asked) == {"mmbench_en_dev", "gqa"}
    assert (run / "report" / "report.html").stat().st_size > 1_000
    card = (run / "stage3" / "README.md").read_text()
    assert "LLaVA-1.5-7b, VAR-d30" in card
    assert "| Drawn images, fid_random (not comparable) | " in card
    assert "| MMBench-dev (en), accuracy | " in card
    assert (run / "tokenizer-openimages" / "model.safetensors").is_file()
