"""Rules on what an answer does: it hands over an image, and does nothing else."""

import re

from vargpt_datagen.checks.candidate import Candidate
from vargpt_datagen.checks.reading import read
from vargpt_datagen.checks.vocabulary import (
    DESCRIBING_WORDS,
    OFFERING_WORDS,
    REFUSING_WORDS,
    TEXT_WORDS,
)

# All patterns are matched against the words of the answer, one space between them.
_IMAGE = "(?:image|picture|photo|photograph|pic|snapshot|illustration|drawing)"
_DESCRIBES = re.compile(
    rf" (?:(?:the|this|that|your) {_IMAGE} (?:clearly )?(?:shows|depicts|features|displays|contains"
    r"|captures|presents|portrays|illustrates|reveals|includes|(?:appears|seems) to)"
    rf"|(?<=^ )(?:as (?:seen|shown) )?in (?:this|the|your) {_IMAGE}"
    rf"|{_IMAGE} (?:that )?(?:you(?:'ve| have)? (?:provided|uploaded|shared|sent|attached)"
    r"|provided|uploaded|attached)"
    rf"|(?:provided|uploaded|attached) {_IMAGE}|(?<=^ )i (?:can )?see an?) "
)

_REFUSALS = (
    " i cannot ",
    " i can't ",
    " i can not ",
    " i could not ",
    " i couldn't ",
    " i won't ",
    " i will not ",
    " i'm unable ",
    " i am unable ",
    " unable to ",
    " not able to ",
    " as an ai ",
    " language model ",
    " i'm sorry ",
    " i am sorry ",
    " sorry but ",
    " sorry i ",
    " i apologize ",
    " i apologise ",
    " my apologies ",
    " text based ",
    " unfortunately ",
    " have the ability ",
    " have the capability ",
)
_FOLLOW_UPS = (
    " let me know ",
    " would you like ",
    " feel free ",
    " if you have any ",
    " if you'd like ",
    " if you would like ",
    " if you need ",
    " if you want ",
    " anything else ",
    " do you want ",
    " shall i ",
    " should i ",
    " happy to help ",
    " happy to adjust ",
    " happy to change ",
    " just ask ",
    " just say ",
    " tell me ",
)

_TEXT = (
    "(description|caption|text|story|poem|paragraph|summary|prompt|explanation|essay|article|list"
    "|sentence|outline|code)"
)
_PROMISES_TEXT = re.compile(
    r" (?:here(?:'s| is| are)|below(?: is| are)?|this is|i've|i have|following is|i'll|i will)"
    r" (?:written |prepared |composed |drafted |write |give you )?(?:(?:an?|the|your|my|some) )?"
    rf"(?:\w+ ){{0,2}}{_TEXT} "
    r"| (?:i'll|i will|let me|allow me to|i can) (describe|explain) "
    r"| following (description|text|caption) | (described) (?:below|as follows|in words) "
)


def refusal(candidate: Candidate) -> str | None:
    """A refusal above an image teaches the model to refuse what it can do."""
    if read(candidate.answer).watched.isdisjoint(REFUSING_WORDS):
        return None
    return _said(_REFUSALS, candidate)


def answer_describes_input(candidate: Candidate) -> str | None:
    """The answer hands over a new image; there is none that it could describe."""
    answer = read(candidate.answer)
    if answer.watched.isdisjoint(DESCRIBING_WORDS) and not answer.phrase.startswith(" in "):
        return None
    found = _DESCRIBES.search(answer.phrase)
    return found.group().strip() if found else None


def answer_promises_text(candidate: Candidate) -> str | None:
    """An answer that announces a description is followed by an image instead."""
    answer = read(candidate.answer)
    if answer.watched.isdisjoint(TEXT_WORDS):
        return None
    found = _PROMISES_TEXT.search(answer.phrase)
    if not found or not read(candidate.caption).watched.isdisjoint(found.groups()):
        return None
    return found.group().strip()


def answer_follow_up(candidate: Candidate) -> str | None:
    """The answer ends with the image: a question or an offer would stand in between."""
    if "?" in candidate.answer and "?" not in candidate.caption:
        return "?"
    if read(candidate.answer).watched.isdisjoint(OFFERING_WORDS):
        return None
    return _said(_FOLLOW_UPS, candidate)


def _said(phrases: tuple[str, ...], candidate: Candidate) -> str | None:
    answer = read(candidate.answer).phrase
    for phrase in phrases:
        if phrase in answer and phrase not in read(candidate.caption).phrase:
            return phrase.strip()
    return None
