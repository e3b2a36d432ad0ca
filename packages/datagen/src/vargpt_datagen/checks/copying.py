"""Rules against text lifted from the request: its seeds, its shots, the other half of the pair."""

from collections.abc import Set

from vargpt_datagen.checks.candidate import Candidate
from vargpt_datagen.checks.reading import Reading, read

_SAME_TEXT_PERCENT = 88  # similarity from which a text counts as the seed itself
_MIN_QUOTED_WORDS = 6  # a shorter seed may stand inside good text by chance
_MIN_SHOT_FRAC = 0.5  # share of a shot's content that makes a text be about the shot


def prompt_equals_answer(candidate: Candidate) -> str | None:
    """The writer said the same thing twice, so the row would teach an echo."""
    answer = read(candidate.answer).phrase
    return answer.strip() if read(candidate.prompt).phrase == answer else None


def seed_copy(candidate: Candidate) -> str | None:
    """A seed is an instruction to the writer; as text it teaches the model to recite it."""
    if not candidate.seeds:
        return None
    from rapidfuzz.fuzz import ratio  # here, because its package takes as long as all of this one

    texts = read(candidate.prompt).phrase, read(candidate.answer).phrase
    for seed_text in candidate.seeds:
        seed = read(seed_text).phrase
        for text in texts:
            if ratio(seed, text, score_cutoff=_SAME_TEXT_PERCENT) or (
                seed in text and seed.count(" ") > _MIN_QUOTED_WORDS
            ):
                return seed.strip()
    return None


def shot_copy(candidate: Candidate) -> str | None:
    """The pair tells of an example's picture instead of its own."""
    own = read(candidate.caption).content
    for text in candidate.texts:
        told = read(text).content
        own_frac = len(own & told) / len(own) if own else 0.0
        if own_frac == 1.0:
            continue
        for shot in candidate.shots:
            if _tells_of(read(shot.caption), told, own, own_frac):
                return shot.caption
    return None


def _tells_of(shot: Reading, told: Set[str], own: Set[str], own_frac: float) -> bool:
    # What both captions say proves nothing: two images of one kind have nearly equal captions.
    found = shot.content & told
    num_foreign = len(found - own)
    if not num_foreign or (num_foreign == 1 and own_frac >= _MIN_SHOT_FRAC):
        return False
    return len(found) / len(shot.content) > max(own_frac, _MIN_SHOT_FRAC - 1e-9)
