"""Rules on the bare text, whatever it says: tokens, names, marks, language, length."""

import re

from vargpt_datagen.checks.candidate import Candidate
from vargpt_datagen.checks.reading import read
from vargpt_datagen.checks.vocabulary import ENGLISH_WORDS, FOREIGN_WORDS, VENDOR_NAMES

MIN_WORDS = 4
MAX_PROMPT_WORDS = 40
MAX_ANSWER_WORDS = 50
_MIN_ASCII_FRAC = 0.98
_MIN_WORDS_FOR_ENGLISH = 6  # a shorter request may do without any function word

_SPECIAL_TOKEN = re.compile(
    r"<\s*/?\s*(?:image\w*|s|pad|unk|bos|eos|cls|sep|mask|think|tool_call)\s*/?\s*>"
    r"|<\s*[|\uff5c]|[|\uff5c]\s*>|\[/?INST\]|<</?SYS>>|image_gen"
    r"|(?-i:\b(?:USER|ASSISTANT|SYSTEM)\s*:)|^\s*(?:user|assistant|system|human)\s*:",
    re.IGNORECASE,
)
_SPECIAL_HINT = re.compile(r"[<>:|\uff5c\[_]")

_STABLE_DIFFUSION = " stable diffusion "

_MARKUP_HINT = re.compile(r"[^A-Za-z0-9 .,?!'-]")
_MARKUP = re.compile(
    r"[\x00-\x1f\x7f\u0085\u2028\u2029\u200b-\u200f\u2060\ufeff\ufffd]"  # newlines, controls
    r"|\*|`|~~|__|\w_\w|\\|\{|\}|\[|\]|\||^[-+>\u2022\u2023\u25cf\u25e6]\s|^\d+[.)]\s"
    r"|#{2,}|#\s|#[a-z]"
    r"|</?[a-z!][^<>]*>|&(?:[a-z]{2,6}|#\d+);|https?://|\bwww\."
    r"|^\s*\W?(?:prompt|answer|caption|request|reply|response|output)\W?\s*:"
    r"|[:;]-?[()]|[\u2190-\u21ff\u2300-\u2bff\u3030\ufe0f\U0001f000-\U0001faff\U000e0000-\U000e007f]",
    re.IGNORECASE,
)


def special_token(candidate: Candidate) -> str | None:
    """A token of the training format in text breaks the placeholder count or the turn order."""
    for text in candidate.texts:
        if _SPECIAL_HINT.search(text) and (found := _SPECIAL_TOKEN.search(text)):
            return found.group()
    return None


def vendor_name(candidate: Candidate) -> str | None:
    """The model would take another product's name for its own; a name in the caption is content."""
    for text in candidate.texts:
        reading = read(text)
        if not reading.watched.isdisjoint(VENDOR_NAMES):
            names = reading.watched & VENDOR_NAMES - read(candidate.caption).watched
            if names:
                return min(names)
        if _STABLE_DIFFUSION in reading.phrase:
            return _STABLE_DIFFUSION.strip()
    return None


def markup(candidate: Candidate) -> str | None:
    """Rows are plain sentences; what the caption itself contains may be repeated."""
    for text in candidate.texts:
        if text[:1].isalpha() and "www." not in text and not _MARKUP_HINT.search(text):
            continue
        if quotes := _stray_quotes(text):
            return quotes
        for found in _MARKUP.finditer(text):
            mark = found.group()
            if not mark.isprintable() or mark not in candidate.caption:
                return mark.strip() or repr(mark)
    return None


def language(candidate: Candidate) -> str | None:
    """The set is English; teachers drift into Chinese, or follow a foreign word of the caption."""
    for text in candidate.texts:
        if not text.isascii() and (drift := _foreign_letters(text, candidate.caption)):
            return drift
        reading = read(text)
        foreign = reading.watched & FOREIGN_WORDS
        if not foreign and (" a " in reading.phrase or " the " in reading.phrase):
            continue
        caption = set(read(candidate.caption).words)
        words = set(reading.words)
        foreign -= caption
        num_english = len(words & ENGLISH_WORDS)
        is_unknown = not num_english and len(words - caption) >= _MIN_WORDS_FOR_ENGLISH
        if is_unknown or (len(foreign) >= 2 and len(foreign) > num_english):
            return " ".join(sorted(foreign or words)[:5])
    return None


def prompt_length(candidate: Candidate) -> str | None:
    """Shorter than a request, or longer than one about a caption of at most 20 words."""
    return _length_fault(candidate.prompt, MAX_PROMPT_WORDS)


def answer_length(candidate: Candidate) -> str | None:
    """Shorter than a sentence, or long enough to be a description in its own right."""
    return _length_fault(candidate.answer, MAX_ANSWER_WORDS)


def _length_fault(text: str, max_words: int) -> str | None:
    num_words = text.count(" ") + 1  # normalised text has single spaces
    return None if MIN_WORDS <= num_words <= max_words else f"{num_words} words"


def _stray_quotes(text: str) -> str | None:
    """Quotes around the whole text, or one left over; quoted words inside are fine."""
    bare = text.rstrip(".!?, ")
    if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'" and bare.count(bare[0]) == 2:
        return f"{bare[0]}...{bare[0]}"
    return '"' if text.count('"') % 2 else None


def _foreign_letters(text: str, caption: str) -> str | None:
    foreign = [letter for letter in text if not letter.isascii() and letter not in caption]
    return "".join(foreign[:10]) if len(foreign) > (1 - _MIN_ASCII_FRAC) * len(text) else None
