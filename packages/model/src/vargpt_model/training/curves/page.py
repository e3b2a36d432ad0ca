"""OUT/curves.html, from the files of a run and of its phases."""

import base64
import hashlib
import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from vargpt_model.training.checkpoints import write_file
from vargpt_model.training.curves.drawn import Drawn, read_pictures
from vargpt_model.training.curves.plots import HEIGHT, WIDTH, Plot, plots_of
from vargpt_model.training.curves.readings import readings_of
from vargpt_model.training.folder_lock import STARTED

PAGE = "curves.html"
METRICS = "metrics.jsonl"


class Section(NamedTuple):
    """One run's part of the page."""

    name: str  # of the phase; "" for the folder itself
    last_step: int
    num_steps: int | None
    plots: list[Plot]
    drawn: Drawn


def write_curves(out: Path) -> None:
    """Write the page of a folder: its own run, and those of the folders in it, first to last."""
    folders = [out, *sorted(path.parent for path in out.glob(f"*/{METRICS}"))]
    sections = [_section(out, folder) for folder in folders]
    sections = sorted((one for one in sections if one.plots), key=_place(out))
    page = _template().render(
        title=out.resolve().name,
        sections=sections,
        config=_config(out),
        css=_css(),
        css_sha256=base64.b64encode(hashlib.sha256(_css().encode()).digest()).decode(),
        width=WIDTH,
        height=HEIGHT,
    )
    write_file(out / PAGE, lambda path: _write_text(path, page))


def _section(out: Path, folder: Path) -> Section:
    readings = readings_of(folder)
    return Section(
        "" if folder == out else folder.name,
        readings.last_step,
        _config(folder).get("num_steps"),
        plots_of(readings),
        read_pictures(folder),
    )


def _place(out: Path) -> Callable[[Section], int]:
    """Phases in their order: one is written to the last time before the next begins."""

    def written(section: Section) -> int:
        return (out / section.name / METRICS).stat().st_mtime_ns if section.name else 0

    return written


def _config(folder: Path) -> dict[str, Any]:
    """What the run was started with."""
    path = folder / ".work" / STARTED
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("vargpt_model"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _template() -> Template:
    return _environment().get_template("curves.jinja")


@lru_cache(maxsize=1)
def _css() -> str:
    environment = _environment()
    assert environment.loader is not None
    return environment.loader.get_source(environment, "curves.css")[0]


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
