"""Two readings of a caption, by its words alone: its subject, and the whole as a noun phrase."""

import re
from functools import lru_cache


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DETERMINERS = _words(
    "a an the some two three four five six seven eight nine ten several many few both all no "
    "this that these those his her its their my your our another each every"
)
_COPULAS = frozenset({"is", "are", "was", "were"})
_VERBS = _words(
    "has have had sits stands lies lays rests hangs flies swims walks runs looks holds wears eats "
    "rides plays sleeps jumps shows drinks grows perches floats crosses overlooks appears seems "
    "leans climbs covers surrounds touches faces"
)
_PLACES = _words(
    "in on at with without near by next beside behind above below under over between among "
    "amongst around across along against from to into onto inside outside off out for through "
    "during before after toward towards amid within beneath underneath atop about past down "
    "underwater outdoors indoors overhead together upside"
)
_RELATIVES = _words("that which who whose while where when as because so but")
_STATES = frozenset({"asleep", "awake", "alone", "visible"})
_PARTICIPLES = _words(  # those that "-ed" and "-ing" do not give away
    "made seen taken drawn hung laid built shown worn held caught stuck lit kept grown bent"
)
_ING_BEFORE_OBJECT = _words(
    "eating wearing holding carrying pulling pushing chasing feeding having being"
)
_ING_NOUNS = _words(
    "ring wing king string spring building ceiling painting drawing clothing lightning evening "
    "morning railing awning pudding wedding duckling gosling sibling earring herring sling thing "
    "starling seedling parking swing lighting opening crossing landing clearing dumpling sapling "
    "siding bedding icing frosting filling"
)
_ED_NOUNS = _words(
    "red bed flatbed waterbed seabed shed sled bobsled dogsled seed weed seaweed reed steed feed "
    "moped biped creed hundred infrared"
)
_MAY_END = _PLACES | _RELATIVES | _COPULAS | _STATES | _ING_BEFORE_OBJECT
_SIGNALS = _MAY_END | _VERBS | _PARTICIPLES | {"and", "left", "right"}
_OPENS_COMPLEMENT = _PLACES | _DETERMINERS | {"of", "up", "like"}
_NOUN_TO_COME = _DETERMINERS | {"of", "and", "or", "but", "with", "very"}

_OPENINGS = frozenset({"there", "this", "it", "here"})  # before "is" or "are"
_MEDIA = frozenset({"picture", "image", "photo", "photograph"})
_REWORDED = _COPULAS | _VERBS | _MEDIA | {"close", "close-up", "closeup"}

_MEDIUM = re.compile(r"an? (?:simple )?(?:picture|image|photo|photograph) (?:of|with) (?=\S)", re.I)
_CLOSE_UP = re.compile(r"an? (?:close up|close-up|closeup)(?: \w+)? of (?=\S)", re.I)


@lru_cache(maxsize=8192)
def subject_of(caption: str) -> str:
    """The leading noun phrase: "a dog is asleep on a sofa" gives "a dog".

    Media and group nouns keep what follows "of" ("a close up of an ostrich"); a place in front of
    the subject is left out. The caption itself, its spaces made single, when nothing can be cut.
    """
    words = caption.split()
    if words[:1] == ["what"]:  # "what looks like a boat" is a noun phrase as it stands
        return " ".join(words)
    lower = words if caption.islower() else [word.lower() for word in words]
    start = _subject_start(lower)
    return " ".join(words[start : _subject_end(lower, start)]).rstrip(",;:")


@lru_cache(maxsize=8192)  # shots come back to the same few thousand captions
def noun_phrase_of(caption: str) -> str:
    """The whole caption as a phrase that can follow "a photo of", every detail kept.

    "a dog is asleep on a sofa" gives "a dog asleep on a sofa", "a close up of a dog" gives "a dog
    up close"; a plain noun phrase comes back as it is, its spaces made single.
    """
    words = caption.split()
    if words[:1] == ["what"]:
        return " ".join(words)
    if _REWORDED.isdisjoint(words) and words and words[0].lower() not in _PLACES:
        return " ".join(words)  # most captions: nothing below would change them
    text = _MEDIUM.sub("", " ".join(_subject_first(words)), count=1)
    if _CLOSE_UP.match(text):
        text = f"{_CLOSE_UP.sub('', text, count=1)} up close"
    return _clause_to_phrase(text)


def _subject_first(words: list[str]) -> list[str]:
    """Words without "there is", and with a place in front moved behind the subject."""
    lower = [word.lower() for word in words]
    start = _subject_start(lower)
    front, rest = words[:start], words[start:]
    if not front or lower[0] in _OPENINGS or lower[start - 1] in _MEDIA:  # "in the picture a dog"
        return rest
    if lower[start - 1] in _COPULAS:
        return [*rest, *front[:-2]]
    if front[-1].endswith(","):
        return [*rest, *front[:-1], front[-1].rstrip(",")]
    end = _subject_end(lower, start) - start
    return [*rest[:end], *front, *rest[end:]]


def _subject_start(lower: list[str]) -> int:
    if len(lower) > 2 and lower[0] in _OPENINGS and lower[1] in _COPULAS:
        return 2
    if not lower or lower[0] not in _PLACES:
        return 0
    for index in range(2, len(lower)):
        before = lower[index - 1]
        if before.endswith(",") or (before in _COPULAS and lower[index - 2] == "there"):
            return index
        if lower[index] in ("a", "an") and before != "of" and before not in _PLACES:
            return index
    return 0


def _subject_end(lower: list[str], start: int) -> int:
    for index in range(start + 1, len(lower)):
        word = lower[index]
        if (
            (word in _SIGNALS or word.endswith(("ing", "ed")))
            and lower[index - 1] not in _NOUN_TO_COME
            and _ends_subject(lower, index)
        ):
            return index
    return len(lower)


def _clause_to_phrase(text: str) -> str:
    words = text.split(" ")
    for index in range(1, len(words)):
        if words[index] in _RELATIVES:
            break
        if (words[index] in _COPULAS or words[index] in _VERBS) and (
            words[index - 1] not in _NOUN_TO_COME
        ):
            return " ".join([*words[:index], *_as_modifier(words[index:])])
    return text


def _as_modifier(predicate: list[str]) -> list[str]:
    """Predicate as it follows its noun: "is on a sofa" to "on a sofa", "has" to "that has"."""
    verb, *rest = predicate
    if verb in _COPULAS and rest and _can_follow_noun(rest[0]):
        return rest
    return ["that", *predicate]


def _can_follow_noun(word: str) -> bool:
    return (
        word in _PLACES
        or word in _STATES
        or word in _PARTICIPLES
        or (word.endswith("ing") and word not in _ING_NOUNS)
        or (word.endswith("ed") and word not in _ED_NOUNS)
    )


def _ends_subject(lower: list[str], index: int) -> bool:
    word = lower[index]
    if word in _MAY_END:
        # "a grey background with a dog" names its subject last.
        return word != "with" or lower[index - 1] != "background"
    following = lower[index + 1] if index + 1 < len(lower) else ""
    if word in _VERBS or word in _PARTICIPLES:
        return following in _OPENS_COMPLEMENT
    if word.endswith("ing"):
        return word not in _ING_NOUNS and (not following or following in _OPENS_COMPLEMENT)
    if word.endswith("ed"):
        return word not in _ED_NOUNS and following in _PLACES
    if word == "and":  # "at the left a dog and at the right a cat"
        return following in _PLACES
    return word in ("left", "right") and following == "of"
