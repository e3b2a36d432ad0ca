"""Writes a model card from what a run left: python model_card.py RUN SCALE

Reads RUN/stage{1,2,3}/manifest.json and the summaries below RUN/scores-stage3 (the sample world)
and RUN/run (benchmarks, drawn images); writes RUN/stage3/README.md. Every figure on it is theirs.
"""

import json
import sys
from pathlib import Path
from typing import Any

HEAD = """---
{front}language: [en]
pipeline_tag: any-to-any
tags: [vargpt, next-scale-prediction, {tag}]
---

# VARGPT, trained {where}

{told}

```
vargpt generate --model DIR --prompts "{prompt}" --out ./drawn
vargpt chat --model DIR
```

DIR is this folder. Other libraries cannot load it: its classes are the VARGPT toolkit's.

## Intended use

{use}

## Licence

{licence}

## Training

| stage | trained parameters | steps | rows a step | peak learning rate | rows of data |
| --- | ---: | ---: | ---: | ---: | --- |
"""
WORLD = {
    "front": "",
    "tag": "sample-world",
    "told": (
        "Image tokenizer, vision tower, language model and visual decoder were **trained here on "
        "the sample world** of drawn shapes, in place of the published parts; then stages 1, 2 and "
        "3 of arXiv 2501.12327 as the paper freezes them."
    ),
    "prompt": "Please draw a red circle.",
    "use": (
        "To try the toolkit and to compare recipes. It knows coloured shapes and nothing else, and "
        "has seen the wordings of the sample world alone; its answers and drawings are of no use "
        "beyond it."
    ),
    "licence": (
        "None is declared here: whoever publishes it chooses one. No weights, pictures or text of "
        "others went into it."
    ),
}
PAPER = {
    "front": ("license: llama2\nbase_model: [llava-hf/llava-1.5-7b-hf, FoundationVision/var]\n"),
    "tag": "imagenet",
    "told": (
        "Made from the published parts (LLaVA-1.5-7b, VAR-d30) with stages 1, 2 and 3 of arXiv "
        "2501.12327."
    ),
    "prompt": "Please draw a golden retriever on a lawn.",
    "use": (
        "Research on models that answer and draw. It draws what ImageNet shows, at 256 px, and "
        "answers in English about pictures, wrongly at times and with the biases of its data; no "
        "filter looks at its input or output. It is not for decisions about people, nor for "
        "pictures that pass as real."
    ),
    "licence": (
        "Its language model is LLaVA-1.5's Vicuna-7B, under the Llama 2 Community License, which "
        "holds for what is made from it. The terms of the data hold too: ImageNet's pictures are "
        "for research that is not commercial, parts of LLaVA-1.5's and OneVision's text were "
        "written by other models under their owners' terms. All this as their owners' pages say; "
        "nobody has checked it here."
    ),
}


def card(run: Path, scale: str) -> str:
    """The card of one run."""
    is_world = scale != "paper"
    head = {
        "where": f"on the sample world, scale {scale}" if is_world else "at full size",
        **(WORLD if is_world else PAPER),
    }
    lines = [HEAD.format(**head).rstrip("\n")]
    for stage in ("1", "2", "3"):
        made = _read(run / f"stage{stage}" / "manifest.json")
        config = made["config"]
        rows = ", ".join(f"{each['path']} {each['rows']:,}" for each in made["data"])
        lines.append(
            f"| {stage} | {made['num_trained_parameters']:,} | {config['num_steps']:,} | "
            f"{config['batch_size']:,} | {config['peak_lr']:g} | {rows} |"
        )
    lines += ["", "## Scores", ""]
    lines += ["| what | value | 95 % interval | of |", "| --- | ---: | --- | ---: |"]
    lines += [*_world_scores(run / "scores-stage3"), *_scores(run / "run")]
    manifest = _read(run / "stage3" / "manifest.json")
    versions = ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())
    lines += ["", f"Weights sha256 `{manifest['model_sha256']}`; {versions}."]
    if is_world:
        lines += ["", "No figure here can be set beside the paper's: its images are not these."]
    return "\n".join(lines) + "\n"


def _scores(folder: Path):
    for path in sorted(folder.glob("*/summary.json")):
        for name, found in _read(path).items():
            # Of a benchmark its headline; of drawn images all, as no one of them is that.
            shown = found["metrics"] if name == "gen_metrics" else [found["headline"]]
            stamp = f" ({found['stamp']})" if found.get("stamp") else ""
            for metric in shown:
                name = f"{found['title']}, {metric}{stamp}"
                yield _row(name, found["metrics"][metric], found["n"])


def _world_scores(folder: Path):
    for path in sorted(folder.glob("*/summary.json")):
        summary, split = _read(path), path.parent.name.rpartition("-")[2]
        if "world" in summary:
            found = summary["world"]
            right = found["right"]
            yield _row(f"drawings, all that is named ({split})", right, right["n"])
            yield _row(
                f"drawings, an image opened ({split})", found["opened"], found["opened"]["n"]
            )
            named = {name: each for name, each in found["by_attribute"].items() if each["n"]}
            for name, value in named.items():
                yield _row(f"drawings, {name} ({split})", value, value["n"])
        if "world_questions" in summary:
            found = summary["world_questions"]
            yield _row(f"questions ({split})", found["metrics"]["accuracy"], found["n"])
            wanted = found["wanted_image"]
            yield _row(f"questions, an image opened ({split})", wanted, wanted["n"])


def _row(name: str, figure: dict[str, Any], count: int) -> str:
    factor, unit = (1.0, "") if figure.get("unit") == "points" else (100.0, " %")
    value, interval = f"{factor * figure['value']:.1f}{unit}", "-"
    if figure["ci95"] is not None:
        low, high = (factor * bound for bound in figure["ci95"])
        interval = f"{low:.1f} to {high:.1f}{unit}"
    return f"| {name} | {value} | {interval} | {count:,} |"


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8"))


if __name__ == "__main__":
    run = Path(sys.argv[1])
    (run / "stage3" / "README.md").write_text(card(run, sys.argv[2]), "utf-8")
