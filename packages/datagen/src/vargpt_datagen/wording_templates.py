"""The wordings that captions are put into without a language model: shipped, or from a file."""

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from vargpt_datagen.printable import printable
from vargpt_schema import UserError

SLOT = "{caption}"
SHIPPED_FILE = "instruct_1270k_templates.toml"
MAX_TEXT_CHARACTERS = 300
PARTS = ("prompts", "answers", "held_out_prompts")

_TEMPLATE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
# Of these neither is true of a photograph, which is what ImageNet's pictures are.
_UNTRUE_OF_PHOTOGRAPHS = re.compile(r"\b(?:drawings?|figures?|paintings?|sketch(?:ed)?)\b", re.I)


class WordingTemplate(NamedTuple):
    """One text with a slot for the caption."""

    template_id: str
    text: str

    @property
    def before(self) -> str:
        return self.text.partition(SLOT)[0]

    @property
    def after(self) -> str:
        return self.text.partition(SLOT)[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class WordingTemplates:
    """Templates by what they are used for, in the order of their file."""

    version: int
    prompts: tuple[WordingTemplate, ...]
    answers: tuple[WordingTemplate, ...]  # without the placeholder of the picture
    held_out_prompts: tuple[WordingTemplate, ...] = ()  # never in a training set

    def style_safe(self) -> "WordingTemplates":
        """Without drawings, figures, paintings and sketches; UserError when a side is empty."""
        kept = replace(
            self,
            prompts=_true_of_photographs(self.prompts),
            answers=_true_of_photographs(self.answers),
        )
        for name in ("prompts", "answers"):
            if not getattr(kept, name):
                raise UserError(
                    f"--style-safe: each of the {name} speaks of a drawing, figure, painting or "
                    "sketch, at least one that does not was expected. Add one, or leave the "
                    "option out."
                )
        return kept

    def sha256(self) -> str:
        """Of all that a build takes from here."""
        said = [self.version, *(list(map(list, getattr(self, part))) for part in PARTS)]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def shipped_templates() -> WordingTemplates:
    """304 requests, 96 answers and 52 held-out requests of the paper's kind."""
    text = files("vargpt_datagen").joinpath(SHIPPED_FILE).read_text("utf-8")
    return _templates_of(tomllib.loads(text), SHIPPED_FILE)


def read_templates(path: Path) -> WordingTemplates:
    """The templates of a TOML file in the form of the shipped one.

    UserError, with the id, for a file or a template that no row could be made from.
    """
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(
            f"{path}: cannot be read as TOML ({' '.join(str(error).split())}), templates such as "
            f'p001 = "Please draw {SLOT}." below [prompts] were expected. Correct the file.'
        ) from error
    templates = _templates_of(found, str(path))
    held_out = {each.text for each in shipped_templates().held_out_prompts}
    for each in templates.prompts:
        if each.text in held_out:
            raise UserError(
                f"{path}: prompts.{each.template_id} is {each.text!r}, which `datagen build-eval` "
                "asks with; no such request in a training set was expected. Take it out."
            )
    return templates


def as_written(templates: tuple[WordingTemplate, ...]) -> dict[str, str]:
    """Texts by id, as files and manifests have them."""
    return {template.template_id: template.text for template in templates}


def fault_of_template(template_id: str, text: object, *, is_answer: bool) -> str | None:
    """What makes a template unusable, in words; None when nothing does."""
    if not _TEMPLATE_ID.fullmatch(template_id):
        return "an id of letters, digits, _ and - was expected"
    if not isinstance(text, str):
        return f"a text with {SLOT} in it was expected"
    if text.count(SLOT) != 1:
        return f"{SLOT} found {text.count(SLOT)} times, once was expected"
    if re.search("[{}]", text.replace(SLOT, "")):
        return f"another slot or brace found, {SLOT} alone was expected"
    if "<" in text or ">" in text:
        return "< or > found, text without tokens was expected (<image_gen> is added to answers)"
    if text != printable(text) or text != " ".join(text.split()):
        return "one printable line without doubled spaces was expected"
    if len(text) > MAX_TEXT_CHARACTERS:
        return f"{len(text)} characters found, at most {MAX_TEXT_CHARACTERS} were expected"
    if is_answer and not text.endswith("."):
        return "a period at the end of the answer was expected: <image_gen> follows it"
    return None


def _templates_of(found: Mapping[str, Any], where: str) -> WordingTemplates:
    unknown = found.keys() - {"version", *PARTS}
    if unknown:
        raise UserError(
            f"{where}: {printable(min(unknown))!r} found, version, {', '.join(PARTS)} were "
            "expected. Correct the name or take it out."
        )
    version = found.get("version", 1)
    if not isinstance(version, int) or isinstance(version, bool):
        raise UserError(
            f"{where}: version {printable(str(version))!r} found, a whole number was expected. "
            "Correct it."
        )
    parts = {part: _part(found, part, where) for part in PARTS}
    _refuse_repeats([*parts["prompts"], *parts["held_out_prompts"]], where)
    _refuse_repeats(parts["answers"], where)
    return WordingTemplates(
        version=version,
        prompts=tuple(parts["prompts"]),
        answers=tuple(parts["answers"]),
        held_out_prompts=tuple(parts["held_out_prompts"]),
    )


def _part(found: Mapping[str, Any], part: str, where: str) -> list[WordingTemplate]:
    is_optional = part == "held_out_prompts"
    texts = found.get(part, {})
    if not isinstance(texts, dict) or not (texts or is_optional):
        raise UserError(
            f"{where}: no [{part}] found, a table of ids and texts was expected. Add it."
        )
    for template_id, text in texts.items():
        fault = fault_of_template(template_id, text, is_answer=part == "answers")
        if fault:
            raise UserError(
                f"{where}: {part}.{printable(template_id)} is {printable(repr(text))}; {fault}. "
                "Correct it."
            )
    return [WordingTemplate(*item) for item in texts.items()]


def _refuse_repeats(templates: list[WordingTemplate], where: str) -> None:
    """One text under two ids would be drawn twice as often; one id must say which text it was."""
    for kind, values in (
        ("text", [template.text for template in templates]),
        ("id", [template.template_id for template in templates]),
    ):
        repeated = next((value for value in values if values.count(value) > 1), None)
        if repeated is not None:
            raise UserError(
                f"{where}: {kind} {repeated!r} found more than once, each once was expected. "
                "Take the others out."
            )


def _true_of_photographs(templates: tuple[WordingTemplate, ...]) -> tuple[WordingTemplate, ...]:
    return tuple(each for each in templates if not _UNTRUE_OF_PHOTOGRAPHS.search(each.text))
