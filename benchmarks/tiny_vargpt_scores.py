"""Figures of the tiny VARGPT, each beside what it is to be read against."""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vargpt_eval.world import seen_scene
from vargpt_eval.world.scene_text import scene_of
from vargpt_eval.world.summary import wilson_share
from vargpt_schema import EVAL_PROMPTS, EVAL_SAMPLES, EvalSampleRecord, Message
from vargpt_schema.world import (
    COLOURS,
    SHAPES,
    Scene,
    index_of,
    named_scene_at,
    scene_difference,
)

BATCH = 100  # prompts at once
CURVE_PROMPTS = 300
TRAINED = {"image-tokenizer", "base", "stage1", "stage2", "stage3"}
ATTRIBUTES = ("colour", "shape", "size", "position", "background")


class Pair(NamedTuple):
    """What a prompt names and what its drawing shows; None: no drawing, or none that reads."""

    expected: Scene
    seen: Scene | None


class Answered(NamedTuple):
    """One question's kind, right answer, and whether it was given."""

    kind: str
    expected: str
    is_right: bool


class Scored(NamedTuple):
    """What a model drew and answered on one split."""

    pairs: list[Pair]
    opened: list[bool]  # of prompts: an image was
    answers: list[Answered]
    accuracy: Mapping[str, Any]  # of all questions, its interval over images
    wanted_image: Mapping[str, Any]  # share of questions


def scored(read: Path, asked: Path) -> Scored:
    """A folder of `vargpt-eval world` and one of `vargpt-eval run --tasks world_questions`."""
    pairs, opened = [], []
    for sample in _samples(read, "world"):
        seen = None if sample.parsed is None else scene_of(sample.parsed)
        pairs.append(Pair(scene_of(sample.target), seen))
        opened.append(sample.error != "missing")
    answers = [
        Answered(str(sample.category), sample.target, sample.score == 1)
        for sample in _samples(asked, "world_questions")
    ]
    summary = json.loads((asked / "summary.json").read_text())["world_questions"]
    return Scored(
        *(pairs, opened, answers), summary["metrics"]["accuracy"], summary["wanted_image"]
    )


def _samples(folder: Path, task: str) -> Iterable[EvalSampleRecord]:
    for file in sorted((folder / "samples" / task).glob("*.parquet")):
        yield from EVAL_SAMPLES.records(file)


def drawing_figures(pairs: Sequence[Pair]) -> dict[str, list[bool]]:
    """Hits by figure: an attribute is right when the drawing reads and shows it."""
    hits: dict[str, list[bool]] = defaultdict(list)
    for expected, seen in pairs:
        kinds = {difference.kind for difference in scene_difference(expected, seen)}
        is_lost = bool(kinds & {"unreadable", "missing"})
        for name in ATTRIBUTES:
            hits[name].append(not is_lost and name not in kinds)
        hits["colour and shape"].append(not is_lost and not kinds & {"colour", "shape"})
        hits["everything"].append(not kinds)
    return hits


def shuffled(pairs: Sequence[Pair]) -> list[Pair]:
    """Every drawing judged by another prompt."""
    order = list(range(len(pairs)))
    random.Random(0).shuffle(order)
    return [
        Pair(pairs[a].expected, pairs[b].seen)
        for a, b in zip(order, [*order[1:], order[0]], strict=True)
    ]


def best_constant_drawing(pairs: Sequence[Pair], names: Sequence[str]) -> float:
    """Share that one picture, drawn for every prompt, would have right in these attributes."""
    asked = Counter(
        tuple(getattr(pair.expected.objects[0], name) for name in names) for pair in pairs
    )
    return max(asked.values()) / len(pairs)


def best_constant_answer(answers: Sequence[Answered]) -> float:
    """Share of the best single answer to every question of a kind."""
    by_kind: dict[str, Counter[str]] = defaultdict(Counter)
    for one in answers:
        by_kind[one.kind][one.expected] += 1
    return sum(max(counts.values()) for counts in by_kind.values()) / len(answers)


def chance_answer(answers: Sequence[Answered]) -> float:
    """Share of an answer drawn at random among those of the question's kind."""
    possible: dict[str, set[str]] = defaultdict(set)
    for one in answers:
        possible[one.kind].add(one.expected)
    return sum(1 / len(possible[one.kind]) for one in answers) / len(answers)


def figures_table(trained: Scored, withheld: Scored, untrained: Scored) -> list[str]:
    """Every figure with its 95 % interval and what it stands beside, in Markdown."""
    lines = [
        "| figure | value | 95 % | chance | best constant | untrained | shuffled | withheld |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        _line(
            "image opened, drawing prompts",
            wilson_share(trained.opened),
            *("", "", _mean(untrained.opened), "", _mean(withheld.opened)),
        ),
        _line(
            "image opened, questions",
            trained.wanted_image,
            *("", "", untrained.wanted_image["value"], "", withheld.wanted_image["value"]),
        ),
        _line(
            "questions right",
            trained.accuracy,
            *(chance_answer(trained.answers), best_constant_answer(trained.answers)),
            *(untrained.accuracy["value"], "", withheld.accuracy["value"]),
        ),
    ]
    figures, strange, raw, mixed = map(
        drawing_figures, (trained.pairs, withheld.pairs, untrained.pairs, shuffled(trained.pairs))
    )
    for name, chance, attributes in (
        ("colour", 1 / len(COLOURS), ("colour",)),
        ("shape", 1 / len(SHAPES), ("shape",)),
        ("colour and shape", 1 / len(COLOURS) / len(SHAPES), ("colour", "shape")),
        ("size", 1 / 3, ("size",)),
        ("position", 1 / 9, ("position",)),
        ("background", 1 / 6, ()),
        ("everything", "", ()),
    ):
        constant = best_constant_drawing(trained.pairs, attributes) if attributes else ""
        beside = [chance, constant, *(_mean(hits[name]) for hits in (raw, mixed, strange))]
        lines.append(_line(f"drawn: {name}", wilson_share(figures[name]), *beside))
    by_kind: dict[str, list[bool]] = defaultdict(list)
    for one in trained.answers:
        by_kind[one.kind].append(one.is_right)
    kinds = [f"{kind} {_percent(_mean(hits))} of {len(hits)}" for kind, hits in by_kind.items()]
    return [*lines, "", f"Questions right by kind: {', '.join(sorted(kinds))}", ""]


def cpu_seconds(run: Path) -> dict[str, float]:
    """CPU seconds of each step, which the workflow leaves beside its folder."""
    found = {}
    for path in sorted(run.rglob(".*.cpu_seconds")):
        step = path.relative_to(run).with_name(path.name[1:].removesuffix(".cpu_seconds"))
        if step.parts[0] != "ablations" and ".before" not in step.parts:
            found[str(step)] = sum(map(float, path.read_text().split()))
    return found


def cost_table(seconds: Mapping[str, float]) -> list[str]:
    """A row a step, in Markdown."""
    total = sum(seconds.values())
    return [
        *("| step | CPU s |", "| --- | ---: |"),
        *(f"| {step} | {each:,.0f} |" for step, each in seconds.items()),
        *(f"| together | {total:,.0f} ({total / 60:.1f} minutes) |", ""),
    ]


def training_minutes(seconds: Mapping[str, float], frac: float) -> str:
    """CPU minutes of training behind this share of stage 3; "-" of a run that kept none."""
    if TRAINED - seconds.keys():
        return "-"
    before = sum(seconds[step] for step in TRAINED - {"stage3"})
    return f"{(before + frac * seconds['stage3']) / 60:.1f}"


def curve_table(run: Path, checkpoints: Path, seconds: Mapping[str, float]) -> list[str]:
    """What checkpoints of stage 3, which are on top of stage 2, draw for some of the prompts."""
    from vargpt_model.drawing import DrawingConfig
    from vargpt_model.generation import GenerationOptions, answer
    from vargpt_model.stage_training.state import load_parameters
    from vargpt_model.weights.model_folder import open_model

    greedy = GenerationOptions(
        max_part_tokens=80,
        max_images=1,
        drawing=DrawingConfig(guidance_scale=0, top_k=1, top_p=0.0),
    )
    rows = list(EVAL_PROMPTS.records(run / "world-validation" / "prompts.parquet"))
    rows = rows[:: max(1, len(rows) // CURVE_PROMPTS)][:CURVE_PROMPTS]
    lines = [
        "| stage 3, steps | CPU minutes of training | opened | colour | shape | both |",
        "| ---: | ---: | --- | --- | --- | --- |",
    ]
    folders = {int(one.name.removeprefix("step-")): one for one in checkpoints.glob("step-*")}
    for step, folder in sorted(folders.items()):
        opened = open_model(run / "stage2", device="cpu")
        load_parameters(opened.model, folder)
        pairs, has_image = [], []
        for first in range(0, len(rows), BATCH):
            part = rows[first : first + BATCH]
            replies = answer(
                opened.model,
                opened.processor,
                [[Message("user", row.prompt)] for row in part],
                None,
                seeds=list(range(len(part))),
                options=greedy,
            )
            for row, reply in zip(part, replies, strict=True):
                drawn = [image.pixels.permute(1, 2, 0).numpy() for image in reply.images]
                pairs.append(
                    Pair(
                        named_scene_at(index_of(row.image_id)),
                        seen_scene(drawn[0]) if drawn else None,
                    )
                )
                has_image.append(bool(drawn))
        figures = drawing_figures(pairs)
        shown = (has_image, figures["colour"], figures["shape"], figures["colour and shape"])
        minutes = training_minutes(seconds, step / max(folders))
        cells = " | ".join(_percent(_mean(hits)) for hits in shown)
        lines.append(f"| {step:,} | {minutes} | {cells} |")
    return [*lines, ""]


def _line(name: str, figure: Mapping[str, Any], *beside: float | str) -> str:
    """One row; beside are chance, best constant, untrained, shuffled, withheld."""
    low, high = figure["ci95"]
    cells = ["-" if isinstance(value, str) else _percent(value) for value in beside]
    return (
        f"| {name} | {_percent(figure['value'])} | {_percent(low)} to {_percent(high)} | "
        f"{' | '.join(cells)} |"
    )


def _mean(hits: Sequence[bool]) -> float:
    return sum(hits) / max(len(hits), 1)


def _percent(share_: float) -> str:
    return f"{100 * share_:.1f}"
