"""The dataset card: what it says of each kind of captions, and data that tries to be markup."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from vargpt_datagen.build_130k import Build130kConfig, build_130k
from vargpt_datagen.card import card_text, cell
from vargpt_datagen.world.pictures import draw_world
from vargpt_schema import INSTRUCT

ATTACK = "evil |\n\n# Pwned <script>alert(1)</script> [x](http://x) `y` **z** &lt; \x1b[2J"
ATTACK_IN_A_CELL = (
    r"evil \| \# Pwned &lt;script&gt;alert(1)&lt;/script&gt; \[x\](http://x) \`y\` "
    r"\*\*z\*\* &amp;lt; \\x1b\[2J"
)


def manifest(source: str = "world", **changes: Any) -> dict[str, Any]:
    """All that a card reads of a manifest."""
    return {
        "name": "A-Name-130K",
        "set": "130k",
        "command": "datagen build-130k --rows 30",
        "config": {"writer": "offline"},
        "captions": {"source": source, "captioner": "a-captioner"},
        "seeds": {
            "generators": ["vargpt-toolkit"],
            "counts": {"prompt": 1, "caption": 2, "answer": 3},
        },
        "generators": {"offline-writer-1": 30},
        "counts": {"rows": 30, "rejects": 0, "distinct_prompts": 29, "distinct_answers": 28},
        "files": [{"path": "data/train-00000-of-00001.parquet", "size_bytes": 5}],
        **changes,
    }


def front_matter(card: str) -> dict[str, Any]:
    return yaml.safe_load(card.split("---\n")[1])


def test_a_card_of_the_world_says_so_and_declares_no_licence():
    card = card_text(manifest("world"))
    assert "**Made from the sample world, not from ImageNet.**" in card
    assert "datagen world --for DIR" in card
    assert "ImageNet-Instruct" not in card
    assert "license" not in front_matter(card)


def test_a_build_on_what_datagen_world_wrote_is_never_called_imagenet(tmp_path: Path):
    draw_world(tmp_path / "w", 60, 64, lambda _done, _total: None)
    out = tmp_path / "out"
    build_130k(Build130kConfig(out=out, rows=30, captions=str(tmp_path / "w")))
    assert json.loads((out / "manifest.json").read_text())["name"] == "Sample-World-Instruct-130K"
    assert set(INSTRUCT.read(out).column("source").to_pylist()) == {"world"}
    card = (out / "README.md").read_text()
    assert "**Made from the sample world, not from ImageNet.**" in card
    assert "license" not in front_matter(card)


def test_a_card_of_imagenet_carries_its_terms():
    card = card_text(manifest("imagenet"))
    assert "one pair an ImageNet training image" in card
    assert "ImageNet's own terms hold for them." in card
    assert front_matter(card)["license_link"] == "https://image-net.org/download.php"


def test_a_card_of_other_captions_never_speaks_of_imagenet_or_the_world():
    card = card_text(manifest("captions"))
    assert "one pair a captioned image" in card
    assert "- The pictures are not included.\n- Captions are taken as they were found" in card
    assert not re.search("image-?net|sample world|datagen world", card, re.IGNORECASE)
    assert "license" not in front_matter(card)


@pytest.mark.parametrize("source", ["world", "imagenet", "captions"])
def test_no_card_has_a_gap_or_a_word_left_over_from_its_template(source):
    card = card_text(manifest(source))
    assert not re.search(r"\n\n\n|[{}]%|%[{}]|\{\{", card.split("---\n", 2)[2].lstrip("\n"))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"captions": {"source": "captions", "captioner": ATTACK}},
            f"| captions from | {ATTACK_IN_A_CELL} |",
        ),
        ({"generators": {ATTACK: 30}}, f"| text by | {ATTACK_IN_A_CELL} (30 rows) |"),
        (
            {
                "seeds": {
                    "generators": [ATTACK, "b"],
                    "counts": {"prompt": 1, "caption": 2, "answer": 3},
                }
            },
            f"| seeds | {ATTACK_IN_A_CELL}, b (1 request, 2 scene, 3 answer) |",
        ),
        ({"command": ATTACK}, f"| command | <code>{ATTACK_IN_A_CELL}</code> |"),
    ],
)
def test_markup_in_data_is_shown_and_does_nothing(changes, line):
    card = card_text(manifest(**changes))
    assert line in card.splitlines()
    assert "<script" not in card


def test_usual_names_are_written_as_they_are():
    names = "Salesforce/blip2-opt-2.7b (as imagenet-1k-vl-enriched has it), my_model:v1"
    assert cell(names) == names
    assert cell("datagen build-130k --captions a_b.parquet") == (
        "datagen build-130k --captions a_b.parquet"
    )


@given(st.text())
@settings(derandomize=True, deadline=None)
def test_a_cell_stays_one_line_of_one_cell_without_tags(text):
    shown = cell(text)
    assert shown.isprintable()
    assert not re.search(r"[<>]", shown)
    # What Markdown reads once its escapes are taken away.
    assert not re.search(r"[|`*\[\]]", re.sub(r"\\.", "", shown))
    assert not re.sub(r"\\.", "", shown).endswith("\\")
