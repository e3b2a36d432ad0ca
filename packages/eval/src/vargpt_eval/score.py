"""`vargpt-eval score`: stored answers become scores with intervals, without a model."""

import hashlib
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from vargpt_eval.answers_file import StoredAnswers, read_answers
from vargpt_eval.counted import counted
from vargpt_eval.metrics.task_summary import is_truncated, task_summary
from vargpt_eval.progress_lines import Progress
from vargpt_eval.run_folder import RunFolder
from vargpt_eval.scored_sample import Cost, sample_read_as_text, sample_with_cost, scored_sample
from vargpt_eval.scoring.profile import DEFAULT_PROFILE, PROFILES, Profile
from vargpt_eval.scoring.task import Task, task_named
from vargpt_schema import EVAL_SAMPLES, EvalSampleRecord, UserError

SCORER_VERSION = 1  # raise it when a scorer reads answers differently
_STEP = 50_000  # answers between two lines of progress


class TaskScore(NamedTuple):
    """What was scored and where it was written."""

    figures: dict[str, Any]
    was_kept: bool  # found already scored, from the same answers
    summary: Path

    @property
    def headline(self) -> dict[str, Any]:
        """The figure of the paper's metric: value, interval, unit."""
        return self.figures["metrics"][self.figures["headline"]]


def score_line(done: TaskScore) -> str:
    """What the command says of a benchmark: headline, counts, path."""
    figures, headline = done.figures, done.headline
    is_share = headline["unit"] == "fraction"
    value = f"{headline['value']:.2%}" if is_share else f"{headline['value']:,.1f}"
    stamp = f", subset of {figures['num_items']:,}" if figures["is_subset"] else ""
    return (
        f"{figures['task']}: {figures['headline']} {value} of "
        f"{counted(figures['n'], 'answer')}{stamp}; {counted(figures['n_error'], 'error')}, "
        f"{figures['n_truncated']:,} cut off, {counted(figures['n_fallback'], 'fallback')} "
        f"-> {done.summary}"
    )


def score_answers(
    answers: Path,
    task: str,
    out: Path,
    progress: Progress,
    *,
    profile: str = DEFAULT_PROFILE,
    items: Path | None = None,
    costs: Mapping[str, Cost] | None = None,
    wanted_image: dict[str, Any] | None = None,
) -> TaskScore:
    """Score the answers of one benchmark into a run's folder.

    Writes OUT/samples/TASK/*.parquet, OUT/run.json and the task's key of OUT/summary.json. Run
    again on the same answers it changes nothing. `costs` by sample id, and the share of answers in
    which the model wanted to open an image, where known.

    UserError as `read_answers`, and when OUT holds scores of another model or profile.
    """
    chosen = task_named(task)
    rules = profile_named(profile)
    stored = read_answers(answers, chosen, items)
    folder = RunFolder(out)
    run = _run_with(folder, stored, rules)
    fingerprint = _fingerprint(stored, rules)
    if run["tasks"].get(task, {}).get("inputs") == fingerprint and task in folder.summary():
        return TaskScore(folder.summary()[task], was_kept=True, summary=folder.summary_path)
    samples, read_as_text = _scored(chosen, stored, rules, progress)
    figures = task_summary(chosen, rules, samples, read_as_text)
    if costs is not None:
        samples = [sample_with_cost(sample, costs[sample.sample_id]) for sample in samples]
    if wanted_image is not None:
        figures["wanted_image"] = wanted_image
    EVAL_SAMPLES.write(
        samples,
        folder.samples_dir(task) / "0-00000.parquet",
        file_metadata={"inputs": fingerprint, "profile": rules},
    )
    run["tasks"][task] = {
        "inputs": fingerprint,
        "answers": answers.name,
        "generation_config_sha256": stored.generation_config_sha256,
        "scored_utc": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    summary = folder.set_task(task, figures)
    folder.write_run(run)  # last: it says that the figures belong to these answers
    return TaskScore(figures, was_kept=False, summary=summary)


def profile_named(name: str) -> Profile:
    """UserError with the known names for any other."""
    for profile in PROFILES:
        if profile == name:
            return profile
    raise UserError(
        f"--profile {name}: no profile of this name, one of {', '.join(PROFILES)} expected. "
        "Run `vargpt-eval score --help`."
    )


def _run_with(folder: RunFolder, stored: StoredAnswers, profile: Profile) -> dict[str, Any]:
    """The folder's run.json with these answers' model and profile, which must be those it has."""
    run = folder.run()
    wanted = {"profile": profile, "model_sha256": stored.model_sha256}
    for name, value in wanted.items():
        if name in run and run[name] != value:
            raise UserError(
                f"{folder.path}: a run of {name} {run[name] or 'not stated'} found, these answers "
                f"are of {value or 'not stated'}, one for all expected. Choose another folder with "
                "--out RUN."
            )
    return {
        **wanted,
        "scorer_version": SCORER_VERSION,
        "versions": {
            "vargpt-eval": version("vargpt-eval"),
            "numpy": version("numpy"),
            "python": platform.python_version(),
        },
        "tasks": run.get("tasks", {}),
    }


def _fingerprint(stored: StoredAnswers, profile: Profile) -> str:
    """Changes with the scorer, its profile, an item or an answer."""
    hasher = hashlib.sha256(f"{SCORER_VERSION} {profile}".encode())
    for answered in stored.answers:
        hasher.update(repr(answered).encode("utf-8", "surrogatepass"))
    return hasher.hexdigest()


def _scored(
    task: Task, stored: StoredAnswers, profile: Profile, progress: Progress
) -> tuple[list[EvalSampleRecord], list[EvalSampleRecord]]:
    """The samples, and the same with cut-off answers read as text."""
    samples: list[EvalSampleRecord] = []
    for answered in stored.answers:
        samples.append(scored_sample(task, answered, profile))
        if len(samples) % _STEP == 0 or len(samples) == len(stored.answers):
            progress(len(samples), len(stored.answers))
    as_text = [
        sample_read_as_text(task, answered, profile) if is_truncated(sample) else sample
        for sample, answered in zip(samples, stored.answers, strict=True)
    ]
    return samples, as_text
