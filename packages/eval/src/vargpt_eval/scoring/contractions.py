"""Spellings that the VQA answer normaliser replaces (VQA v2 evaluation, 2017).

Entries with a capital or with a value equal to the key never fire and are left out: words are
lower-cased before they are looked up.
"""

# Written with the apostrophe in its place; looked up without it.
_ONE_APOSTROPHE = """
ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd
how'll how's isn't it'd it'll ma'am mightn't might've mustn't must've needn't not've o'clock
oughtn't shan't should've shouldn't somebody'll somebody's someone'd someone'll someone's
something'd something'll that's there'd there're there's they'd they'll they're they've 'twas
wasn't we've weren't what'll what're what's what've when's where'd where's where've who'd who'll
who's who've why'll why're why's won't would've wouldn't y'all you'd you'll you're you've
"""

# Two apostrophes: looked up with the one or with the other missing.
_TWO_APOSTROPHES = """
couldn't've hadn't've he'd've it'd've mightn't've she'd've shouldn't've somebody'd've someone'd've
something'd've there'd've they'd've we'd've who'd've wouldn't've you'd've
"""

_IRREGULAR = {
    "ow's'at": "'ow's'at",
    "'ows'at": "'ow's'at",
    "'ow'sat": "'ow's'at",
    "somebody'd": "somebodyd",
    "yall'll": "y'all'll",
    "y'allll": "y'all'll",
    "yall'd've": "y'all'd've",
    "y'alld've": "y'all'd've",
    "y'all'dve": "y'all'd've",
}


def _without(word: str, apostrophe: int) -> str:
    """The word without its n-th apostrophe."""
    parts = word.split("'")
    joined = parts[apostrophe] + parts[apostrophe + 1]
    return "'".join([*parts[:apostrophe], joined, *parts[apostrophe + 2 :]])


CONTRACTIONS: dict[str, str] = {
    **{word.replace("'", ""): word for word in _ONE_APOSTROPHE.split()},
    **{_without(word, place): word for word in _TWO_APOSTROPHES.split() for place in (0, 1)},
    **_IRREGULAR,
}
