"""A run's folder: run.json (what was scored), summary.json (figures), samples/TASK/*.parquet."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vargpt_schema.errors import UserError, writing_to

SUMMARY, RUN = "summary.json", "run.json"


class RunFolder(NamedTuple):
    """Paths and JSON files of a run; nothing is read before it is asked for."""

    path: Path

    @property
    def summary_path(self) -> Path:
        return self.path / SUMMARY

    def samples_dir(self, task: str) -> Path:
        return self.path / "samples" / task

    def summary(self) -> dict[str, Any]:
        """Task to its figures; empty before the first."""
        return read_object(self.summary_path)

    def run(self) -> dict[str, Any]:
        """What was scored, by whose rules; empty before the first task."""
        run = read_object(self.path / RUN)
        if not isinstance(run.get("tasks", {}), dict):
            raise UserError(
                f"{self.path / RUN}: `tasks` is {run['tasks']!r}, an object expected. Delete the "
                "file, or choose another folder with --out RUN."
            )
        return run

    def write_run(self, run: Mapping[str, Any]) -> None:
        write_json(self.path / RUN, run)

    def set_task(self, task: str, figures: Mapping[str, Any]) -> Path:
        """Set the task's figures in the summary and leave those of other tasks."""
        write_json(self.summary_path, {**self.summary(), task: figures})
        return self.summary_path


def open_run(path: Path) -> RunFolder:
    """A folder that holds a summary; UserError for any other."""
    folder = RunFolder(path)
    if not folder.summary():
        raise UserError(
            f"{path}: no {SUMMARY} with scores found, the folder of a scored run expected. "
            "Score answers into it with `vargpt-eval score ANSWERS --task NAME --out RUN`."
        )
    return folder


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Whole or not at all. ValueError for a float that JSON cannot hold."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Written under a temporary name, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        with writing_to(path):
            temporary.write_text(text, "utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is no file. UserError for anything else."""
    try:
        content = json.loads(path.read_text("utf-8")) if path.exists() else {}
    except (ValueError, OSError) as error:
        raise UserError(
            f"{path}: not readable as JSON ({error}), a file of a scored run expected. "
            "Delete it, or choose another folder with --out RUN."
        ) from error
    if not isinstance(content, dict):
        raise UserError(
            f"{path}: a JSON {type(content).__name__} found, an object expected. "
            "Delete it, or choose another folder with --out RUN."
        )
    return content
