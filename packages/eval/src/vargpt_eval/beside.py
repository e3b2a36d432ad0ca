"""`vargpt-eval beside`: two models' answers to the same questions, side by side, judged if asked.

The paper's Tables 6 to 11 set VARGPT's answers to LLaVA-Bench beside a baseline's in this manner.
"""

import json
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

from vargpt_eval.answers_file import json_lines
from vargpt_eval.benchmark.journal import drop_torn_line
from vargpt_eval.benchmark.manifest import benchmark_named
from vargpt_eval.benchmark.rows import read_asked, read_items
from vargpt_eval.report.rendering import rendered
from vargpt_eval.report.thumbnail import thumbnail
from vargpt_eval.run_folder import write_json, write_text
from vargpt_schema import ANSWERS, AnswerRecord
from vargpt_schema.errors import UserError, writing_to

HTML, JSON = "beside.html", "beside.json"
_MAX_SIDE_PX = 320  # of a picture in the page


class Pair(NamedTuple):
    """One question with both answers to it."""

    sample_id: str
    prompt: str
    image: str
    category: str
    answer: str
    baseline: str
    reference: str  # the benchmark's own answer; empty where it has none
    caption: str  # what the picture shows, for a judge that sees no picture


class Verdict(NamedTuple):
    """What a judge says of a pair."""

    score: float  # 1 to 10
    baseline_score: float
    reason: str


Judge = Callable[[Pair], Verdict | None]  # None: no verdict could be read


class Beside(NamedTuple):
    """What was written."""

    num_pairs: int
    num_judged: int
    page: Path


def set_beside(
    run: Path,
    baseline: Path,
    out: Path,
    *,
    task: str = "llava_bench",
    data: Path | None = None,
    judge: Judge | None = None,
) -> Beside:
    """Write OUT/beside.html and .json. Verdicts are kept: run again only what lacks one is judged.

    `data` holds the downloaded benchmark, whose pictures then stand in the page; without it they
    are named. UserError for an unknown task, runs without answers, of one and the same model, or
    without a shared question, and for data that lacks the benchmark.
    """
    benchmark_named(task, "--task")
    ours, theirs = _answers(run, task), _answers(baseline, task)
    if {one.model_sha256 for one in ours.values()} == {one.model_sha256 for one in theirs.values()}:
        raise UserError(
            f"{run}, {baseline}: answers of one model found, of two expected. Give a baseline's "
            "run."
        )
    items = _items(run, task)
    shared = [sample_id for sample_id in ours if sample_id in theirs]
    if not shared:
        raise UserError(
            f"{run}, {baseline}: no question that both answered found, at least one expected. "
            f"Run {task} with both models."
        )
    pairs = [_pair(ours[one], theirs[one], items.get(one, {})) for one in shared]
    pictures = {} if data is None else _pictures(task, data, shared)
    verdicts = _verdicts(out, pairs, judge)
    content = {
        "task": task,
        "run": run.resolve().name,
        "baseline": baseline.resolve().name,
        "rows": [
            (pair, pictures.get(pair.sample_id, []), verdicts.get(pair.sample_id)) for pair in pairs
        ],
        "mean": _means(verdicts),
        "num_judged": len(verdicts),
    }
    write_text(out / HTML, rendered("beside.html.jinja", content))
    write_json(out / JSON, _as_json(content, pairs, verdicts))
    return Beside(len(pairs), len(verdicts), out / HTML)


def _answers(run: Path, task: str) -> dict[str, AnswerRecord]:
    path = run / "answers" / f"{task}.parquet"
    if not path.is_file():
        raise UserError(
            f"{path}: not found, stored answers expected. Make them with `vargpt-eval run --tasks "
            f"{task} --out {run}`."
        )
    return {one.sample_id: one for one in ANSWERS.records(path)}


def _pictures(task: str, data: Path, sample_ids: Collection[str]) -> dict[str, list[str | None]]:
    """Sample id to its pictures as data URIs; None for one that cannot be decoded."""
    benchmark = benchmark_named(task, "--task")
    wanted = set(sample_ids)
    ids = benchmark.ids(read_items(benchmark, data))
    positions = {position: id_ for position, id_ in enumerate(ids) if id_ in wanted}
    return {
        positions[row.position]: [
            thumbnail(image.data, image.name, _MAX_SIDE_PX) for image in row.images
        ]
        for row in read_asked(benchmark, data, positions)
    }


def _items(run: Path, task: str) -> dict[str, dict[str, Any]]:
    path = run / "answers" / f"{task}.items.jsonl"
    rows = [numbered.row for numbered in json_lines(path)]
    return {
        str(row.get("question_id", row.get("id", place))): row for place, row in enumerate(rows)
    }


def _pair(ours: AnswerRecord, theirs: AnswerRecord, item: dict[str, Any]) -> Pair:
    return Pair(
        sample_id=ours.sample_id,
        prompt=ours.prompt,
        image=str(item.get("image_id") or "".join(ours.images[:1])),
        category=str(item.get("category") or ""),
        answer=ours.raw_response if ours.error is None else f"(error: {ours.error})",
        baseline=theirs.raw_response if theirs.error is None else f"(error: {theirs.error})",
        reference=str(item.get("gpt_answer") or ""),
        caption=str(item.get("caption") or ""),
    )


def _verdicts(out: Path, pairs: list[Pair], judge: Judge | None) -> dict[str, Verdict]:
    """Verdicts of an earlier call on the same answers, and new ones where a judge is there."""
    kept = out / ".work" / "verdicts.jsonl"
    found: dict[str, Verdict] = {}
    keys = {json.dumps([*pair]): pair for pair in pairs}
    if kept.exists():
        drop_torn_line(kept)
        for line, row in json_lines(kept):
            try:
                pair, verdict = row["pair"], Verdict(*row["verdict"])
            except (KeyError, TypeError) as error:
                raise UserError(
                    f"{kept}, line {line}: no verdict found ({error}), one of this command "
                    "expected. Take the line out to have the pair judged again."
                ) from error
            if pair in keys:
                found[keys[pair].sample_id] = verdict
    if judge is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with writing_to(kept), kept.open("a", encoding="utf-8") as file:
            for key, pair in keys.items():
                if pair.sample_id in found:
                    continue
                verdict = judge(pair)
                if verdict is not None:
                    found[pair.sample_id] = verdict
                    file.write(json.dumps({"pair": key, "verdict": list(verdict)}) + "\n")
                    file.flush()
                    os.fsync(file.fileno())
    return found


def _means(verdicts: dict[str, Verdict]) -> tuple[float, float] | None:
    if not verdicts:
        return None
    scores = list(verdicts.values())
    return (
        sum(one.score for one in scores) / len(scores),
        sum(one.baseline_score for one in scores) / len(scores),
    )


def _as_json(
    content: dict[str, Any], pairs: list[Pair], verdicts: dict[str, Verdict]
) -> dict[str, Any]:
    return {
        **{name: content[name] for name in ("task", "run", "baseline", "mean", "num_judged")},
        "pairs": [
            {
                **pair._asdict(),
                "verdict": verdicts[pair.sample_id]._asdict()
                if pair.sample_id in verdicts
                else None,
            }
            for pair in pairs
        ],
    }
