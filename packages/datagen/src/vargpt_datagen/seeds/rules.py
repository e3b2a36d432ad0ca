"""What a text must be before it becomes a seed; each rule has a reason."""

import re
from collections.abc import Sequence

from vargpt_datagen.checks.candidate import Fault
from vargpt_datagen.checks.normalise import normalise
from vargpt_datagen.checks.reading import read, read_seed
from vargpt_datagen.checks.vocabulary import COLOURS, ENGLISH_WORDS, FOREIGN_WORDS, VENDOR_NAMES
from vargpt_datagen.pools.seeds import MAX_TEXT_CHARACTERS, text_fault
from vargpt_schema.seeds import SeedKind

MIN_WORDS, MAX_WORDS = 5, 30
SAME_TEXT_PERCENT = 85.0  # similarity from which two seeds count as one
_MIN_WORDS_FOR_ENGLISH = 6  # a shorter text may do without any function word

_LONG_DASH = re.compile(r"\s*\u2014\s*")
_NUMBERING = re.compile(r"^(?:\d+[.)]|[-*\u2022])\s+")
_QUOTED = re.compile(r"""(?<!\w)(['"]).+?\1(?!\w)""")
_MARK_BEFORE_QUOTE = re.compile(r"([.,;])'(?=$|\s)")  # 'please.' as Americans set it
_PLAIN = re.compile(r"[A-Z'][ -~]*\.")
_MARKUP = re.compile(r"[<>{}\[\]|*_#\"`\\~^]|https?:|&\w+;")
_SENTENCE_END = re.compile(r"[.!?][')]*\s+(?=['(]*[A-Z])")

# Who speaks so is a user or an assistant, or reports on them, and does not instruct a writer.
_FIRST_PERSON = re.compile(r"\b(?:i|me|my|mine|we|us|our|ours)\b", re.IGNORECASE)
_NO_IMPERATIVE = re.compile(
    r"(?:i|you|he|she|it|they|here|there|this|that|these|those|could|can|would|will|should|may|might"
    r"|is|are|was|were|sure|certainly|yes|no|hi|hello|hey"
    r"|(?:the|this|each|every|an?) (?:request|prompt|answer|user|assistant|writer|guideline|caption"
    r"|scene|text|reply))\b",
    re.IGNORECASE,
)

# What captions often name, without words that a guideline may need in another sense (an order form,
# a plain sign, bear in mind).
_COMMON_THINGS = """
    dog cat bird horse cow sheep goat pig chicken duck goose owl eagle parrot elephant lion tiger
    monkey rabbit snake turtle fish shark whale butterfly bee spider frog lizard wolf fox deer zebra
    giraffe camel panda penguin squirrel
    car truck bus train bicycle motorcycle airplane boat helicopter tractor
    beach mountain forest river lake ocean desert island meadow garden kitchen harbour harbor
    sunset sunrise sky snow rain cloud tree flower grass mushroom
    pizza cake sandwich apple banana burger bread cheese
    sofa lamp bottle umbrella guitar piano violin castle church lighthouse skyscraper
"""
_ART = re.compile(
    r"\b(?:paintings?|painted|drawings?|sketch(?:es)?|illustrations?|cartoons?|anime|watercolou?rs?"
    r"|comics?|oil on canvas|pixel art)\b",
    re.IGNORECASE,
)
# An answer hands the picture over and does nothing else.
_DOES_MORE = re.compile(
    r"\?|\blet me know\b|\bwould you like\b|\bfeel free\b|\bfollow-?up\b|\binvit(?:e|es|ing)\b"
    r"|\boffer(?:s|ing)? (?:to|further|more|help|another|any|changes?)\b|\bask (?:if|whether)\b"
    r"|\b(?:end|close|finish|open|start|begin) (?:with|on) a (?:\w+ )?question\b"
    r"|\bapolog\w+|\bsorry\b|\brefus\w+|\bunfortunately\b|\bdescri(?:be|bes|bing|ption) what\b",
    re.IGNORECASE,
)


def normalise_seed(text: str) -> str:
    """Plain typography, no list number in front, single quotes, a capital first, a full stop last.

    A newline stays for a rule to see, and so does a text that is far too long.
    """
    if len(text) > 2 * MAX_TEXT_CHARACTERS:
        return text
    text = _NUMBERING.sub("", normalise(_LONG_DASH.sub(", ", text)))
    text = _MARK_BEFORE_QUOTE.sub(r"'\1", _QUOTED.sub(_in_single_quotes, text))
    if text and (text[-1].isalnum() or text[-1] in "')"):
        text += "."
    return text[:1].upper() + text[1:]


def seed_fault(text: str, kind: SeedKind) -> Fault | None:
    """The first rule that a normalised text breaks, None for a good one."""
    if fault := text_fault(text):
        return Fault("not_plain", fault)
    if found := _MARKUP.search(text):
        return Fault("not_plain", found.group())
    if not _PLAIN.fullmatch(text):
        return Fault("not_plain", text[:40])
    num_words = len(text.split())
    if not MIN_WORDS <= num_words <= MAX_WORDS:
        return Fault("length", f"{num_words} words")
    if found := _SENTENCE_END.search(text):
        return Fault("several_sentences", text[found.start() :][:40])
    reading = read(text)
    words = set(reading.words)
    if not words & ENGLISH_WORDS and num_words >= _MIN_WORDS_FOR_ENGLISH:
        return Fault("not_english", text[:40])
    if len(words & FOREIGN_WORDS) > len(words & ENGLISH_WORDS):
        return Fault("not_english", " ".join(sorted(words & FOREIGN_WORDS)))
    if names := words & VENDOR_NAMES:
        return Fault("vendor_name", min(names))
    own_words = _QUOTED.sub("", text)
    if found := _FIRST_PERSON.search(own_words) or _NO_IMPERATIVE.match(text):
        return Fault("not_an_instruction", found.group())
    things = (words & COLOURS.keys()) | (reading.content & read_seed(_COMMON_THINGS).content)
    if things:
        return Fault("names_a_thing", min(things))
    if found := _ART.search(text):
        return Fault("names_an_art", found.group())
    if kind == "answer" and (found := _DOES_MORE.search(text)):
        return Fault("does_more", found.group())
    return None


def same_text(text: str, others: Sequence[str]) -> str | None:
    """One of `others` that says nearly the same, None when there is none."""
    from rapidfuzz import fuzz, process  # here: importing it takes longer than all of this package

    found = process.extractOne(
        text, others, scorer=fuzz.ratio, processor=str.lower, score_cutoff=SAME_TEXT_PERCENT
    )
    return found[0] if found else None


def _in_single_quotes(quoted: re.Match[str]) -> str:
    return f"'{quoted.group()[1:-1]}'"
