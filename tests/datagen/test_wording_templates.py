"""The shipped templates are what their rule gives; a broken file of templates is one clear line."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from tests.datagen.enriched import GOLDEN
from vargpt_datagen.wording_templates import (
    SHIPPED_FILE,
    SLOT,
    WordingTemplate,
    read_templates,
    shipped_templates,
)
from vargpt_schema import UserError

VERBS = ("craft", "design", "create", "render", "generate", "produce", "sketch", "depict")
ADJECTIVES = ("visualized", "rendered", "designed", "crafted", "sketched")
NOUNS = ("scene", "photo", "drawing", "image", "figure", "painting", "picture")
ANSWER_VERBS = ("created", "designed", "crafted", "rendered", "produced", "sketched", "visualized")
ANSWER_NOUNS = ("drawing", "painting", "photo", "scene", "figure", "image")
STATEMENTS = ("I need", "I want to see", "I would like")
COMMANDS = ("Please", "Can you")
# Of each opening: so many templates for training and, after them, for evaluation.
QUOTAS = {"statement": (24, 4), "bare command": (48, 8), "command": (68, 12)}

GOOD = {
    "version": 1,
    "prompts": {"p1": "Draw {caption}.", "p2": "Paint {caption}"},
    "answers": {"a1": "Here is {caption}."},
}


def with_article(phrase: str) -> str:
    return f"an {phrase}" if phrase[0] in "aeiou" else f"a {phrase}"


def request_grammar() -> list[tuple[str, str, str]]:
    """Opening, kind and text of every request that the paper's grammar gives, in its order."""
    found: list[tuple[str, str, str]] = []
    for opening in STATEMENTS:
        for adjective in ADJECTIVES:
            for noun in NOUNS[:-1]:  # "picture" is seen without an adjective only
                what = with_article(f"{adjective} {noun}")
                found.append((opening, "statement", f"{opening} {what} of {SLOT}."))
    for opening in COMMANDS:
        for verb in VERBS:
            found += [
                (opening, "bare command", f"{opening} {verb} {with_article(noun)} of {SLOT}.")
                for noun in NOUNS
            ]
            for adjective in ADJECTIVES:
                for noun in NOUNS[:-1]:
                    what = with_article(f"{adjective} {noun}")
                    found.append((opening, "command", f"{opening} {verb} {what} of {SLOT}."))
    return found


def printed_requests() -> set[str]:
    """Templates of the requests that the paper and its repositories print."""
    pairs = json.loads(GOLDEN.read_text("utf-8"))["pairs_1270k"]
    return {f"{pair['prompt'].rstrip('.')}.".replace(pair["caption"], SLOT) for pair in pairs}


def texts(templates: tuple[WordingTemplate, ...]) -> list[str]:
    return [template.text for template in templates]


def test_the_requests_are_those_that_the_stated_rule_chooses():
    grammar, printed = request_grammar(), printed_requests()
    assert len(grammar) == 682
    assert len(printed) == 32
    training: set[str] = set()
    held_out: set[str] = set()
    for opening in (*STATEMENTS, *COMMANDS):
        for kind, (num_training, num_held_out) in QUOTAS.items():
            group = [text for of, at, text in grammar if (of, at) == (opening, kind)]
            group.sort(
                key=lambda text: (text not in printed, hashlib.sha256(text.encode()).hexdigest())
            )
            training |= {*group[:num_training]}
            held_out |= {*group[num_training : num_training + num_held_out]}
    shipped = shipped_templates()
    assert texts(shipped.prompts) == [text for *_, text in grammar if text in training]
    assert texts(shipped.held_out_prompts) == [text for *_, text in grammar if text in held_out]
    assert (len(shipped.prompts), len(shipped.held_out_prompts)) == (304, 52)


def test_the_answers_are_the_whole_grammar():
    verbs = (*ANSWER_VERBS, "generated")
    adjectives = ("generated", *ANSWER_VERBS[1:], "created")
    expected = {
        *(
            f"I have {verb} {with_article(noun)} of {SLOT}."
            for verb in verbs
            for noun in ANSWER_NOUNS
        ),
        *(f"Here's a {adj} {noun} of {SLOT}." for adj in adjectives for noun in ANSWER_NOUNS),
    }
    answers = texts(shipped_templates().answers)
    assert len(answers) == 96
    assert {*answers} == expected


def test_every_printed_pair_can_come_out():
    shipped = shipped_templates()
    for pair in json.loads(GOLDEN.read_text("utf-8"))["pairs_1270k"]:
        prompts = {text.replace(SLOT, pair["caption"]) for text in texts(shipped.prompts)}
        assert f"{pair['prompt'].rstrip('.')}." in prompts  # two are printed without a period
        if pair["answer"]:
            answers = {text.replace(SLOT, pair["caption"]) for text in texts(shipped.answers)}
            assert pair["answer"] in answers


def test_ids_tell_all_templates_apart_and_articles_are_right():
    shipped = shipped_templates()
    everything = [*shipped.prompts, *shipped.answers, *shipped.held_out_prompts]
    assert len({template.template_id for template in everything}) == 452
    assert not {*texts(shipped.prompts)} & {*texts(shipped.held_out_prompts)}
    for template in everything:
        assert re.search(r"\ban? (\w+)", template.text)
        for article, word in re.findall(r"\b(an?) (\w+)", template.text):
            assert article == ("an" if word[0] in "aeiou" else "a"), template.text


def test_style_safe_templates_call_no_photograph_a_drawing():
    safe = shipped_templates().style_safe()
    assert (len(safe.prompts), len(safe.answers)) == (119, 42)
    for text in [*texts(safe.prompts), *texts(safe.answers)]:
        noun = re.search(r"(\w+) of \{caption\}", text)
        assert noun
        assert noun[1] in ("photo", "picture", "image", "scene")
        assert "sketch" not in text


def test_a_template_is_told_by_the_text_around_its_slot():
    template = WordingTemplate("p1", "Draw {caption}, please.")
    assert (template.before, template.after) == ("Draw ", ", please.")


def test_the_shipped_file_can_be_read_as_anybodys(tmp_path: Path):
    import vargpt_datagen

    shipped = Path(vargpt_datagen.__file__).parent / SHIPPED_FILE
    path = tmp_path / "mine.toml"
    path.write_bytes(shipped.read_bytes())
    assert read_templates(path) == shipped_templates()
    assert read_templates(path).sha256() == shipped_templates().sha256()


def test_any_change_of_a_text_changes_the_sha256(tmp_path: Path):
    before = read_templates(write(tmp_path / "a.toml", GOOD))
    changed = {**GOOD, "answers": {"a1": "Here's {caption}."}}
    assert before.sha256() != read_templates(write(tmp_path / "b.toml", changed)).sha256()


def write(path: Path, parts: dict) -> Path:
    lines: list[str] = []
    tables: list[str] = []
    for name, value in parts.items():
        if isinstance(value, dict):
            rows = [f"{json.dumps(key)} = {json.dumps(text)}" for key, text in value.items()]
            tables += [f"[{name}]", *rows]
        else:
            lines.append(f"{name} = {json.dumps(value)}")
    path.write_text("\n".join([*lines, *tables]) + "\n", "utf-8")
    return path


def prompts(*found: object) -> dict:
    return {**GOOD, "prompts": {f"p{number}": text for number, text in enumerate(found)}}


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (prompts("Draw {capton}."), "prompts.p0 is 'Draw {capton}.'; {caption} found 0 times"),
        (prompts("Draw a cat."), "prompts.p0 is 'Draw a cat.'; {caption} found 0 times"),
        (prompts("{caption} or {caption}."), "{caption} found 2 times, once was expected"),
        (prompts("Draw {caption} for {name}."), "another slot or brace found"),
        (prompts("Draw {caption}}."), "another slot or brace found"),
        (prompts("<image> Draw {caption}."), "< or > found"),
        (prompts("Draw\n{caption}."), "one printable line"),
        (prompts("Draw  {caption}."), "one printable line"),
        (prompts(f"{'Draw ' * 70}{{caption}}."), "characters found, at most 300"),
        (prompts(3), "prompts.p0 is 3; a text with {caption} in it was expected"),
        (prompts("Draw {caption}.", "Draw {caption}."), "text 'Draw {caption}.' found more than"),
        ({**GOOD, "prompts": {"p 1": "Draw {caption}."}}, "an id of letters, digits"),
        ({**GOOD, "prompts": {}}, "no [prompts] found"),
        ({"version": 1, "prompts": GOOD["prompts"]}, "no [answers] found"),
        ({**GOOD, "answers": {"a1": "Here is {caption}"}}, "a period at the end of the answer"),
        ({**GOOD, "answer": {"a1": "Here is {caption}."}}, "'answer' found, version, prompts"),
        ({**GOOD, "version": "one"}, "version 'one' found, a whole number"),
        ({**GOOD, "held_out_prompts": {"p1": "Show {caption}."}}, "id 'p1' found more than once"),
        ({**GOOD, "held_out_prompts": {"h": "Draw {caption}."}}, "found more than once"),
    ],
)
def test_a_broken_template_is_told_with_its_id_and_what_was_expected(
    parts: dict, said: str, tmp_path: Path
):
    path = write(tmp_path / "mine.toml", parts)
    with pytest.raises(UserError) as raised:
        read_templates(path)
    message = str(raised.value)
    assert message.startswith(f"{path}: ")
    assert said in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "content", [b"prompts = [", b"\xff\xfe", b"[prompts]\np1 = 'a'\np1 = 'b'\n"]
)
def test_a_file_that_is_no_toml_is_told(content: bytes, tmp_path: Path):
    (tmp_path / "mine.toml").write_bytes(content)
    with pytest.raises(UserError, match="cannot be read as TOML"):
        read_templates(tmp_path / "mine.toml")


def test_a_request_that_evaluations_ask_with_is_refused_for_training(tmp_path: Path):
    held_out = shipped_templates().held_out_prompts[0]
    path = write(tmp_path / "mine.toml", prompts("Draw {caption}.", held_out.text))
    with pytest.raises(UserError, match=r"prompts\.p1 is .*, which `datagen build-eval` asks with"):
        read_templates(path)


def test_templates_without_a_safe_one_are_refused(tmp_path: Path):
    parts = {**GOOD, "answers": {"a1": "Here is a painting of {caption}."}}
    templates = read_templates(write(tmp_path / "mine.toml", parts))
    with pytest.raises(UserError, match="--style-safe: each of the answers speaks of a drawing"):
        templates.style_safe()
