"""What the pages tell a reader to type: every command of every block and of every code span.

A fenced block without a language is shell; listings of files are marked `text`.
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "pipelines" / "README.md",
]
# A code span is a command when it begins with one of these and a blank.
SPANNED = ("bash", "datagen", "pip", "uv", "vargpt", "vargpt-eval")

_FENCED = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*$", re.MULTILINE)
_SUBSTITUTED = re.compile(r"\$\([^()]*\)")  # the output of another command
_ASSIGNED = re.compile(r"([A-Z_]+)=(.*)", re.DOTALL)


class Block(NamedTuple):
    """A fenced block."""

    line: int  # of its first line in the page
    heading: str  # of the section it is in
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command as a shell reads it: without comments, variables of the block filled in."""

    page: str
    line: int  # where its block begins, or the span is
    words: tuple[str, ...]
    heading: str = ""
    variables: tuple[tuple[str, str], ...] = ()  # set in front of it or exported before
    is_whole: bool = True  # False: a span may name a command and leave out what it needs

    def __str__(self) -> str:
        return f"{self.page}:{self.line} {shlex.join(self.words)}"


def name_of(page: Path) -> str:
    """A page as the repository names it."""
    return page.relative_to(ROOT).as_posix()


def blocks_of(page: Path) -> list[Block]:
    """Every fenced block of a page."""
    text = page.read_text("utf-8")
    return [
        Block(
            text[: found.start()].count("\n") + 2,
            _HEADING.findall(text[: found.start()])[-1],
            found["language"],
            found["text"],
        )
        for found in _FENCED.finditer(text)
    ]


def commands_of(page: Path) -> list[Command]:
    """Every command of a page's blocks of shell and Python, in order."""
    found = []
    for block in blocks_of(page):
        if block.language == "python":
            words = ("python", "-c", block.text)
            found.append(Command(name_of(page), block.line, words, block.heading))
        elif block.language not in ("text", "json"):
            found += commands_in(name_of(page), block)
    return found


def spans_of(page: Path) -> list[Command]:
    """Every code span of a page's text that begins as a command does."""
    text = page.read_text("utf-8")
    prose = _FENCED.sub(lambda found: "\n" * found[0].count("\n"), text)
    found = []
    for span in re.finditer(r"(?<!`)`([^`]+)`(?!`)", prose):
        command = re.sub(r"^(?:[A-Z_]+=\S* )+", "", span[1])
        if re.match(rf"(?:{'|'.join(SPANNED)})\s", command):
            line = prose[: span.start()].count("\n") + 1
            words = tuple(shlex.split(command))
            found.append(Command(name_of(page), line, words, is_whole=False))
    return found


def commands_in(page: str, block: Block) -> list[Command]:
    """The commands of one block; assignments and exports are no commands but hold from there on."""
    text = _COMMENT.sub("", _SUBSTITUTED.sub("...", block.text.replace("\\\n", " ")))
    lexer = shlex.shlex(text, posix=True, punctuation_chars="&;>\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
    held: dict[str, str] = {}
    found = []
    words: list[str] = []
    for token in [*lexer, "\n"]:
        if set(token) - set("&;\n"):
            words += _filled_in(token, held)
            continue
        if ">" in words:  # the file that takes the output
            words = words[: words.index(">")]
        own = {}
        while words and (assigned := _ASSIGNED.fullmatch(words[0])):
            own[assigned[1]] = assigned[2]
            del words[0]
        if words[:1] == ["export"]:
            own |= dict(word.split("=", 1) for word in words[1:])
            words = []
        if words:
            variables = tuple({**held, **own}.items())
            found.append(Command(page, block.line, tuple(words), block.heading, variables))
        else:
            held |= own
        words = []
    return found


def inside_uv_run(words: Sequence[str]) -> list[str]:
    """What `uv run` starts; other commands as they are."""
    rest = list(words)
    if rest[:2] != ["uv", "run"]:
        return rest
    del rest[:2]
    while rest and rest[0].startswith("-"):
        del rest[: 2 if rest[0] in ("--extra", "--group", "--package") else 1]
    return rest


def _filled_in(word: str, held: dict[str, str]) -> list[str]:
    if word.startswith("$") and word[1:] in held:  # alone and unquoted: a shell splits it
        return shlex.split(held[word[1:]])
    return [word]
