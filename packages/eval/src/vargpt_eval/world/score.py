"""`vargpt-eval world`: the exact share of drawings that show what their prompt names."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from vargpt_eval.hashes import text_sha256
from vargpt_eval.progress_lines import Progress
from vargpt_eval.report.drawn_examples import write_drawn_examples
from vargpt_eval.run_folder import RunFolder
from vargpt_eval.world.checker import seen_scene
from vargpt_eval.world.drawings import Drawing, read_drawings, read_pixels
from vargpt_eval.world.scene_text import scene_of, scene_text
from vargpt_eval.world.summary import TASK, Judged, summary_of
from vargpt_schema import EVAL_SAMPLES, EvalSampleRecord
from vargpt_schema.world import index_of, named_scene_at, scene_difference, split_of

_DRAWINGS_PER_FILE = 2_000
_CHECKER_VERSION = 1  # raise it when the checker reads pictures differently


class WorldScore(NamedTuple):
    """What was scored and where it was written."""

    num_drawings: int
    num_right: int
    num_missing: int
    num_unreadable: int
    summary: Path


def score_world(generations: Path, prompts: Path, out: Path, progress: Progress) -> WorldScore:
    """Score drawings of world prompts on what each caption names; a missing picture is wrong.

    Writes OUT/samples/world/*.parquet and the key `world` of OUT/summary.json. Run again, it keeps
    the files whose prompts and pictures are unchanged. UserError as `read_drawings`.
    """
    drawings = read_drawings(generations, prompts)
    folder = out / "samples" / TASK
    samples: list[EvalSampleRecord] = []
    files = []
    for start in range(0, len(drawings), _DRAWINGS_PER_FILE):
        part = drawings[start : start + _DRAWINGS_PER_FILE]
        file = folder / f"0-{start // _DRAWINGS_PER_FILE:05d}.parquet"
        samples.extend(_kept_samples(file, part) or _write_samples(file, part))
        files.append(file)
        progress(len(samples), len(drawings))
    for stale in set(folder.glob("*.parquet")) - set(files):
        stale.unlink()
    summary = summary_of([_judged(sample) for sample in samples])
    write_drawn_examples(out, TASK, generations)
    path = RunFolder(out).set_task(TASK, summary)
    num_right = sum(sample.score == 1.0 for sample in samples)
    return WorldScore(
        len(samples), num_right, summary["num_missing"], summary["num_unreadable"], path
    )


def _write_samples(file: Path, drawings: list[Drawing]) -> list[EvalSampleRecord]:
    samples = [_scored(drawing) for drawing in drawings]
    EVAL_SAMPLES.write(samples, file, file_metadata={"inputs": _fingerprint(drawings)})
    return samples


def _kept_samples(file: Path, drawings: list[Drawing]) -> list[EvalSampleRecord] | None:
    """The samples of an earlier run on the same drawings, if there are any."""
    if not file.exists():
        return None
    if EVAL_SAMPLES.file_metadata(file).get("inputs") != _fingerprint(drawings):
        return None
    return list(EVAL_SAMPLES.records(file))


def _fingerprint(drawings: list[Drawing]) -> str:
    """Changes with the checker, a prompt, or a picture's name, size or time."""
    hasher = hashlib.sha256(f"checker {_CHECKER_VERSION}".encode())
    for drawing in drawings:
        hasher.update(repr((drawing, _file_stamp(drawing))).encode())
    return hasher.hexdigest()


def _file_stamp(drawing: Drawing) -> tuple[int, int] | None:
    if drawing.picture is None:
        return None
    try:
        stat = drawing.picture.path.stat()
    except FileNotFoundError:
        return None
    return stat.st_size, stat.st_mtime_ns


def _scored(drawing: Drawing) -> EvalSampleRecord:
    error, pixels = None, None
    if drawing.picture is None or not drawing.picture.path.is_file():
        error = "missing"
    else:
        pixels = read_pixels(drawing.picture)
        error = "undecodable" if pixels is None else None
    expected = named_scene_at(drawing.scene_index)
    seen = None if pixels is None else seen_scene(pixels)
    prompt = drawing.prompt
    count = len(expected.objects)
    return EvalSampleRecord(
        task=TASK,
        sample_id=drawing.sample_id,
        cluster_id=prompt.image_id,
        doc_hash=text_sha256(f"{prompt.image_id} {prompt.caption}"),
        prompt=prompt.prompt,
        prompt_hash=text_sha256(prompt.prompt),
        raw_response="" if drawing.picture is None else drawing.picture.path.name,
        n_tokens=None,
        finish_reason=None if drawing.picture is None else drawing.picture.finish_reason,
        error=error,
        latency_ms=None,
        parsed=None if seen is None else scene_text(seen),
        fallback=False,
        target=scene_text(expected),
        score=float(not scene_difference(expected, seen)),
        category=f"{split_of(drawing.scene_index)}, {count} object{'s' if count > 1 else ''}",
    )


def _judged(sample: EvalSampleRecord) -> Judged:
    expected = scene_of(sample.target)
    seen = None if sample.parsed is None else scene_of(sample.parsed)
    split = split_of(index_of(sample.cluster_id))
    return Judged(split, expected, scene_difference(expected, seen), sample.error)
