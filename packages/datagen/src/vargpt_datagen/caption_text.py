"""Cleaning of machine captions, and what makes one unfit to build a row on: whole columns at once.

Rules after what BLIP-2 is known to do: cut phrases, loops ("a hat on top of a hat on top of a
hat"), trailing newlines.
"""

import numpy as np
import pyarrow as pa

from vargpt_schema.compute import pc

MIN_WORDS, MAX_WORDS = 2, 24
MAX_CHARS = 200  # words of BLIP-2 and of the sample world have 5 on average

# What str.isspace() calls a space; Arrow's own notion lacks some of them.
_SPACES = "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_RUN_OF_SPACES = f"[{_SPACES}]+"
_UNTIDY = f"[{_SPACES}][{_SPACES}]|[{_SPACES.replace(' ', '')}]"
_CUT_OFF = ("a", "an", "the", "of", "with", "in", "on", "and", "at", "to", "from", "by")
_STOP_WORD = "|".join((*_CUT_OFF, "is", "are", "it", "this", "that", "there", "for", "or", "as"))
# Without any such mark a caption has no special token, no markup and no other script: most are
# done with after this one search.
_SUSPICIOUS = r"[^ A-Za-z0-9,.'!?()/-]"
_PATTERNS_OF_SUSPICIOUS = {
    # A speaker's name counts where no letter, digit or underscore of any script stands before it.
    "special_token": r"<\|?/?[A-Za-z_][^<>]{0,40}>|(?:^|[^\pL\pN_])(?:USER|ASSISTANT):",
    "not_plain_ascii": r"[^ -~]",
    "markup": r"[<>{}\[\]|\\`*_#~^]|https?://|&[a-z]+;|\"\s*:",
}
_PATTERNS = {
    "cut_off": rf"(?i)(?:^| )(?:{'|'.join(_CUT_OFF)})$",
    "no_content": rf"(?i)^(?:{_STOP_WORD})(?: (?:{_STOP_WORD}))*$",
}
_FAULTS = (  # the first that holds is named
    "empty",
    "special_token",
    "not_plain_ascii",
    "markup",
    "too_long",
    "too_short",
    "cut_off",
    "no_content",
    "loops",
)
_MIN_WORDS_OF_LOOPS = 9
_TIMES_OF_LOOPS = 3
_ROWS_AT_ONCE = 20_000  # with so few a word's number fits 21 bits, and three words fit an int64


def clean_captions(raw: pa.ChunkedArray) -> pa.ChunkedArray:
    """Each as one line without surrounding space and without final periods; null becomes empty."""
    text = pc.utf8_trim(pc.fill_null(raw, ""), _SPACES)
    untidy = pc.match_substring_regex(text, _UNTIDY)
    if pc.any(untidy).as_py():
        tidied = pc.replace_substring_regex(text.filter(untidy), _RUN_OF_SPACES, " ")
        text = pc.replace_with_mask(text, untidy.combine_chunks(), tidied.combine_chunks())
    return pc.utf8_rtrim(text, ". ")


def caption_faults(captions: pa.ChunkedArray) -> pa.ChunkedArray:
    """Why each cleaned caption is unfit, as a short reason; null where it is fit."""
    blocks = [
        _faults(captions.slice(start, _ROWS_AT_ONCE).combine_chunks())
        for start in range(0, len(captions), _ROWS_AT_ONCE)
    ]
    return pa.chunked_array(blocks, pa.string())


def _faults(captions: pa.StringArray) -> pa.StringArray:
    num_chars = _numpy(pc.utf8_length(captions))
    num_words = _numpy(pc.count_substring(captions, " ")) + 1
    holds = {
        "empty": num_chars == 0,
        "too_long": (num_chars > MAX_CHARS) | (num_words > MAX_WORDS),
        "too_short": num_words < MIN_WORDS,
        **{name: _matches(captions, pattern) for name, pattern in _PATTERNS.items()},
    }
    suspicious = np.flatnonzero(_matches(captions, _SUSPICIOUS))
    for name, pattern in _PATTERNS_OF_SUSPICIOUS.items():
        holds[name] = np.zeros(len(captions), bool)
        holds[name][suspicious] = _matches(captions.take(pa.array(suspicious)), pattern)
    is_fit = ~np.logical_or.reduce(list(holds.values()))
    may_loop = np.flatnonzero(is_fit & (num_words >= _MIN_WORDS_OF_LOOPS))
    holds["loops"] = np.zeros(len(captions), bool)
    holds["loops"][may_loop] = _loops(captions.take(pa.array(may_loop)))

    first = np.argmax([*(holds[name] for name in _FAULTS), np.ones(len(captions), bool)], axis=0)
    return pa.array([*_FAULTS, None], pa.string()).take(pa.array(first))


def _loops(captions: pa.StringArray) -> np.ndarray:
    """Mask of those in which three words in a row come three times."""
    words = pc.split_pattern(pc.ascii_lower(captions), " ")
    num_words = _numpy(pc.list_value_length(words))
    most_words = num_words.max(initial=_MIN_WORDS_OF_LOOPS)
    is_word = np.arange(most_words) < num_words[:, None]
    numbers = np.zeros(is_word.shape, np.int64)
    numbers[is_word] = _numpy(words.flatten().dictionary_encode().indices)
    trigrams = numbers[:, :-2] | numbers[:, 1:-1] << 21 | numbers[:, 2:] << 42
    # Where a caption has ended: numbers that are no trigram's, and no two of them alike.
    np.copyto(trigrams, -1 - np.arange(most_words - 2), where=~is_word[:, 2:])
    trigrams.sort(axis=1)
    apart = _TIMES_OF_LOOPS - 1
    return (trigrams[:, apart:] == trigrams[:, :-apart]).any(axis=1)


def _matches(captions: pa.StringArray, pattern: str) -> np.ndarray:
    return _numpy(pc.match_substring_regex(captions, pattern))


def _numpy(column: pa.Array) -> np.ndarray:
    return column.to_numpy(zero_copy_only=False)
