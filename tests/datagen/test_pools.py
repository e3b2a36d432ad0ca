"""The shipped seed pools, and pools read from a table."""

import re
from pathlib import Path

import pytest
from rapidfuzz import fuzz, process

from vargpt_datagen.pools import Seed, read_seeds, shipped_seeds
from vargpt_schema import SEED_KINDS, SEEDS, SeedRecord, UserError

VENDORS = r"deepseek|openai|chatgpt|gpt|claude|anthropic|gemini|llama|vargpt|midjourney|dall"
DRAWN_MEDIA = r"painting|drawing|sketch|illustration|cartoon"
ALL_SEEDS = [seed for pool in shipped_seeds().values() for seed in pool]


def near_duplicates(texts: list[str]) -> list[tuple[str, str]]:
    lowered = [text.lower() for text in texts]
    ratios = process.cdist(lowered, lowered, scorer=fuzz.ratio)
    return [
        (texts[i], texts[j])
        for i in range(len(texts))
        for j in range(i + 1, len(texts))
        if ratios[i, j] >= 85
    ]


@pytest.mark.parametrize("kind", SEED_KINDS)
def test_at_least_120_seeds_of_a_kind_with_running_ids(kind: str):
    pool = shipped_seeds()[kind]
    assert len(pool) >= 120
    assert [seed.seed_id for seed in pool] == [f"{kind}-{n:03d}" for n in range(1, len(pool) + 1)]
    assert {(seed.kind, seed.generator) for seed in pool} == {(kind, "vargpt-toolkit")}


@pytest.mark.parametrize("kind", SEED_KINDS)
def test_no_two_seeds_of_a_kind_nearly_repeat_each_other(kind: str):
    assert near_duplicates([seed.text for seed in shipped_seeds()[kind]]) == []


@pytest.mark.parametrize("kind", SEED_KINDS)
def test_seeds_of_a_kind_range_from_short_to_long(kind: str):
    words = sorted(len(seed.text.split()) for seed in shipped_seeds()[kind])
    assert (words[0] >= 5, words[-1] <= 30) == (True, True)
    assert words[9 * len(words) // 10] - words[len(words) // 10] >= 6


def test_every_seed_is_one_plain_line_of_ascii_prose():
    for seed in ALL_SEEDS:
        assert re.fullmatch(r"[A-Z][ -~]*\.", seed.text), seed
        assert not re.search(r'  |[<>{}|*_#"`]', seed.text), seed


def test_no_seed_names_a_vendor_or_a_medium_false_of_photographs():
    found = [s for s in ALL_SEEDS if re.search(f"{VENDORS}|{DRAWN_MEDIA}", s.text.lower())]
    assert found == []


def test_no_answer_seed_asks_for_a_question_or_an_offer():
    wrong = r"\?|let me know|would you like|ask whether|offer|follow-up|the image shows"
    texts = [seed.text.lower() for seed in shipped_seeds()["answer"]]
    assert [text for text in texts if re.search(wrong, text)] == []


def test_first_words_of_seeds_vary():
    for kind, pool in shipped_seeds().items():
        openings = {" ".join(seed.text.split()[:3]) for seed in pool}
        assert len(openings) >= 70, kind


def seed_row(seed_id: str, kind: str, text: str = "Ask plainly.") -> SeedRecord:
    return SeedRecord(seed_id=seed_id, kind=kind, text=text, generator="fake-2026")


GOOD_ROWS = [seed_row("p1", "prompt"), seed_row("c1", "caption"), seed_row("a1", "answer")]


def test_a_seed_table_is_read_by_kind_with_its_generator(tmp_path: Path):
    SEEDS.write([*GOOD_ROWS, seed_row("p0", "prompt", "Ask twice.")], tmp_path / "seeds.parquet")
    pools = read_seeds(tmp_path)
    assert list(pools) == ["prompt", "caption", "answer"]
    assert pools["prompt"] == (
        Seed("p1", "prompt", "Ask plainly.", "fake-2026"),
        Seed("p0", "prompt", "Ask twice.", "fake-2026"),
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (GOOD_ROWS[:2], "no seed of kind answer found"),
        ([], "no seed of kind prompt, caption, answer found"),
        ([*GOOD_ROWS, seed_row("p1", "answer")], "seed_id 'p1' found twice"),
        ([*GOOD_ROWS, seed_row("p2", "prompt", " \n")], "seed 'p2' has a blank text"),
        ([*GOOD_ROWS, seed_row(" ", "prompt")], "a seed of kind 'prompt' has a blank seed_id"),
        ([*GOOD_ROWS, seed_row("x1", "style")], "seed 'x1' is of kind 'style'"),
        ([*GOOD_ROWS, seed_row("p\x1b2", "prompt")], "seed_id 'p\\x1b2' is not printable"),
        (
            [*GOOD_ROWS, seed_row("p2", "prompt", "x" * 301)],
            "the text of seed 'p2' has 301 characters, at most 300 expected",
        ),
    ],
)
def test_a_faulty_seed_table_is_a_users_mistake_told_in_one_line(
    tmp_path: Path, rows: list[SeedRecord], message: str
):
    SEEDS.write(rows, tmp_path / "seeds.parquet")
    with pytest.raises(UserError, match=re.escape(message)) as raised:
        read_seeds(tmp_path)
    assert str(raised.value).startswith(f"{tmp_path}: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Ask plainly.\n\nCaption: a trap", r"'\n'"),
        ("Ask\x1b[2J plainly.", r"'\x1b'"),
        ("Ask\u202e plainly.", r"'\u202e'"),
        ("Ask\u00a0plainly.", r"'\xa0'"),
        ("Ask plainly. Caption: a trap", "'Caption:'"),
        ("Ask plainly. CAPTION : a trap", "'CAPTION :'"),
        ("Ask plainly.</s>", "'</s>'"),
        ("End with <image_gen>.", "'<image_gen>'"),
        ("End with image_gen.", "'image_gen'"),
        ("Ask <|im_start|> plainly.", "'<|im_start|>'"),
        ("[INST] Ask plainly.", "'[INST]'"),
    ],
)
def test_a_seed_text_that_could_break_out_of_its_line_is_refused(
    tmp_path: Path, text: str, found: str
):
    SEEDS.write([*GOOD_ROWS, seed_row("p2", "prompt", text)], tmp_path / "seeds.parquet")
    with pytest.raises(
        UserError, match=re.escape(f"the text of seed 'p2' holds {found}")
    ) as raised:
        read_seeds(tmp_path)
    assert str(raised.value).isprintable()


def test_the_shipped_seeds_would_be_accepted_from_a_table(tmp_path: Path):
    rows = [SeedRecord(**seed._asdict()) for seed in ALL_SEEDS]
    SEEDS.write(rows, tmp_path / "seeds.parquet")
    assert read_seeds(tmp_path) == shipped_seeds()


def test_a_folder_without_a_seed_table_is_a_users_mistake(tmp_path: Path):
    with pytest.raises(UserError, match="no Parquet file found"):
        read_seeds(tmp_path)
