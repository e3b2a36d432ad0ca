"""Ablations as targets of the workflow: what is shared, what one row changes, what a row leaves."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SNAKEMAKE = shutil.which("snakemake", path=str(Path(sys.executable).parent))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(SNAKEMAKE is None, reason="the group `pipelines` is not installed"),
]


def snakemake(out: Path, *words: str, scale: str = "tiny") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(str(SNAKEMAKE), "-s", str(ROOT / "pipelines" / "Snakefile"), "--cores", "1"),
            *("--config", f"scale={scale}", "cut=1", f"out={out}", *words),
        ],
        cwd=out.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=1_800,
    )


@pytest.mark.parametrize("scale", ["tiny", "small"])
def test_all_rows_of_two_seeds_share_tokenizer_codes_base_and_what_chains_have_alike(
    tmp_path, scale
):
    planned = snakemake(tmp_path / "run", "-n", "-q", "rules", "--", "ablations", scale=scale)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    jobs = dict(line.split() for line in planned.stdout.splitlines() if len(line.split()) == 2)
    assert [jobs[rule] for rule in ("image_tokenizer", "codes", "base")] == ["1", "1", "1"]
    # Chains of a seed: 1, 2, 3, 1-2 and five changes of it, 1-2-3 and two, 2-3: 13.
    assert jobs["ablation_stage"] == "26"
    assert jobs["ablation_drawings"] == "12"
    assert jobs["ablation_asked"] == "12"
    assert jobs["ablation_table"] == "2"


def test_a_row_is_trained_with_its_one_change_and_scored(tmp_path):
    out = tmp_path / "run"
    drawn = out / "ablations" / "drawn" / "1-2-3.frozen_decoder" / "seed-1"
    asked = out / "ablations" / "asked" / "1-2.more_drawing" / "seed-1" / "answers"
    targets = [
        str(drawn / "read" / "summary.json"),
        str(drawn / "distance" / "summary.json"),
        str(asked / "summary.json"),
    ]
    done = snakemake(out, "--", *targets)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    models = out / "ablations" / "models"

    def made(chain: str) -> dict:
        return json.loads((models / chain / "seed-1" / "manifest.json").read_text())

    changed, plain = made("1-2-3.frozen_decoder"), made("1-2")
    assert (changed["config"]["variant"], plain["config"]["variant"]) == ("frozen_decoder", "paper")
    assert {made(chain)["config"]["seed"] for chain in ("1", "1-2", "1-2.more_drawing")} == {1}
    assert changed["start_sha256"] == plain["model_sha256"]
    assert made("1-2.more_drawing")["config"]["weights"] == [0.5, 0.25, 0.07]
    assert plain["config"]["weights"] == [0.25, 0.25, 0.07]
    read = json.loads((drawn / "read" / "summary.json").read_text())
    assert (read["world"]["right"]["n"], read["world"]["num_missing"]) == (4, 0)
    distance = json.loads((drawn / "distance" / "summary.json").read_text())
    assert distance["gen_metrics"]["metrics"]["fid_random"]["value"] > 0
    assert json.loads((asked / "summary.json").read_text())["world_questions"]["n"] == 7

    again = snakemake(out, "--", *targets)
    assert "Nothing to be done" in again.stdout + again.stderr
