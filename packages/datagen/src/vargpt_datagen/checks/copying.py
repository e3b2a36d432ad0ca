"""Rules against text lifted from the request: its seeds, its shots, the other half of the pair."""

from vargpt_datagen.checks.candidate import Candidate
from vargpt_datagen.checks.reading import read, read_seed
from vargpt_datagen.checks.vocabulary import ANNOUNCING_WORDS

_SAME_TEXT_PERCENT = 88  # similarity from which a text counts as the seed itself
_MIN_QUOTED_WORDS = 6  # a shorter seed may stand inside good text by chance
_MIN_SHOT_FRAC = 0.5  # share of a shot's content that makes a text be about the shot


def prompt_equals_answer(candidate: Candidate) -> str | None:
    """The writer said the same thing twice, so the row would teach an echo."""
    answer = read(candidate.answer).phrase
    return answer.strip() if read(candidate.prompt).phrase == answer else None


def seed_copy(candidate: Candidate) -> str | None:
    """A seed is an instruction to the writer; as text it teaches the model to recite it."""
    for seed_text in candidate.seeds:
        seed = read_seed(seed_text)
        for text in candidate.texts:
            told = read(text)
            if seed.content.isdisjoint(told.content) and seed.content:
                continue
            if _is_copy(seed.phrase, told.phrase):
                return seed.phrase.strip()
    return None


def shot_copy(candidate: Candidate) -> str | None:
    """The pair tells of an example's picture instead of its own."""
    own = read(candidate.caption).content
    for text in candidate.texts:
        told = read(text).content
        own_frac = len(own & told) / len(own) if own else 0.0
        # What both captions say proves nothing: two images of a kind have nearly equal captions.
        num_evidence = 1 if own_frac < _MIN_SHOT_FRAC else 2
        foreign = told - own
        if own_frac == 1.0 or len(foreign) < num_evidence:
            continue
        foreign -= ANNOUNCING_WORDS
        if len(foreign) < num_evidence:
            continue
        for shot in candidate.shots:
            content = read(shot.caption).content
            if len(foreign & content) >= num_evidence:
                shot_frac = len(told & content) / len(content)
                if shot_frac >= _MIN_SHOT_FRAC and shot_frac > own_frac:
                    return shot.caption
    return None


def _is_copy(seed: str, text: str) -> bool:
    from rapidfuzz.fuzz import ratio  # here: importing it takes longer than all of this package

    if ratio(seed, text, score_cutoff=_SAME_TEXT_PERCENT):
        return True
    return seed in text and seed.count(" ") > _MIN_QUOTED_WORDS
