"""The offline writer: what it reads of a request, and what its texts are like."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from vargpt_datagen.checks import Candidate, Shot, first_fault, normalise, normalise_answer
from vargpt_datagen.offline import OfflineWriter
from vargpt_datagen.offline.chance import Chance
from vargpt_datagen.offline.mistakes import PAIR_MISTAKES, REPLY_MISTAKES
from vargpt_datagen.offline.wording import phrase_of
from vargpt_datagen.pools import shipped_seeds, shipped_shot_pairs
from vargpt_datagen.reply import Pair, Reply, read_pair
from vargpt_schema.errors import UserError
from vargpt_schema.world import caption_at

_SAMPLES = Path(__file__).with_name("test_checks_printed_samples.txt").read_text("utf-8")
BLIP2_CAPTIONS = [line.split(" | ")[0] for line in _SAMPLES.splitlines()]
WORLD_CAPTIONS = [caption_at(index) for index in range(0, 60_000, 997)]


class Sent:
    """A request as the templates write it, with what its reply is checked against."""

    def __init__(self, caption: str, number: int = 0, others: list[str] = BLIP2_CAPTIONS) -> None:
        pairs = shipped_shot_pairs()
        start = number % (len(others) - 8)
        drawn = [other for other in others[start : start + 8] if other != caption][:4]
        self.caption = caption
        self.shots = tuple(
            Shot(other, *pairs[(number + place) % len(pairs)].filled(other))
            for place, other in enumerate(drawn)
        )
        self.seeds = tuple(
            shipped_seeds()[kind][number % len(shipped_seeds()[kind])].text
            for kind in ("prompt", "caption", "answer")
        )
        lines = ["Captions, each with a finished pair:", ""]
        for place, shot in enumerate(self.shots, start=1):
            pair = json.dumps({"prompt": shot.prompt, "answer": shot.answer})
            lines += [f"{place}. Caption: {shot.caption}", f"   {pair}"]
        titles = ("request", "scene", "answer")
        directives = [
            f"- The {title}: {seed}" for title, seed in zip(titles, self.seeds, strict=True)
        ]
        lines += ["", "For the pair you write now:", *directives, "", f"Caption: {caption}"]
        self.user_message = "\n".join(lines)
        messages = [
            {"role": "system", "content": "Write one pair."},
            {"role": "user", "content": self.user_message},
        ]
        self.body = json.dumps({"model": "m", "messages": messages}).encode()

    def fault_of(self, pair: Pair) -> str | None:
        fault = first_fault(
            Candidate(
                prompt=normalise(pair.prompt),
                answer=normalise_answer(pair.answer),
                caption=self.caption,
                shots=self.shots,
                seeds=self.seeds,
            )
        )
        return fault and fault.reason


def reply_to(body: bytes) -> Reply:
    return asyncio.run(OfflineWriter().complete(body))


def reason_of(sent: Sent, reply: Reply) -> str | None:
    pair = read_pair(reply)
    return sent.fault_of(pair) if isinstance(pair, Pair) else pair.reason


def test_reply_is_a_pair_about_the_last_caption_at_no_cost():
    reply = reply_to(Sent("a walrus on a skateboard").body)
    pair = read_pair(reply)
    assert isinstance(pair, Pair)
    assert "walrus" in pair.prompt and "walrus" in pair.answer
    assert reply[1:] == ("stop", "offline-writer-1", 0, 0, 0, 0.0)


def test_changing_the_caption_inside_the_text_changes_the_answer():
    body = Sent("a walrus on a skateboard").body
    pair = read_pair(reply_to(body.replace(b"Caption: a walrus", b"Caption: a penguin")))
    assert isinstance(pair, Pair)
    assert "penguin" in pair.prompt and "penguin" in pair.answer
    assert "walrus" not in pair.prompt + pair.answer


def test_same_bytes_give_the_same_reply_and_any_other_byte_may_change_it():
    body = Sent("a panda bear").body
    assert reply_to(body) == reply_to(body)
    texts = {reply_to(body.replace(b'"m"', b'"m%d"' % number)).text for number in range(50)}
    assert len(texts) > 40


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"{}", "without messages"),
        (b"not json", "without messages"),
        (b'{"messages": []}', "without messages"),
        (b'{"messages": [{"content": "Caption: a dog\\nThanks"}]}', "'Thanks'"),
        (b'{"messages": [{"content": "Caption: "}]}', "'Caption: '"),
        (b'{"messages": [{"content": ["Caption: a dog"]}]}', "list"),
    ],
)
def test_body_without_a_last_caption_line_is_a_users_mistake(body: bytes, found: str):
    with pytest.raises(UserError, match=found):
        reply_to(body)


@pytest.mark.parametrize("captions", [BLIP2_CAPTIONS, WORLD_CAPTIONS], ids=["blip2", "world"])
def test_texts_pass_every_check(captions: list[str]):
    # One in 200 is bad on purpose; no other may fail.
    sent = [Sent(captions[number % len(captions)], number, captions) for number in range(2_000)]
    reasons = [reason_of(request, reply_to(request.body)) for request in sent]
    spoilt = [request for request in sent if Chance(request.body).one_in(200)]
    assert sum(reason is not None for reason in reasons) == len(spoilt)
    assert 2 <= len(spoilt) <= 25


@pytest.mark.parametrize("mistake", [*PAIR_MISTAKES, *REPLY_MISTAKES])
def test_every_mistake_is_rejected_for_its_own_reason(mistake: str):
    for captions in (BLIP2_CAPTIONS, WORLD_CAPTIONS):
        for number, caption in enumerate(captions):
            sent = Sent(caption, number, captions)
            chance = Chance(sent.body)
            reply = OfflineWriter().mistaken(mistake, sent.user_message, chance)
            assert reason_of(sent, reply) == mistake, (caption, reply.text)


def test_every_rule_has_its_mistake():
    from vargpt_datagen.checks import RULES

    assert {rule.__name__ for rule in RULES} == PAIR_MISTAKES.keys()


def test_mistakes_are_one_in_two_hundred_and_equally_likely():
    counts = dict.fromkeys((*PAIR_MISTAKES, *REPLY_MISTAKES), 0)
    for number in range(200_000):
        chance = Chance(b"%d" % number)
        if chance.one_in(200):
            counts[chance.choose(tuple(counts))] += 1
    assert 900 <= sum(counts.values()) <= 1_100
    assert min(counts.values()) >= 25 and max(counts.values()) <= 75


@pytest.mark.parametrize(
    ("caption", "phrase"),
    [
        ("a train is on the tracks", "a train on the tracks"),
        ("A squirrel is eating some leaves.", "a squirrel eating some leaves"),
        ("a close up of an ostrich", "an ostrich up close"),
        ("an old photo of an aircraft carrier", "an old photo of an aircraft carrier"),
        ("a man with a hat on his", "a man with a hat"),
        ("what looks like a boat", "what looks like a boat"),
        ("there is a red circle on a white background", "a red circle on a white background"),
    ],
)
def test_captions_become_noun_phrases(caption: str, phrase: str):
    assert phrase_of(caption) == phrase


def test_a_caption_that_names_its_medium_is_not_asked_for_as_a_photo_of_a_photo():
    for number in range(300):
        pair = read_pair(reply_to(Sent("an old photo of a ship", number).body))
        if isinstance(pair, Pair):
            assert not re.search(r"(photo|picture|image)s? (of|with) an old", " ".join(pair))
