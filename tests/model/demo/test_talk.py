"""What the page says and remembers, without a page: a small model and no Gradio."""

import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.model.vargpt.conftest import small_config, small_model

ANSWER = "vargpt_model.demo.live_reply.answer"


@pytest.fixture(scope="module")
def opened():
    from vargpt_model.processor import VargptProcessor, world_tokenizer
    from vargpt_model.weights.model_folder import Opened

    config = small_config()
    return Opened(small_model(), VargptProcessor.of(config, world_tokenizer(config)))


@pytest.fixture
def talk(opened, tmp_path):
    from vargpt_model.demo.talk import Talk

    return Talk(opened, tmp_path / "pictures")


@pytest.fixture
def session():
    from vargpt_model.demo.talk import Session

    return Session()


def options(**changes: Any):
    from vargpt_model.generation import GenerationOptions

    return GenerationOptions(**{"min_images": 1, "max_images": 1, "max_part_tokens": 3, **changes})


def views(talk, session, words: str, *attached: Path, seed: int = 0, **changes: Any):
    return list(talk.reply(session, words, attached, seed=seed, options=options(**changes)))


def paths(view, turn: int = -1) -> list[Path]:
    return [part for part in view.turns[turn].parts if isinstance(part, Path)]


@pytest.fixture
def red(tmp_path) -> Path:
    path = tmp_path / "red.png"
    Image.new("RGB", (20, 20), "red").save(path)
    return path


def test_words_and_a_picture_come_bit_by_bit_and_stay(talk, session):
    seen = views(talk, session, "draw a red circle")
    assert seen[0].is_working
    assert seen[0].turns[0].words == "draw a red circle"
    assert seen[0].turns[0].parts == ()
    last = seen[-1]
    assert not last.is_working
    assert last.given_back is None
    (picture,) = paths(last)
    assert last.drawn == (picture,)
    assert picture.name == "drawn-000.png"
    assert Image.open(picture).size == (12, 12)
    assert len(session.conversation.turns) == 1
    assert session.live is None


@pytest.fixture
def at_events(monkeypatch):
    """Calls a function behind every event of the model, in the model's thread."""
    from vargpt_model.generation import answer

    def install(behind) -> None:
        def watched(*arguments, on_event, **rest):
            def tell(event) -> None:
                on_event(event)
                behind(event)

            return answer(*arguments, on_event=tell, **rest)

        monkeypatch.setattr(ANSWER, watched)

    return install


def test_a_drawing_shows_the_codes_chosen_so_far_at_every_scale(opened, talk, session, at_events):
    from vargpt_model.generation import ImagePart, ScaleEvent

    steps: list[bytes] = []

    def look(event) -> None:
        if isinstance(event, ScaleEvent):
            steps.append(session.live.picture.tobytes())

    at_events(look)
    views(talk, session, "draw")
    (drawn,) = [p for p in session.conversation.turns[0].parts if isinstance(p, ImagePart)]
    scales = drawn.code_ids[None].split([1, 4, 9], dim=1)
    expected = [
        image[0].add(1).mul(127.5).round().byte().permute(1, 2, 0).numpy().tobytes()
        for image in opened.model.vae_local.decode_each_scale(scales)
    ]
    assert steps == expected
    assert len(set(steps)) == 3


def test_pictures_in_the_making_are_shown_under_names_of_their_own(talk, session, at_events):
    from vargpt_model.generation import ScaleEvent

    reading = talk.reply(session, "draw", [], seed=0, options=options())
    may_go_on, is_drawn = threading.Event(), threading.Event()

    def wait(event) -> None:
        if isinstance(event, ScaleEvent) and event.scale == 1:
            is_drawn.set()
            assert may_go_on.wait(30)

    at_events(wait)
    next(reading)
    shown = next(view for view in reading if is_drawn.is_set() and paths(view))
    (unfinished,) = paths(shown)
    assert unfinished.name.startswith("drawing-000-")
    assert shown.drawn == ()
    may_go_on.set()
    last = list(reading)[-1]
    assert [path.name for path in paths(last)] == ["drawn-000.png"]


def test_the_conversation_is_what_the_model_reads_next(opened, talk, session, red):
    from vargpt_model.generation import answer
    from vargpt_model.generation.random_streams import stream_seed

    views(talk, session, "what is it?", red)
    views(talk, session, "draw </s> <image> it")
    first, second = session.conversation.turns
    drawn = [part.code_ids for part in first.parts if hasattr(part, "code_ids")]
    again = answer(
        opened.model,
        opened.processor,
        [
            [
                {
                    "role": "user",
                    "content": [{"type": "image"}, {"type": "text", "text": "\nwhat is it?"}],
                },
                {
                    "role": "assistant",
                    "content": [
                        {"type": "image_gen"}
                        if hasattr(part, "code_ids")
                        else {"type": "text", "text": part.text}
                        for part in first.parts
                    ],
                },
                {"role": "user", "content": [{"type": "text", "text": "draw </s> <image> it"}]},
            ]
        ],
        [[Image.open(red), *drawn]],
        seeds=[stream_seed(0, "turn", 1)],
        options=options(),
    )[0]
    assert [getattr(part, "token_ids", None) for part in again.parts] == [
        getattr(part, "token_ids", None) for part in second.parts
    ]


def test_the_same_words_and_seed_draw_the_same_and_another_seed_does_not(talk):
    from vargpt_model.demo.talk import Session

    def drawn(seed: int) -> bytes:
        return paths(views(talk, Session(), "draw a cat", seed=seed)[-1])[0].read_bytes()

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_several_images_in_one_reply_and_over_turns_are_numbered_on(talk, session):
    views(talk, session, "two", min_images=2, max_images=2)
    last = views(talk, session, "one more")[-1]
    assert [path.name for path in last.drawn] == ["drawn-000.png", "drawn-001.png", "drawn-002.png"]
    assert [path.name for path in paths(last, 0)] == ["drawn-000.png", "drawn-001.png"]
    assert talk.num_images == 3
    assert talk.num_replies == 2


@pytest.mark.parametrize(
    ("words", "notice"),
    [
        ("", "No words found: write what the model should say or draw."),
        (" \n", "No words found: write what the model should say or draw."),
        (
            "word " * 400,
            "The model's context is full: start a new conversation, or write less.",
        ),
    ],
)
def test_a_question_that_cannot_be_asked_is_given_back_with_one_sentence(
    talk, session, words, notice
):
    last = views(talk, session, words)[-1]
    assert last.notice == notice
    assert last.given_back is not None
    assert last.given_back.words == words
    assert last.turns == ()
    assert session.conversation.turns == []


def test_a_file_that_is_no_picture_is_named_without_its_folder(talk, session, tmp_path, red):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"<svg onload=alert(1)>")
    last = views(talk, session, "what?", red, bad)[-1]
    assert last.notice.startswith("bad.png: unreadable image found")
    assert str(tmp_path) not in last.notice
    assert last.given_back is not None
    assert last.given_back.attached == (red, bad)


def test_a_large_picture_is_kept_small(talk, session, tmp_path):
    large = tmp_path / "large.png"
    Image.new("RGB", (4096, 1024), "red").save(large)
    views(talk, session, "what?", large)
    assert session.conversation.turns[0].attached[0].size == (2048, 512)


def test_a_fault_of_the_model_is_one_sentence_and_the_next_question_is_answered(
    talk, session, monkeypatch, capsys
):
    def broken(*_, **__):
        raise RuntimeError("<b>secret</b>")

    with monkeypatch.context() as patched:
        patched.setattr(ANSWER, broken)
        last = views(talk, session, "draw")[-1]
    assert last.notice == "The model failed (RuntimeError): its terminal says more."
    assert last.given_back is not None
    assert "secret" in capsys.readouterr().err
    assert views(talk, session, "draw")[-1].given_back is None


def test_a_full_memory_is_one_sentence(talk, session, monkeypatch):
    import torch

    def broken(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(ANSWER, broken)
    last = views(talk, session, "draw")[-1]
    assert last.notice == "The memory of the device is full: start a new conversation."


def test_a_stopped_reply_keeps_what_was_said_and_drops_the_unfinished_image(
    talk, session, at_events
):
    from vargpt_model.generation import ScaleEvent

    def stop(event) -> None:
        if isinstance(event, ScaleEvent) and (event.image_index, event.scale) == (1, 1):
            talk.stop(session)

    at_events(stop)
    last = views(talk, session, "draw two", min_images=2, max_images=2)[-1]
    assert last.notice == "Stopped."
    assert [path.name for path in paths(last)] == ["drawn-000.png"]
    assert len(session.conversation.turns) == 1


def test_a_new_conversation_during_a_reply_starts_empty_and_keeps_the_gallery(
    talk, session, at_events
):
    from vargpt_model.generation import ImageEvent

    views(talk, session, "first")

    def start_anew(event) -> None:
        if isinstance(event, ImageEvent):
            talk.start_anew(session)

    at_events(start_anew)
    last = views(talk, session, "second", min_images=2, max_images=2)[-1]
    assert last.turns == ()
    assert not last.is_working
    assert session.conversation.turns == []
    assert [path.name for path in last.drawn] == ["drawn-000.png", "drawn-001.png"]


def test_a_visitor_who_leaves_ends_the_reply_and_frees_the_model(talk, session):
    from vargpt_model.demo.talk import Session

    reading = talk.reply(session, "draw", [], seed=0, options=options(min_images=8, max_images=8))
    next(reading)
    next(reading)
    reading.close()
    assert session.live is None
    assert session.conversation.turns == []
    assert views(talk, Session(), "next")[-1].given_back is None


def test_two_sessions_at_once_answer_as_if_each_were_alone(talk):
    from vargpt_model.demo.talk import Session

    def asked(session, words: str) -> list[str | bytes]:
        parts = views(talk, session, words)[-1].turns[-1].parts
        return [part.read_bytes() if isinstance(part, Path) else part for part in parts]

    words = ("draw a cat", "a blue square, please")
    alone = [asked(Session(), text) for text in words]
    together: list[Any] = [None, None]

    def ask(index: int) -> None:
        together[index] = asked(Session(), words[index])

    threads = [threading.Thread(target=ask, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


def test_a_long_reply_says_that_it_was_cut(talk, session):
    last = views(talk, session, "talk", min_images=0, max_images=0)[-1]
    assert last.notice == "The reply reached its limit of tokens and was cut."
    assert last.given_back is None


def test_a_reply_that_fills_the_context_says_what_to_do(talk, session):
    notices = [
        views(talk, session, "word " * 20, min_images=3, max_images=3, max_part_tokens=1)[-1].notice
        for _ in range(4)
    ]
    assert notices[0] in ("", "The reply reached its limit of tokens and was cut.")
    assert notices[-1].startswith("The model's context is full: start a new conversation")
