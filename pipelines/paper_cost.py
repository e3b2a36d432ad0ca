"""GPU hours and USD of the paper's run, step by step: python pipelines/paper_cost.py [GPU.json]

Without a file the rates are assumed: what benchmarks/gpu.py predicts of its lines. With the JSON
that `benchmarks/gpu.py --out GPU.json` wrote on a GPU, every line that it measured takes the place
of the assumed one; the table says which is which. Hours are counts divided by rates; several GPUs
are taken to share the work without loss.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

NUM_IMAGES = 1_281_167 + 50_000  # ImageNet-1k, training and validation
NUM_STAGE_2 = 665_298 + 508_000 + 5_000
NUM_PROMPTS = 50_000
NUM_QUESTIONS = 277_907  # of the eleven benchmarks; 214,354 of them VQAv2's
REPLY_TOKENS = 40  # of a sentence before an image, assumed


class Rate(NamedTuple):
    """What a step's time is worked out from."""

    line: str  # of benchmarks/gpu.py; empty where it has none
    assumed: float
    unit: str  # a second, or milliseconds for one


RATES = {
    "captions": Rate("BLIP-2 2.7B: files to captions", 100, "images/s"),
    "codes": Rate("encode, float32", 150, "images/s"),
    "stage 1": Rate("7b stage 1, batch 8", 14, "rows/s"),
    "stage 2": Rate("7b stage 2, batch 8", 13, "rows/s"),
    "stage 3": Rate("7b stage 3, batch 8", 13, "rows/s"),
    "drawing": Rate("7b drawing, batch 64", 15, "ms an image"),
    "text": Rate("", 0.5, "ms a token"),  # 32 ms a step of 64 replies
    "features": Rate("", 500, "images/s"),
    "questions": Rate("", 8, "questions/s"),  # one at a time: 600 positions read, few written
}


class Step(NamedTuple):
    name: str
    command: str
    fetch: str
    num_items: int
    rates: tuple[str, ...]  # names; their times add up


STEPS = (
    Step("captions", "datagen caption IMAGENET", "ImageNet-1k, BLIP-2", NUM_IMAGES, ("captions",)),
    Step("codes", "vargpt encode", "vae_ch160v4096z32.pth", NUM_IMAGES, ("codes",)),
    Step("stage 1", "vargpt train 1", "LLaVA-1.5-7b, var_d30.pth", 1_281_167, ("stage 1",)),
    Step(
        *("stage 2", "vargpt train 2", "LLaVA-1.5's and OneVision's rows and images"),
        *(NUM_STAGE_2, ("stage 2",)),
    ),
    Step("stage 3", "vargpt train 3", "-", 12 * 1_400_000, ("stage 3",)),
    Step("drawings", "vargpt generate", "-", NUM_PROMPTS, ("drawing", "text")),
    Step("FID", "vargpt-eval gen-metrics", "Inception, statistics", NUM_PROMPTS, ("features",)),
    Step("answers", "vargpt-eval run", "eleven benchmarks", NUM_QUESTIONS, ("questions",)),
)


def seconds_each(name: str, measured: Mapping[str, float]) -> float:
    """Of one image, row or question on one GPU."""
    rate = RATES[name]
    value = measured.get(rate.line, rate.assumed)
    if name == "text":
        return REPLY_TOKENS * value / 1000
    return value / 1000 if rate.unit.startswith("ms") else 1 / value


def gpu_hours(step: Step, measured: Mapping[str, float]) -> float:
    """Of the whole step."""
    return step.num_items * sum(seconds_each(name, measured) for name in step.rates) / 3600


def table(measured: Mapping[str, float], usd_per_hour: float) -> str:
    """Markdown: counts, rates with their origin, GPU hours, USD; the sum last."""
    lines = [
        "| step | command | to fetch | count | rate | from | GPU hours | USD |",
        "| --- | --- | --- | ---: | --- | --- | ---: | ---: |",
    ]
    total = 0.0
    for step in STEPS:
        hours = gpu_hours(step, measured)
        total += hours
        rates, origins = [], []
        for name in step.rates:
            rate = RATES[name]
            rates.append(f"{measured.get(rate.line, rate.assumed):g} {rate.unit}")
            origin = "measured" if rate.line in measured else "assumed"
            origins.append(f"{origin}: `{rate.line}`" if rate.line else "assumed: no line")
        lines.append(
            f"| {step.name} | `{step.command}` | {step.fetch} | {step.num_items:,} | "
            f"{' + '.join(rates)} | {'; '.join(origins)} | {hours:,.1f} | "
            f"{hours * usd_per_hour:,.0f} |"
        )
    lines.append(f"| together | | | | | | {total:,.0f} | {total * usd_per_hour:,.0f} |")
    return "\n".join(lines) + "\n"


def measured_lines(path: Path) -> dict[str, float]:
    """Lines of a file of benchmarks/gpu.py; none of a run at small sizes."""
    report = json.loads(path.read_text("utf-8"))
    if report["small"]:
        return {}
    return {line["name"]: line["measured"] for line in report["lines"]}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("gpu", type=Path, nargs="?", help="JSON of benchmarks/gpu.py --out")
    parser.add_argument("--usd-per-hour", type=float, default=2.5, help="of one GPU, assumed")
    words = parser.parse_args()
    print(table(measured_lines(words.gpu) if words.gpu else {}, words.usd_per_hour), end="")


if __name__ == "__main__":
    main()
