"""Light paraphrases of a noun phrase that keep it grammatical, whatever the captioner wrote."""

import re

from vargpt_datagen.offline.chance import Chance
from vargpt_datagen.pools.subject import noun_phrase_of, subject_of

# Words on the left may be written as any of those on the right; all keep article and number.
_EXCHANGES = {
    "large": ("large", "big"),
    "small": ("small", "little"),
    "huge": ("huge", "gigantic"),
    "couch": ("couch", "sofa"),
    "bicycle": ("bicycle", "bike"),
    "television": ("television", "TV"),
    "kids": ("kids", "children"),
    "photograph of": ("photograph of", "photo of"),
    "next to": ("next to", "beside", "right beside"),
    "on top of": ("on top of", "atop"),
    "near": ("near", "close to"),
    "perched on": ("perched on", "sitting on"),
    "sitting on": ("sitting on", "resting on"),
    "sitting in": ("sitting in", "resting in"),
    "lying on": ("lying on", "resting on"),
    "laying on": ("lying on", "resting on"),
    "laying in": ("lying in", "resting in"),
    "standing around": ("standing around", "gathered around"),
    "standing in": ("standing in", "standing out in"),
    "flying in": ("flying in", "flying through"),
    "parked on": ("parked on", "left parked on"),
    "filled with": ("filled with", "full of"),
    "covered in": ("covered in", "covered with"),
    "in the distance": ("in the distance", "off in the distance", "far off in the distance"),
    "in the grass": ("in the grass", "out in the grass"),
    "in the snow": ("in the snow", "out in the snow"),
    "in the sky": ("in the sky", "up in the sky"),
    "in the water": ("in the water", "out in the water"),
    "in the field": ("in the field", "out in the field"),
    "on the side of the road": ("on the side of the road", "by the side of the road"),
    "in front of": ("in front of", "before"),
    "a group of people": ("a group of people", "several people"),
    "a bunch of": ("a bunch of", "a lot of"),
    "a lot of": ("a lot of", "lots of", "plenty of"),
    "placed at": ("placed at", "set at"),
    "left of": ("left of", "to the left of"),
    "right of": ("right of", "to the right of"),
    **{
        f"at the {row} {column}": (
            f"at the {row} {column}",
            f"in the {row} {column}",
            f"in the {row} {column} corner",
            f"at the {other} {column}",
            f"in the {other} {column}",
        )
        for row, other in (("top", "upper"), ("bottom", "lower"))
        for column in ("left", "right")
    },
    "at the centre": ("at the centre", "in the centre", "in the middle"),
    "at the top centre": ("at the top centre", "in the top centre", "at the top in the middle"),
    "at the bottom centre": (
        "at the bottom centre",
        "in the bottom centre",
        "at the bottom in the middle",
    ),
    "at the middle left": ("at the middle left", "in the middle on the left"),
    "at the middle right": ("at the middle right", "in the middle on the right"),
    "in the background": ("in the background",),
    "background": ("background", "backdrop"),
}
# A leading space, of one's own at the start: the search then skips from word to word.
_LONGEST_FIRST = "|".join(sorted(_EXCHANGES, key=len, reverse=True))
_EXCHANGED = re.compile(rf" ({_LONGEST_FIRST})(?![\w'-])")

_GROUNDED = re.compile(r"(.+?),? (on|of|against) (an? (?:\w+ )?background)")
_OWN_MEDIUM = re.compile(
    r"an? (?:[\w-]+ ){0,4}?(?:photo|photograph|picture|image|painting|drawing|illustration|poster"
    r"|portrait|sketch|cartoon|view|shot) (?:of|with|showing) ",
    re.IGNORECASE,
)
_DROPPED = re.compile(
    r"\ban? (?:large|big|small|little|medium|tiny|huge|old|young|beautiful|colou?rful|cute|nice) "
    r"(?!and |or |to )(?=([a-z]))"
)
_VOWELS = frozenset("aeiou")

# A caption cut at the captioner's token limit may end in any of these.
_DANGLING = frozenset(
    {"a", "an", "the", "of", "with", "in", "on", "at", "to", "by", "for", "from", "and", "or"}
    | {"his", "her", "its", "their", "that", "is", "are"}
)
_NO_SUBJECT = frozenset({"nothing", "what", "two shapes", "something", "it", "this"})


def phrase_of(caption: str) -> str:
    """The caption as a noun phrase, without a dangling end and without a final period."""
    words = caption.strip().rstrip(". ").split(" ")
    while len(words) > 2 and words[-1].lower() in _DANGLING:
        words.pop()
    words[0] = words[0] if words[0] not in ("A", "An", "The", "Two") else words[0].lower()
    return noun_phrase_of(" ".join(words))


def names_its_medium(phrase: str) -> bool:
    """Whether "a photo of" in front would be one medium too many."""
    return _OWN_MEDIUM.match(phrase) is not None


def reworded(phrase: str, chance: Chance) -> str:
    """The same scene in other words or another order."""
    if phrase.endswith(" background") and chance.one_in(4):
        phrase = _background_first(phrase)
    return _EXCHANGED.sub(
        lambda found: f" {chance.choose(_EXCHANGES[found[1]])}", f" {phrase}"
    ).lstrip()


def shortened(phrase: str, chance: Chance) -> str:
    """The scene with less detail, as answers often tell it: an adjective or all but the subject."""
    if chance.one_in(6):
        subject = subject_of(phrase)
        if subject not in _NO_SUBJECT:
            return subject
    if chance.one_in(3):
        return _DROPPED.sub(_article_before, phrase, count=1)
    return phrase


def _background_first(phrase: str) -> str:
    found = _GROUNDED.fullmatch(phrase)
    if not found or "background" in found[1] or " is " in found[1]:
        return phrase
    return f"{found[3]} with {found[1]}"


def _article_before(found: re.Match[str]) -> str:
    return "an " if found[1] in _VOWELS else "a "
