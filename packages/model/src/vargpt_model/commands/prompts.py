"""Prompts of `vargpt generate`: a text, a file of lines, JSONL, or `eval_prompts` Parquet."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vargpt_schema import EVAL_PROMPTS
from vargpt_schema.errors import UserError


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request; `images` fill its `<image>` placeholders."""

    prompt_id: str
    text: str
    images: tuple[Path, ...] = ()


def read_prompts(source: str) -> list[Prompt]:
    """Prompts from what the user gave; UserError for empty files, damaged lines, doubled ids.

    A path that exists is a file; everything else is one prompt. JSONL lines have `prompt` and, if
    wanted, `prompt_id` and `images` (paths below the file's folder).
    """
    path = Path(source)
    try:
        exists = path.exists()
    except OSError:  # a long text is no file name
        exists = False
    if not exists:
        if path.suffix in (".txt", ".jsonl", ".parquet") and " " not in source:
            raise UserError(
                f"{source}: no such file found, a file of prompts was expected. Check the path, or "
                'give a prompt itself: --prompts "Please draw a red circle."'
            )
        prompts = [Prompt("000000", source)] if source.strip() else []
    elif path.is_dir() or path.suffix == ".parquet":
        prompts = [Prompt(row.prompt_id, row.prompt) for row in EVAL_PROMPTS.records(path)]
    elif path.suffix == ".jsonl":
        prompts = _json_lines(path)
    else:
        lines = _text(path).splitlines()
        prompts = [Prompt(f"{n:06d}", line) for n, line in enumerate(lines) if line.strip()]
    if not prompts:
        raise UserError(
            f"{source or '--prompts'}: no prompt found, at least one was expected. Give text, or a "
            "file with a prompt a line."
        )
    _expect_unique(source, prompts)
    return prompts


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: cannot be read ({error}), UTF-8 text was expected. Save it as such."
        ) from error


def _json_lines(path: Path) -> list[Prompt]:
    prompts = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            found = json.loads(line)
            text, prompt_id = found["prompt"], found.get("prompt_id", f"{number - 1:06d}")
            images = found.get("images", [])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f'{where}: no prompt found ({error}), a line such as {{"prompt": "..."}} was '
                "expected. Mend the line or take it out."
            ) from error
        if not isinstance(text, str) or not isinstance(prompt_id, str) or not _are_paths(images):
            raise UserError(
                f"{where}: prompt and prompt_id must be text and images a list of paths below "
                f"{path.parent}; found {line[:100]}"
            )
        prompts.append(Prompt(prompt_id, text, tuple(path.parent / name for name in images)))
    return prompts


def _are_paths(images: Any) -> bool:
    """Whether these are relative paths that stay below the file's folder."""
    return isinstance(images, list) and all(
        isinstance(name, str)
        and name != ""
        and not Path(name).is_absolute()
        and ".." not in Path(name).parts
        for name in images
    )


def _expect_unique(source: str, prompts: list[Prompt]) -> None:
    seen: set[str] = set()
    for prompt in prompts:
        if prompt.prompt_id in seen:
            raise UserError(
                f"{source}: prompt_id {prompt.prompt_id!r} found twice, each once was expected. "
                "Take one of the two out, or number them anew."
            )
        seen.add(prompt.prompt_id)
