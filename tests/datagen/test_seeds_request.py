"""Requests for seeds: what is in them, and what they depend on."""

import hashlib
import json

import pytest

from vargpt_datagen.pools import shipped_seeds
from vargpt_datagen.seeds.focuses import FOCUSES
from vargpt_datagen.seeds.request import BATCH_SIZE, SeedRequests
from vargpt_datagen.seeds.rules import seed_fault
from vargpt_schema import SEED_KINDS
from vargpt_schema.seeds import SeedKind

ACCEPTED = ("Ask in one breath and be done.", "Sound as if in a hurry.")


def requests(model: str = "asked-1", seed: int = 0) -> SeedRequests:
    return SeedRequests(model=model, seed=seed, parameters={"thinking": {"type": "disabled"}})


def test_a_request_asks_for_json_within_the_tokens_that_are_reserved():
    request = requests().request("prompt", 0, ())
    body = json.loads(request.body)
    assert body == {
        "model": "asked-1",
        "messages": [
            {"role": "system", "content": request.system},
            {"role": "user", "content": request.user},
        ],
        "temperature": 1.0,
        "max_tokens": 1_500,
        "response_format": {"type": "json_object"},
        "thinking": {"type": "disabled"},
    }
    assert request.sha256 == hashlib.sha256(request.body).hexdigest()


@pytest.mark.parametrize("kind", SEED_KINDS)
def test_the_system_message_ends_with_the_form_of_the_reply(kind: SeedKind):
    system = requests().request(kind, 0, ()).system
    form = json.loads(system.splitlines()[-1])
    assert list(form) == ["seeds"]
    for text in form["seeds"]:  # a reply that echoes the form brings nothing
        assert seed_fault(text, kind) is not None


def test_each_kind_has_a_system_message_of_its_own_that_begins_alike():
    systems = [requests().request(kind, 0, ()).system for kind in SEED_KINDS]
    lists = [system[system.index("Your list: ") :].splitlines()[0] for system in systems]
    assert lists == ["Your list: the request", "Your list: the scene", "Your list: the answer"]
    starts = {system[: system.index("Your list: ")] for system in systems}
    assert len(starts) == 1


@pytest.mark.parametrize("kind", SEED_KINDS)
def test_messages_are_tidy_ascii(kind: SeedKind):
    request = requests().request(kind, 3, ACCEPTED)
    for text in (request.system, request.user):
        assert text.isascii()
        assert "\n\n\n" not in text
        assert "{%" not in text
        assert text == text.strip()
    assert max(map(len, request.system.splitlines())) <= 105


def test_what_is_accepted_is_listed_first_so_that_a_longer_list_shares_the_prefix():
    before = requests().request("prompt", 1, ACCEPTED)
    after = requests().request("prompt", 2, (*ACCEPTED, "Use no verb at all here."))
    assert before.user.startswith(
        "Already in your list; write none of these again, and none that says the same in other "
        f"words:\n- {ACCEPTED[0]}\n- {ACCEPTED[1]}\n\n"
    )
    assert after.user.startswith(before.user[: before.user.index("\n\n")])
    assert "Already" not in requests().request("prompt", 0, ()).user


@pytest.mark.parametrize("kind", SEED_KINDS)
def test_examples_are_shipped_seeds_of_the_kind_and_others_in_every_call(kind: SeedKind):
    shipped = {seed.text for seed in shipped_seeds()[kind]}
    shown = [requests().request(kind, call, ()).examples for call in range(8)]
    for examples in shown:
        assert len(set(examples)) == 5
        assert set(examples) <= shipped
    assert len({*shown}) == 8
    assert shown[0] != requests(seed=1).request(kind, 0, ()).examples
    user = requests().request(kind, 0, ()).user
    assert all(f"- {text}\n" in user for text in shown[0])


@pytest.mark.parametrize("kind", SEED_KINDS)
def test_calls_take_the_focuses_in_turn(kind: SeedKind):
    focuses = FOCUSES[kind]
    assert len(set(focuses)) == len(focuses) >= 6
    for call in range(2 * len(focuses)):
        user = requests().request(kind, call, ()).user
        assert f"all in {focuses[call % len(focuses)]}.\n" in user
        assert f"Batch {call + 1}: write {BATCH_SIZE} new guidelines" in user


def test_a_request_depends_on_its_inputs_alone_and_on_each_of_them():
    def sha256(model: str = "asked-1", seed: int = 0, call: int = 0, texts=ACCEPTED) -> str:
        return requests(model, seed).request("prompt", call, texts).sha256

    assert sha256() == sha256()
    others = [sha256(model="b"), sha256(seed=1), sha256(call=1), sha256(texts=ACCEPTED[:1])]
    assert len({sha256(), *others, requests().request("answer", 0, ACCEPTED).sha256}) == 6


def test_the_form_of_requests_tells_models_and_seeds_apart():
    assert requests().form_sha256 == requests().form_sha256
    forms = {requests().form_sha256, requests(model="b").form_sha256, requests(seed=1).form_sha256}
    assert len(forms) == 3
