"""The letter that a free-form response most likely means (static rule of lmms-eval 0.7.3)."""

_STRIPPED_IN_TURN = ",.!?;:'\""
_FORMS = (("({})", 6), ("{}.", 5), ("{}:", 4), ("{})", 3), ("{} ", 2))
_STARTS, _ENDS, _PHRASE = 10, 9, 7
_PHRASES = (
    *("the answer is", "answer is", "the correct answer is", "correct answer is"),
    *("the best answer is", "best answer is", "the correct option is", "correct option is"),
    *("the best option is", "best option is", "the choice is", "choice is"),
    *("the correct choice is", "correct choice is", "i choose", "i select", "i pick"),
    *("my answer is", "my choice is"),
    *("\uc635\uc158", "\uc815\ub2f5\uc740", "\ub2f5\uc740", "\ub2f5:"),
    *("\u7b54\u6848\u662f", "\u7b54\u6848\u4e3a", "\u9009", "\u7b54\u3048\u306f"),
)


def likeliest_letter(response: str, letters: list[str]) -> str:
    """The letter in the most telling form, of equals the last; empty for none.

    Forms, most telling first: at the start, at the end, behind a phrase such as "the answer is",
    `(B)`, `B.`, `B:`, `B)`, `B `, and a letter anywhere.
    """
    text = response.strip()
    if not text:
        return ""
    for mark in _STRIPPED_IN_TURN:
        text = text.strip(mark)
    text = f" {text} "
    found = [
        *_in_forms(text, letters),
        *_behind_phrases(text, letters),
        *_at_ends(text, letters),
    ]
    if not found:
        found = [(0, text.rfind(letter), letter) for letter in letters if letter in text]
    if not found:
        return ""
    return max(found, key=lambda candidate: candidate[:2])[2]


def _in_forms(text: str, letters: list[str]) -> list[tuple[int, int, str]]:
    """(rank, place, letter) of each form's last place."""
    return [
        (rank, text.rfind(form.format(letter)), letter)
        for form, rank in _FORMS
        for letter in letters
        if form.format(letter) in text
    ]


def _behind_phrases(text: str, letters: list[str]) -> list[tuple[int, int, str]]:
    """The first place of each letter behind each phrase's first place."""
    lowered = text.lower()
    found = []
    for phrase in _PHRASES:
        start = lowered.find(phrase)
        if start < 0:
            continue
        for letter in letters:
            place = text.find(letter, start + len(phrase))
            if place >= 0:
                found.append((_PHRASE, place, letter))
    return found


def _at_ends(text: str, letters: list[str]) -> list[tuple[int, int, str]]:
    """A letter that opens or closes the text and is no part of a word."""
    bare = text.strip()
    found = []
    for letter in letters:
        if bare.startswith(letter) and not bare[1:2].isalpha():
            found.append((_STARTS, 0, letter))
        if bare.endswith(letter) and not bare[-2:-1].isalpha():
            found.append((_ENDS, len(text) - 1, letter))
    return found
