"""Row rules of `instruct`: the writer refuses a row that breaks one."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vargpt_schema import IMAGE, IMAGE_GEN, INSTRUCT, InstructRecord, Message, sample_id_of

DRAW = InstructRecord(
    sample_id="0123456789abcdef",
    messages=(
        Message("user", "Draw a cat on a mat."),
        Message("assistant", f"Here is a cat on a mat.{IMAGE_GEN}"),
    ),
    images=("train/n02123045/n02123045_1.JPEG",),
    task="generation",
    caption="a cat on a mat",
    image_id="n02123045_1",
    label=281,
    wnid="n02123045",
    source="imagenet",
    method="llm",
    prompt_seed_id="prompt-001",
    caption_seed_id="caption-001",
    answer_seed_id="answer-001",
    prompt_template_id=None,
    answer_template_id=None,
    shot_ids=(),
    generator="a-model",
    request_sha256="00",
    attempts=1,
)
READ = replace(
    DRAW,
    task="understanding",
    messages=(Message("user", f"{IMAGE}\nWhat is this?"), Message("assistant", "A cat.")),
)
TALK = replace(
    DRAW,
    task="text",
    images=(),
    messages=(Message("user", "Hello."), Message("assistant", "Hello to you.")),
)


def says(prompt: str, answer: str) -> tuple[Message, ...]:
    return (Message("user", prompt), Message("assistant", answer))


def rules_broken(*rows: InstructRecord) -> list[tuple[int, str]]:
    assert INSTRUCT.row_faults is not None
    return [(fault.row, fault.rule) for fault in INSTRUCT.row_faults(INSTRUCT.from_records(rows))]


@pytest.mark.parametrize(
    "row",
    [
        DRAW,
        READ,
        TALK,
        replace(DRAW, messages=says("Please", f"The picture is as follows: {IMAGE_GEN}")),
        replace(
            DRAW,
            messages=(*says("Hi.", "Hello."), *says("Draw a cat.", f"A cat.{IMAGE_GEN}")),
        ),
        replace(READ, messages=says(f"{IMAGE}{IMAGE} Which?", "Both."), images=("a.jpg", "b.jpg")),
        replace(
            DRAW,
            messages=says(f"{IMAGE} In that style, a cat.", f"Done.{IMAGE_GEN}"),
            images=("a.jpg", "b.jpg"),
        ),
    ],
)
def test_a_good_row_breaks_no_rule(row):
    assert rules_broken(row) == []


@pytest.mark.parametrize(
    ("row", "part_of_rule"),
    [
        (replace(DRAW, task="drawing"), "task must be"),
        (replace(DRAW, method="magic"), "method must be"),
        (replace(DRAW, sample_id="0123456789ABCDEF"), "16 hex digits"),
        (replace(DRAW, sample_id="0123456789abcde"), "16 hex digits"),
        (replace(TALK, messages=()), "turns must alternate"),
        (replace(TALK, messages=TALK.messages[:1]), "turns must alternate"),
        (replace(TALK, messages=TALK.messages[::-1]), "turns must alternate"),
        (replace(TALK, messages=(*TALK.messages, Message("user", "And?"))), "turns must alternate"),
        (replace(TALK, messages=says("Is <image> a word?", "Yes.")), "together must number"),
        (replace(DRAW, images=()), "together must number"),
        (replace(DRAW, images=("a.jpg", "b.jpg")), "together must number"),
        (
            replace(DRAW, messages=says(f"Draw {IMAGE_GEN}", f"A cat.{IMAGE_GEN}")),
            "together must number",
        ),
        (replace(DRAW, messages=says("Draw.", f"A cat {IMAGE_GEN}")), "must end with"),
        (replace(DRAW, messages=says("Draw.", f"A cat. {IMAGE_GEN}")), "must end with"),
        (replace(DRAW, messages=says("Draw.", f"{IMAGE_GEN} A cat.")), "must end with"),
        (replace(DRAW, messages=says(f"{IMAGE} Draw.", "A cat.")), "must have a <image_gen>"),
        (replace(READ, messages=says("Draw.", f"A.{IMAGE_GEN}")), "only generation rows"),
        (replace(TALK, task="understanding"), "at least one"),
        (replace(READ, task="text"), "a text row must have no image"),
        (replace(DRAW, images=("/etc/passwd",)), "relative POSIX paths"),
        (replace(DRAW, images=("a/../../b.jpg",)), "relative POSIX paths"),
        (replace(DRAW, images=("..",)), "relative POSIX paths"),
        (replace(DRAW, images=("C:/a.jpg",)), "relative POSIX paths"),
        (replace(DRAW, images=("a\\b.jpg",)), "relative POSIX paths"),
        (replace(DRAW, images=("",)), "relative POSIX paths"),
        (replace(DRAW, images=("http://x/y.jpg",)), "relative POSIX paths"),
        (replace(DRAW, images=("a\nb.jpg",)), "relative POSIX paths"),
        (replace(DRAW, images=(None,)), "relative POSIX paths"),
        (replace(TALK, messages=says("Hello.</s>", "Hi.")), "turns must hold text"),
        (replace(TALK, messages=says("Hello.", "<|image_gen_pad|>")), "turns must hold text"),
        (replace(TALK, messages=says("Hello.", "Hi.<pad>")), "turns must hold text"),
    ],
)
def test_a_broken_row_is_named_among_good_ones(row, part_of_rule):
    broken = rules_broken(DRAW, TALK, row, READ)
    assert {at for at, _ in broken} == {2}
    assert any(part_of_rule in rule for _, rule in broken)


def test_writer_refuses_a_broken_row_and_writes_nothing(tmp_path):
    with pytest.raises(ValueError, match=r"1 rows break its rules; row 1: .* as many as images"):
        INSTRUCT.write([DRAW, replace(DRAW, images=())], tmp_path / "train.parquet")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_table_breaks_no_rule():
    assert rules_broken() == []


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=8
    )
)
@settings(derandomize=True, deadline=None, max_examples=50)
def test_placeholders_are_counted_over_all_turns_of_a_row(counts):
    rows = [
        replace(
            READ,
            messages=says(f"{IMAGE * first} one", f"{IMAGE * second} two"),
            images=tuple(f"{number}.jpg" for number in range(images)),
        )
        for first, second, images in counts
    ]
    wrong = {at for at, rule in rules_broken(*rows) if "together must number" in rule}
    assert wrong == {
        at for at, (first, second, images) in enumerate(counts) if first + second != images
    }


def test_sample_id_depends_on_source_image_and_text_alone():
    id_of = sample_id_of("world", "a", ("a.png",), says("Draw.", "Done."))
    assert id_of == "083477915ebecd71"
    assert id_of != sample_id_of("other", "a", ("a.png",), says("Draw.", "Done."))
    assert id_of != sample_id_of("world", "b", ("a.png",), says("Draw.", "Done."))
    assert id_of != sample_id_of("world", "a", ("b.png",), says("Draw.", "Done."))
    assert id_of != sample_id_of("world", "a", ("a.png",), says("Draw!", "Done."))
