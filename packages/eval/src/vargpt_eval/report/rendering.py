"""Templates to text: everything escaped, one style whose hash the page's policy names."""

import base64
import hashlib
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from vargpt_eval.counted import counted
from vargpt_eval.report.tables import Cell


def rendered(template: str, content: dict[str, Any], *, escaped: bool = True) -> str:
    """`escaped`: HTML; Markdown otherwise."""
    css = (files("vargpt_eval") / "templates" / "report.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    environment = Environment(
        loader=PackageLoader("vargpt_eval"),
        undefined=StrictUndefined,
        autoescape=escaped,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible if escaped else _on_one_markdown_line,
    )
    environment.filters["cell"] = _cell_text
    environment.filters["signed"] = lambda value: f"{value:+,.2f}"
    environment.filters["figure"] = _figure_text
    environment.filters["counted"] = counted
    return environment.get_template(template).render(css=css, css_sha256=digest, **content)


def _visible(value: Any) -> Any:
    """Control and format characters of plain texts as escapes, so that none hides or reorders."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return "".join(
        mark if mark.isprintable() or mark == "\n" else mark.encode("unicode_escape").decode()
        for mark in value
    )


def _on_one_markdown_line(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = _visible(value).replace("\n", " ")
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "\\`")


def _cell_text(cell: Cell) -> str:
    """The paper's as it prints them, ours to two places; points to one."""
    if cell.value is None:
        return "-"
    if abs(cell.value) >= 1_000:
        return f"{cell.value:,.1f}"
    text = f"{cell.value:,.2f}"
    return text if cell.ci95 is not None else text.removesuffix("0")


def _figure_text(figure: dict[str, Any]) -> str:
    """A metric of a summary in percent or points, with its interval."""
    value, interval = figure["value"], figure.get("ci95")
    if value is None:
        return "-"
    scale = 1.0 if figure.get("unit") == "points" else 100.0
    text = f"{scale * value:,.2f}"
    if interval is not None:
        text += f" ({scale * interval[0]:,.2f} to {scale * interval[1]:,.2f})"
    return text
