"""The stage-2 mixture of the paper: its parts, their sizes, and the categories of its Figure 8b."""

import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, get_args

Part = Literal["llava", "onevision", "language", "instruct"]
PARTS: tuple[Part, ...] = get_args(Part)

# Paper, Section 4.2: LLaVA-1.5, 508K of LLaVA-OneVision without K12 Printing, 5K of -130K. Of the
# 508K, Figure 8b gives 0.4 % to category Language.
PAPER_ROWS: Mapping[Part, int] = {
    "llava": 665_298,  # counted by its maintainer, LLaVA issue 702
    "onevision": 503_000,  # all categories but Language
    "language": 5_000,
    "instruct": 5_000,
}
PAPER_TOTAL = sum(PAPER_ROWS.values())
SAMPLE_ROWS = round(PAPER_TOTAL / 100)  # of a build from the sample world, unless it says how many

Category = Literal[
    "General",
    "Doc/Chart/Screen",
    "Math/Reasoning",
    "General OCR",
    "Language",
    "Image Generation",
]
CATEGORIES: tuple[Category, ...] = get_args(Category)
LANGUAGE: Category = "Language"
IMAGE_GENERATION: Category = "Image Generation"
PAPER_PERCENT: Mapping[Category, float] = {  # Figure 8b
    "General": 52.5,
    "Doc/Chart/Screen": 10.3,
    "Math/Reasoning": 23.5,
    "General OCR": 12.9,
    "Language": 0.4,
    "Image Generation": 0.4,
}


_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class LlavaRoot(NamedTuple):
    """The rows of LLaVA-1.5 whose images start in one folder."""

    rows: int  # LLaVA issue 657
    category: Category  # of its data set in Figure 4 of LLaVA-OneVision


LLAVA_ROOTS: Mapping[str, LlavaRoot] = {
    "coco": LlavaRoot(364_100, "General"),
    "gqa": LlavaRoot(72_140, "Math/Reasoning"),
    "ocr_vqa": LlavaRoot(80_000, "General OCR"),
    "textvqa": LlavaRoot(21_953, "General OCR"),  # TextCaps
    "vg": LlavaRoot(86_417, "Math/Reasoning"),
    # ShareGPT, without images. Figure 8b has 0.4 % Language, so it counts these elsewhere; its
    # other shares come out right with General.
    "text": LlavaRoot(40_688, "General"),
}


class Stage(NamedTuple):
    """One of the three training stages in Figure 8a."""

    number: int
    sets: str
    paper: str  # as the figure has it
    rows: int  # of the full-size commands here


STAGES = (
    Stage(1, "-class", "1.28M (33.2%)", 1_281_167),
    Stage(2, "LLaVA-1.5, LLaVA-OneVision, -130K", "1.18M (30.6%)", PAPER_TOTAL),
    Stage(3, "-130K, -1270K", "1.40M (36.3%)", 1_400_000),
)


def part_rows(rows: int) -> dict[Part, int]:
    """`rows` split as the paper splits 1,178,298: largest remainders, so that nothing is lost."""
    exact = {part: rows * PAPER_ROWS[part] / PAPER_TOTAL for part in PARTS}
    found: dict[Part, int] = {part: int(exact[part]) for part in PARTS}
    by_remainder = sorted(PARTS, key=lambda part: found[part] - exact[part])
    for part in by_remainder[: rows - sum(found.values())]:
        found[part] += 1
    return found


def llava_root(images: Sequence[str]) -> str:
    """Name of the folder that a LLaVA row's first image starts in; "text" without images.

    "other" where that is no plain name.
    """
    if not images:
        return "text"
    root, slash, _ = images[0].partition("/")
    return root if slash and _PLAIN_NAME.fullmatch(root) else "other"


def llava_category(root: str) -> Category:
    """Category of a root; one that LLaVA-1.5 does not have counts as General."""
    return LLAVA_ROOTS[root].category if root in LLAVA_ROOTS else "General"
