"""`vargpt-eval run`: a model answers benchmarks; every answer is on the disk before the next.

RUN/answers/TASK.parquet, TASK.items.jsonl   what `vargpt-eval score` reads
RUN/samples/TASK/*.parquet, summary.json     scores, as `score` writes them
RUN/.work/TASK/rank-R.jsonl                  answers as they arrived, of each process
"""

import fcntl
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch

from vargpt_eval.answering.answerer import Answerer, Asked
from vargpt_eval.answering.opening import chat_form_of, open_answerer
from vargpt_eval.benchmark.journal import Journal, JournalEntry, journalled
from vargpt_eval.benchmark.manifest import Benchmark, benchmark_named
from vargpt_eval.benchmark.rows import AskedRow, read_asked, read_items
from vargpt_eval.counted import counted
from vargpt_eval.run_folder import write_json, write_text
from vargpt_eval.score import TaskScore, profile_named, score_answers
from vargpt_eval.scored_sample import Cost
from vargpt_eval.scoring.profile import DEFAULT_PROFILE, Profile
from vargpt_eval.world.summary import wilson_share
from vargpt_model.encoding.ranks import Rank, rank_from_environment
from vargpt_model.preprocessing import open_image
from vargpt_model.training.folder_lock import expect_config, locked
from vargpt_model.training.progress import Progress
from vargpt_model.weights.model_folder import model_sha256
from vargpt_schema import ANSWERS, AnswerRecord, UserError

PROMPTS_VERSION = 1  # raise it when a question is asked otherwise
_MAX_ERRORS_AT_START = 20  # and no answer: something is wrong with all questions


class OpenModel(Protocol):
    """Loads the model of a folder."""

    def __call__(
        self, folder: Path, *, dtype: torch.dtype | None, device: torch.device
    ) -> Answerer: ...


class AnsweredTask(NamedTuple):
    """What a task has when a process is done with its share."""

    benchmark: Benchmark
    num_answers: int
    num_errors: int
    num_truncated: int
    num_left: int  # of other processes
    score: TaskScore | None  # None while answers are missing, or where a reader judges


@dataclass(slots=True, kw_only=True)
class _Job:
    """One process's share of a run."""

    out: Path
    data: Path
    profile: Profile
    batch_size: int
    rank: Rank
    model_sha256: str
    chat_form: str
    open: Callable[[], Answerer]
    answerer: Answerer | None = field(default=None)

    def ready(self) -> Answerer:
        """The model, loaded when the first question is asked."""
        if self.answerer is None:
            self.answerer = self.open()
        return self.answerer


def run_benchmarks(
    model: Path,
    tasks: Sequence[str],
    data: Path,
    out: Path,
    *,
    profile: str = DEFAULT_PROFILE,
    limit: int | None = None,
    batch_size: int = 1,
    dtype: str = "auto",
    retry_errors: bool = False,
    open_model: OpenModel = open_answerer,
) -> list[AnsweredTask]:
    """Ask a model the questions of TASKS and score its answers.

    Under torchrun each process answers every world_size-th question; the one that finds all
    answered publishes and scores. Run again, it asks what is not answered yet. An answer that
    failed is stored as an error, counted, and asked again only with `retry_errors`. `dtype` names
    a type of torch, or is "auto": as stored.

    UserError for unknown tasks, missing data, a folder started with another model or settings,
    and a start of nothing but errors.
    """
    chosen = [benchmark_named(name) for name in dict.fromkeys(tasks)]
    if not chosen:
        raise UserError(
            "--tasks: no name found, at least one expected. `vargpt-eval doctor --data DIR` says "
            "which benchmarks are there."
        )
    torch_dtype = None if dtype == "auto" else getattr(torch, dtype)
    rank = rank_from_environment()
    job = _Job(
        out=out,
        data=data,
        profile=profile_named(profile),
        batch_size=batch_size,
        rank=rank,
        model_sha256=model_sha256(model),
        chat_form=chat_form_of(model),
        open=lambda: open_model(model, dtype=torch_dtype, device=rank.device),
    )
    out.mkdir(parents=True, exist_ok=True)
    with locked(out, f"rank-{rank.rank}.lock"):
        expect_config(
            out,
            {
                "model_sha256": job.model_sha256,
                "profile": profile,
                "dtype": dtype,
                "prompts_version": PROMPTS_VERSION,
                "chat_form": job.chat_form,
            },
        )
        return [_answered(job, benchmark, limit, retry_errors) for benchmark in chosen]


def _answered(
    job: _Job, benchmark: Benchmark, limit: int | None, retry_errors: bool
) -> AnsweredTask:
    rows = read_items(benchmark, job.data)[:limit]
    ids = _ids(benchmark, job.data, rows)
    _expect_askable(benchmark, job.data, rows, ids)
    journals = job.out / ".work" / benchmark.name
    before = journalled(sorted(journals.glob("rank-*.jsonl")))
    done = {id_ for id_, entry in before.items() if entry.error is None or not retry_errors}
    todo = {
        position: id_
        for position, id_ in enumerate(ids)
        if position % job.rank.world_size == job.rank.rank and id_ not in done
    }
    if todo:
        journal = Journal(journals / f"rank-{job.rank.rank:05d}.jsonl")
        try:
            _ask(job, benchmark, todo, journal)
        finally:
            journal.close()
    with _publishing(job.out):
        entries = journalled(sorted(journals.glob("rank-*.jsonl")))
        held = [entries[id_] for id_ in ids if id_ in entries]
        score = _published(job, benchmark, rows, held) if len(held) == len(ids) else None
    return AnsweredTask(
        benchmark,
        len(held),
        sum(entry.error is not None for entry in held),
        sum(entry.error is None and entry.finish_reason == "length" for entry in held),
        len(ids) - len(held),
        score,
    )


def _ids(benchmark: Benchmark, data: Path, rows: list[dict[str, Any]]) -> list[str]:
    where = data / benchmark.folder
    try:
        ids = benchmark.ids(rows)
    except KeyError as error:
        raise UserError(
            f"{where}: column {error} not found in every row, the columns of {benchmark.name} on "
            f"the hub expected. Get them with `{benchmark.how_to_get(data)}`."
        ) from error
    if not ids:
        raise UserError(
            f"{where}: no row of {benchmark.name} found, at least one expected. "
            f"Get them with `{benchmark.how_to_get(data)}`."
        )
    if len(set(ids)) != len(ids):
        twice = next(id_ for place, id_ in enumerate(ids) if id_ in ids[:place])
        raise UserError(
            f"{where}: item {twice!r} found twice, once expected. Remove files that are there "
            "twice, such as older shards."
        )
    return ids


def _expect_askable(
    benchmark: Benchmark, data: Path, rows: Sequence[dict[str, Any]], ids: Sequence[str]
) -> None:
    """Every row has what its prompt and its scorer read: said before a model is asked for hours."""
    for number, (row, sample_id) in enumerate(zip(rows, ids, strict=True), start=1):
        try:
            benchmark.prompt_of(row)
            if benchmark.task is not None:
                benchmark.task.item_of(row, sample_id)
        except ValueError as error:
            raise UserError(
                f"{data / benchmark.folder}, row {number} of {benchmark.name}: {error}, a row as "
                f"on the hub expected. Get it with `{benchmark.how_to_get(data)}`."
            ) from error


def _ask(job: _Job, benchmark: Benchmark, todo: dict[int, str], journal: Journal) -> None:
    what = benchmark.name
    if job.rank.world_size > 1:
        what += f", rank {job.rank.rank} of {job.rank.world_size}"
    progress = Progress(what, done=0, total=len(todo), unit="answers")
    num_done = num_errors = 0
    for rows in _batches(read_asked(benchmark, job.data, todo), job.batch_size):
        entries = _entries(job, benchmark, rows, todo)
        journal.add(entries)
        num_done += len(entries)
        num_errors += sum(entry.error is not None for entry in entries)
        if num_errors == num_done >= min(_MAX_ERRORS_AT_START, len(todo)):
            raise UserError(
                f"{benchmark.name}: no answer but {counted(num_done, 'error')} found, answers "
                f"expected. The last: {(entries[-1].error or '').rstrip('.')}. Mend that and run "
                "again with --retry-errors."
            )
        progress.show(num_done, f"{num_errors:,} errors" if num_errors else "")


def _batches(rows: Iterator[AskedRow], size: int) -> Iterator[list[AskedRow]]:
    while batch := list(islice(rows, size)):
        yield batch


def _entries(
    job: _Job, benchmark: Benchmark, rows: Sequence[AskedRow], ids: dict[int, str]
) -> list[JournalEntry]:
    """Answers of a batch; where one fails, each question is asked by itself."""
    answerer = job.ready()
    started = time.monotonic()
    try:
        asked = [_asked(benchmark, row) for row in rows]
        answers = answerer.answers(asked, benchmark.max_new_tokens_of(job.profile))
    except (UserError, ValueError, RuntimeError) as error:
        if len(rows) > 1:
            return [entry for row in rows for entry in _entries(job, benchmark, [row], ids)]
        return [_failed(benchmark, rows[0], ids[rows[0].position], error)]
    latency_ms = 1000 * (time.monotonic() - started)
    return [
        JournalEntry(
            sample_id=ids[row.position],
            prompt=one.prompt,
            images=tuple(image.name for image in row.images),
            response=answer.text,
            finish_reason=answer.finish_reason,
            error=None,
            num_tokens=answer.num_tokens,
            latency_ms=round(latency_ms, 3),
            wanted_image=answer.wanted_image,
        )
        for row, one, answer in zip(rows, asked, answers, strict=True)
    ]


def _asked(benchmark: Benchmark, row: AskedRow) -> Asked:
    images = tuple(open_image(image.data, image.name) for image in row.images)
    return Asked(benchmark.prompt_of(row.row), images)


def _failed(benchmark: Benchmark, row: AskedRow, sample_id: str, error: Exception) -> JournalEntry:
    return JournalEntry(
        sample_id=sample_id,
        prompt=benchmark.prompt_of(row.row),
        images=tuple(image.name for image in row.images),
        response="",
        finish_reason="error",
        error=f"{type(error).__name__}: {' '.join(str(error).split())}"[:500],
        num_tokens=None,
        latency_ms=None,
    )


@contextmanager
def _publishing(out: Path) -> Iterator[None]:
    """One process of a run at a time."""
    with (out / ".work" / "publish.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _published(
    job: _Job, benchmark: Benchmark, rows: list[dict[str, Any]], entries: list[JournalEntry]
) -> TaskScore | None:
    folder = job.out / "answers"
    table = folder / f"{benchmark.name}.parquet"
    generation = {
        "task": benchmark.name,
        "prompts_version": PROMPTS_VERSION,
        "max_new_tokens": benchmark.max_new_tokens_of(job.profile),
        "chat_form": job.chat_form,
        "sampling": "greedy",
    }
    text = "".join(f"{json.dumps(row, default=str)}\n" for row in rows)
    write_text(folder / f"{benchmark.name}.items.jsonl", text)
    write_json(folder / f"{benchmark.name}.generation.json", generation)
    digest = hashlib.sha256(json.dumps(generation, sort_keys=True).encode()).hexdigest()
    ANSWERS.write([_record(job, benchmark, entry, digest) for entry in entries], table)
    if benchmark.task is None:
        return None
    costs = {entry.sample_id: Cost(entry.num_tokens, entry.latency_ms) for entry in entries}
    wanted = [entry.wanted_image for entry in entries if entry.wanted_image is not None]
    return score_answers(
        *(table, benchmark.name, job.out, lambda *_: None),
        profile=job.profile,
        costs=costs,
        wanted_image=wilson_share(wanted) if wanted else None,
    )


def _record(
    job: _Job, benchmark: Benchmark, entry: JournalEntry, generation_sha256: str
) -> AnswerRecord:
    return AnswerRecord(
        task=benchmark.name,
        sample_id=entry.sample_id,
        prompt=entry.prompt,
        images=entry.images,
        raw_response=entry.response,
        finish_reason=entry.finish_reason,
        error=entry.error,
        model_sha256=job.model_sha256,
        generation_config_sha256=generation_sha256,
    )
