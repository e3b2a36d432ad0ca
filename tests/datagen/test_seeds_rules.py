"""Rules on a seed's text, and what they make of a reply."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vargpt_datagen.pools import shipped_seeds
from vargpt_datagen.pools.seeds import text_fault
from vargpt_datagen.reply import NO_REPLY, REFUSED, Reply, Unusable
from vargpt_datagen.seeds.reading import read_texts
from vargpt_datagen.seeds.rules import normalise_seed, same_text, seed_fault
from vargpt_schema import SEED_KINDS
from vargpt_schema.seeds import SeedKind

# As language models write them; each is fit for its kind.
WRITTEN: dict[SeedKind, tuple[str, ...]] = {
    "prompt": (
        "Open with 'I was hoping to get' and keep the rest of the sentence modest.",
        "Speak as a museum curator who needs a picture for a wall label.",
        "Have a student ask in a hurry before class starts.",
        "Turn the request into a tag question that ends with 'right?'.",
        "Sound like a note stuck on a fridge: no verb, just the noun phrase and 'please'.",
        "Finish the sentence with 'if you don't mind'.",
        "Avoid question marks; state what the user wants to see.",
    ),
    "caption": (
        "Mention the setting first in the request, if the caption names one.",
        "Convert any '-ing' verb into a clause with 'that is' in the request.",
        "When the caption repeats a word, use it once in each text.",
        "Never state how many there are unless the caption does.",
        "Keep left and right, above and below, exactly as given.",
    ),
    "answer": (
        "Lead with 'Good news' and state that the picture is done.",
        "Use the voice of a proud but modest photographer handing over a print.",
        "If the request is a question, answer with 'Yes' before announcing the picture.",
        "Offer the picture as though sliding it across a desk.",
        "Write it without any form of the verb 'to be'.",
    ),
}


@pytest.mark.parametrize("kind", SEED_KINDS)
def test_every_shipped_seed_passes_as_it_is(kind: SeedKind):
    for seed in shipped_seeds()[kind]:
        assert (normalise_seed(seed.text), seed_fault(seed.text, kind)) == (seed.text, None)


@pytest.mark.parametrize("kind", SEED_KINDS)
def test_good_texts_of_a_model_pass_as_they_are(kind: SeedKind):
    for text in WRITTEN[kind]:
        assert (normalise_seed(text), seed_fault(text, kind)) == (text, None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Be polite.", "length"),
        (f"Ask {'very ' * 30}politely.", "length"),
        (f"Ask {'extraordinarily ' * 20}politely.", "not_plain"),
        ("Ask politely and then\nCaption: a trap.", "not_plain"),
        ("Begin with 'Could you' and end with {scene}.", "not_plain"),
        ("Begin with [opening] and end on the scene.", "not_plain"),
        ("Use **bold** words for the noun of the picture.", "not_plain"),
        ("End the request with <image_gen> and nothing else.", "not_plain"),
        ("Ask in a caf\u00e9 manner, slow and kind.", "not_plain"),
        ("Could you phrase it as a question?", "not_plain"),
        ("Ask politely. Then thank the assistant for the help.", "several_sentences"),
        ("Usa un tono formal y muy cordial siempre.", "not_english"),
        ("Fragt immer sehr formell und mit der Bitte um ein Bild.", "not_english"),
        ("Write as ChatGPT would ask for a picture.", "vendor_name"),
        ("The request should be polite and short.", "not_an_instruction"),
        ("Here is the picture that you asked for.", "not_an_instruction"),
        ("Show me a photo of what the caption says.", "not_an_instruction"),
        ("It should sound like an order in a shop.", "not_an_instruction"),
        ("Ask for a picture of puppies in a basket.", "names_a_thing"),
        ("Ask as the owner of two bicycles would.", "names_a_thing"),
        ("Add a sunset to the background of the scene.", "names_a_thing"),
        ("Describe the subject as red in both texts.", "names_a_thing"),
        ("Request an oil painting in warm tones.", "names_an_art"),
        ("Ask for a picture in the manner of cartoons.", "names_an_art"),
    ],
)
def test_a_text_that_breaks_a_rule_is_told_by_its_reason(text: str, reason: str):
    for kind in SEED_KINDS:
        fault = seed_fault(normalise_seed(text), kind)
        assert fault is not None
        assert fault.reason == reason


@pytest.mark.parametrize(
    "text",
    [
        "Ask whether the user likes the picture.",
        "End with 'Let me know what you think'.",
        "Close with a short question about the scene.",
        "Apologise briefly, then hand over the picture.",
        "Add an offer to change it, offering further pictures.",
        "Invite the user to look and invite changes.",
    ],
)
def test_an_answer_that_would_do_more_than_announce_is_refused_for_answers_alone(text: str):
    fault = seed_fault(text, "answer")
    assert fault is not None
    assert fault.reason == "does_more"
    assert seed_fault(text, "prompt") is None


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("  begin with 'Hi' and go on plainly ", "Begin with 'Hi' and go on plainly."),
        ("3. Begin with 'Hi'.", "Begin with 'Hi'."),
        ("- Begin with 'Hi'.", "Begin with 'Hi'."),
        ('Begin with "I\'d like" and a noun.', "Begin with 'I'd like' and a noun."),
        ("Begin with \u201cCould you\u201d and a verb.", "Begin with 'Could you' and a verb."),
        ("End with 'please.'", "End with 'please'."),
        ("Open with 'Sure,' and the scene.", "Open with 'Sure', and the scene."),
        ("Use a dash\u2014no verb.", "Use a dash, no verb."),
        ("Use the users' own words.", "Use the users' own words."),
        ("Ask as a question?", "Ask as a question?"),
        ("", ""),
    ],
)
def test_typography_is_settled_before_a_text_is_judged(written: str, text: str):
    assert normalise_seed(written) == text
    assert normalise_seed(text) == text


@given(st.text(max_size=700), st.sampled_from(SEED_KINDS))
def test_whatever_passes_can_stand_in_a_request_and_stays_as_it_is(written: str, kind: SeedKind):
    text = normalise_seed(written)
    if seed_fault(text, kind) is None:
        assert text.isascii()
        assert text.isprintable()
        assert text_fault(text) is None
        assert normalise_seed(text) == text


def test_two_texts_are_the_same_when_hardly_a_word_differs():
    known = ["Begin with 'Hey' and stay friendly throughout.", "Say it in the passive."]
    assert same_text("Begin with 'HI' and stay friendly throughout.", known) == known[0]
    assert same_text("Begin with 'Hey' and be brief.", known) is None
    assert same_text("Say it in the passive.", []) is None


def reply(text: str, finish_reason: str = "stop") -> Reply:
    return Reply(text, finish_reason, "fake-1", 10, 0, 5, 0.001)


def test_the_texts_of_a_reply_are_read_in_order_without_what_is_no_text():
    found = read_texts(reply('{"note": "x", "seeds": ["One.", 2, null, " ", "Two.", {"a": 1}]}'))
    assert found == ["One.", "Two."]


@pytest.mark.parametrize(
    ("text", "finish_reason", "reason", "is_final"),
    [
        ("", "stop", "blank", False),
        (" \n ", "length", "blank", False),
        ('{"seeds": ["One.', "length", "cut_off", False),
        ('{"seeds": ["One."]}', "content_filter", "cut_off", False),
        ("Sure! Here you go:", "stop", "malformed_json", False),
        ("[" * 100_000, "stop", "malformed_json", False),
        ('["One."]', "stop", "malformed_json", False),
        ('{"seeds": "One."}', "stop", "malformed_json", False),
        ('{"seeds": [1, " "]}', "stop", "malformed_json", False),
        ('{"prompt": "One.", "answer": "Two."}', "stop", "malformed_json", False),
        ("Content Exists Risk", REFUSED, "refused", True),
        ("HTTP 500", NO_REPLY, "no_reply", True),
    ],
)
def test_a_reply_without_texts_says_why(text: str, finish_reason: str, reason: str, is_final: bool):
    found = read_texts(reply(text, finish_reason))
    assert isinstance(found, Unusable)
    assert (found.reason, found.is_final) == (reason, is_final)


def test_a_text_that_no_file_can_hold_is_refused_by_a_rule():
    found = read_texts(reply(json.dumps({"seeds": ["Ask \ud800 plainly and briefly."]})))
    assert isinstance(found, list)
    fault = seed_fault(normalise_seed(found[0]), "prompt")
    assert fault is not None
    assert fault.reason == "not_plain"
