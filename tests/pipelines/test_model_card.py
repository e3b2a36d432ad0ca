"""The card of a model trained at full size: from the summaries that scoring writes there."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.pipelines.planned import ROOT


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def figure(value: float, ci95: list[float] | None, unit: str) -> dict[str, Any]:
    return {"value": value, "ci95": ci95, "unit": unit}


def test_benchmarks_give_their_headline_and_drawn_images_all_their_figures(tmp_path: Path):
    for number in (1, 2, 3):
        manifest = {
            "config": {"num_steps": 1_000 * number, "batch_size": 1_024, "peak_lr": 5e-05},
            "data": [{"path": "data-class", "rows": 1_281_167}],
            "num_trained_parameters": 42_000_000,
            "model_sha256": 64 * "a",
            "versions": {"torch": "2.15.0"},
        }
        write(tmp_path / f"stage{number}" / "manifest.json", manifest)
    gqa = {
        "title": "GQA",
        "headline": "accuracy",
        "n": 12_578,
        "metrics": {"accuracy": figure(0.6123, [0.604, 0.62], "fraction")},
    }
    mme = {
        "title": "MME",
        "headline": "perception",
        "n": 2_374,
        "metrics": {
            "perception": figure(1488.5, [1451.0, 1520.0], "points"),
            "cognition": figure(301.0, [290.0, 310.0], "points"),
        },
    }
    drawn = {
        "title": "Drawn images",
        "headline": "fid",
        "n": 50_000,
        "metrics": {"fid": figure(12.6, None, "points"), "recall": figure(0.5, None, "fraction")},
    }
    write(tmp_path / "run" / "benchmarks" / "summary.json", {"gqa": gqa, "mme": mme})
    write(tmp_path / "run" / "gen-metrics" / "summary.json", {"gen_metrics": drawn})
    program = ROOT / "pipelines" / "model_card.py"
    subprocess.run([sys.executable, program, tmp_path, "paper"], check=True, timeout=120)
    card = (tmp_path / "stage3" / "README.md").read_text("utf-8")
    front = yaml.safe_load(card.split("---")[1])
    assert front == {
        "license": "llama2",
        "base_model": ["llava-hf/llava-1.5-7b-hf", "FoundationVision/var"],
        "language": ["en"],
        "pipeline_tag": "any-to-any",
        "tags": ["vargpt", "next-scale-prediction", "imagenet"],
    }
    headings = [line for line in card.splitlines() if line.startswith("## ")]
    assert headings == ["## Intended use", "## Licence", "## Training", "## Scores"]
    assert "Made from the published parts" in card
    assert "| 3 | 42,000,000 | 3,000 | 1,024 | 5e-05 | data-class 1,281,167 |" in card
    assert card.partition("## Scores")[2].split("\n\n")[1].splitlines()[2:] == [
        "| GQA, accuracy | 61.2 % | 60.4 to 62.0 % | 12,578 |",
        "| MME, perception | 1488.5 | 1451.0 to 1520.0 | 2,374 |",
        "| Drawn images, fid | 12.6 | - | 50,000 |",
        "| Drawn images, recall | 50.0 % | - | 50,000 |",
    ]
