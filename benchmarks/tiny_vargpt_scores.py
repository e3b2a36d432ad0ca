"""Figures of the tiny VARGPT, each beside what it is to be read against."""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image

from vargpt_eval.world import seen_scene
from vargpt_eval.world.scene_text import scene_of
from vargpt_eval.world.summary import share
from vargpt_model.drawing import DrawingConfig
from vargpt_model.generation import GenerationOptions, ImagePart, TextPart, answer
from vargpt_model.stage_training.state import load_parameters
from vargpt_model.weights.model_folder import Opened, open_model
from vargpt_schema import EVAL_PROMPTS, EVAL_SAMPLES, INSTRUCT, InstructRecord, Message
from vargpt_schema.world import (
    COLOURS,
    SHAPES,
    Scene,
    index_of,
    named_scene_at,
    scene_difference,
)

BATCH = 100  # prompts at once
GREEDY = GenerationOptions(
    max_part_tokens=80, max_images=1, drawing=DrawingConfig(guidance_scale=0, top_k=1, top_p=0.0)
)
ATTRIBUTES = ("colour", "shape", "size", "position", "background")


class Pair(NamedTuple):
    """What a prompt names and what its drawing shows; None: no drawing, or none that reads."""

    expected: Scene
    seen: Scene | None


class CurvePoint(NamedTuple):
    """A checkpoint of stage 3 and what it draws."""

    step: int
    opened: float
    figures: Mapping[str, float]


class Answered(NamedTuple):
    """One question, the reply to it."""

    kind: str
    expected: str
    found: str
    opened: bool


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


def pairs_of(scores: Path) -> tuple[list[Pair], list[bool]]:
    """Of a folder of `vargpt-eval world`, and whether each prompt got an image."""
    pairs, opened = [], []
    for file in sorted((scores / "samples" / "world").glob("*.parquet")):
        for sample in EVAL_SAMPLES.records(file):
            seen = None if sample.parsed is None else scene_of(sample.parsed)
            pairs.append(Pair(scene_of(sample.target), seen))
            opened.append(sample.error != "missing")
    return pairs, opened


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


def curve(start: Path, checkpoints: Path, prompts: Path, *, num_prompts: int) -> list[CurvePoint]:
    """Drawings of every kept checkpoint of stage 3, which are on top of the model `start`."""
    rows = list(EVAL_PROMPTS.records(prompts))
    rows = rows[:: max(1, len(rows) // num_prompts)][:num_prompts]
    points = []
    stored = checkpoints / "points.json"
    known = json.loads(stored.read_text()) if stored.is_file() else {}
    for folder in sorted(checkpoints.glob("step-*")):
        if folder.name not in known:
            opened = open_model(start, device="cpu")
            load_parameters(opened.model, folder)
            conversations = [[Message("user", row.prompt)] for row in rows]
            pairs, has_image = [], []
            for first in range(0, len(rows), BATCH):
                replies = _replies(opened, conversations[first : first + BATCH], None)
                for row, parts in zip(rows[first : first + BATCH], replies, strict=True):
                    images = [part for part in parts if isinstance(part, ImagePart)]
                    expected = named_scene_at(index_of(row.image_id))
                    seen = seen_scene(images[0].pixels.permute(1, 2, 0).numpy()) if images else None
                    pairs.append(Pair(expected, seen))
                    has_image.append(bool(images))
            figures = {n: sum(h) / len(h) for n, h in drawing_figures(pairs).items()}
            known[folder.name] = [sum(has_image) / len(has_image), figures]
            stored.write_text(json.dumps(known, indent=2) + "\n")
        step = int(folder.name.removeprefix("step-"))
        points.append(CurvePoint(step, *known[folder.name]))
    return points


def _replies(opened: Opened, conversations: Sequence[Any], images: Any) -> list[list[Any]]:
    torch.set_num_threads(1)
    replies = answer(
        opened.model,
        opened.processor,
        conversations,
        images,
        seeds=list(range(len(conversations))),
        options=GREEDY,
    )
    return [reply.parts for reply in replies]


def ask(model: Path, world: Path, num_questions: int) -> list[Answered]:
    """Held-out questions, one of every scene, the kinds by turns."""
    by_image: dict[str, list[InstructRecord]] = defaultdict(list)
    for row in INSTRUCT.records(world / "questions"):
        by_image[row.images[0]].append(row)
    rows = [own[place % len(own)] for place, own in enumerate(by_image.values())][:num_questions]
    opened = open_model(model, device="cpu")
    found = []
    for first in range(0, len(rows), BATCH):
        part = rows[first : first + BATCH]
        images = [[Image.open(world / row.images[0]).convert("RGB")] for row in part]
        replies = _replies(opened, [row.messages[:1] for row in part], images)
        for row, parts in zip(part, replies, strict=True):
            text = "".join(one.text for one in parts if isinstance(one, TextPart))
            found.append(
                Answered(
                    row.source.removeprefix("world/"),
                    row.messages[1].content,
                    text.strip().rstrip(".").lower(),
                    any(isinstance(one, ImagePart) for one in parts),
                )
            )
    return found


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


def report(
    out: Path, cpu_seconds: Mapping[str, float], points: Sequence[CurvePoint], *, num_questions: int
) -> str:
    """The tables, in Markdown."""
    pairs, opened = pairs_of(out / "scores-stage-3-validation")
    withheld_pairs, withheld_opened = pairs_of(out / "scores-stage-3-withheld")
    raw_pairs, raw_opened = pairs_of(out / "scores-untrained-validation")
    figures, withheld, raw, mixed = map(
        drawing_figures, (pairs, withheld_pairs, raw_pairs, shuffled(pairs))
    )
    asked = ask(out / "stage-3", out / "validation", num_questions)
    raw_asked = ask(out / "untrained", out / "validation", num_questions)
    strange_asked = ask(out / "stage-3", out / "withheld", num_questions)
    lines = [
        "| figure | value | Wilson 95 % | chance | best constant | untrained | shuffled "
        "| withheld pairs |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        _line("image opened, drawing prompts", opened, "", "", raw_opened, "", withheld_opened),
        _line(
            "image opened, questions",
            [one.opened for one in asked],
            *("", "", [one.opened for one in raw_asked], ""),
            [one.opened for one in strange_asked],
        ),
        _line(
            "questions right",
            _right(asked),
            *(chance_answer(asked), best_constant_answer(asked), _right(raw_asked), ""),
            _right(strange_asked),
        ),
    ]
    for name, chance, attributes in (
        ("colour", 1 / len(COLOURS), ("colour",)),
        ("shape", 1 / len(SHAPES), ("shape",)),
        ("colour and shape", 1 / len(COLOURS) / len(SHAPES), ("colour", "shape")),
        ("size", 1 / 3, ("size",)),
        ("position", 1 / 9, ("position",)),
        ("background", 1 / 6, ()),
        ("everything", "", ()),
    ):
        constant = best_constant_drawing(pairs, attributes) if attributes else ""
        lines.append(
            _line(
                f"drawn: {name}",
                figures[name],
                *(chance, constant, raw[name], mixed[name], withheld[name]),
            )
        )
    by_kind: dict[str, list[bool]] = defaultdict(list)
    for one, is_right in zip(asked, _right(asked), strict=True):
        by_kind[one.kind].append(is_right)
    lines += [
        "",
        "Questions right by kind: "
        + ", ".join(
            f"{kind} {_percent(_mean(hits))} of {len(hits)}"
            for kind, hits in sorted(by_kind.items())
        ),
    ]
    total = sum(cpu_seconds.values())
    lines += ["", "| part | CPU s |", "| --- | --- |"]
    lines += [f"| {part} | {seconds:,.0f} |" for part, seconds in cpu_seconds.items()]
    lines += [f"| together | {total:,.0f} ({total / 60:.1f} minutes) |", ""]
    lines += ["| stage 3, steps | CPU minutes so far | opened | colour | shape | both |"]
    lines += ["| --- | --- | --- | --- | --- | --- |"]
    last = max((point.step for point in points), default=1)
    before = total - cpu_seconds.get("stage 3", 0.0)
    for point in points:
        minutes = (before + cpu_seconds.get("stage 3", 0.0) * point.step / last) / 60
        shown = [point.figures[name] for name in ("colour", "shape", "colour and shape")]
        cells = " | ".join(_percent(value) for value in (point.opened, *shown))
        lines.append(f"| {point.step:,} | {minutes:.1f} | {cells} |")
    return "\n".join(lines) + "\n"


def _right(answers: Sequence[Answered]) -> list[bool]:
    return [one.found == one.expected for one in answers]


def _line(name: str, hits: Sequence[bool], *beside: Any) -> str:
    """One row; beside are chance, best constant, untrained, shuffled, withheld."""
    found = share(hits)
    low, high = found["ci95"]
    cells = [
        "-" if value == "" else _percent(value if isinstance(value, float) else _mean(value))
        for value in beside
    ]
    return (
        f"| {name} | {_percent(found['value'])} | {_percent(low)} to {_percent(high)} | "
        f"{' | '.join(cells)} |"
    )


def _mean(hits: Sequence[bool]) -> float:
    return sum(hits) / max(len(hits), 1)


def _percent(share_: float) -> str:
    return f"{100 * share_:.1f}"
