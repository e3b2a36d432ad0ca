"""What a request to the writer is varied by: three pools of seeds and the shot pairs."""

from vargpt_datagen.pools.seeds import SHIPPED_GENERATOR, Seed, read_seeds, shipped_seeds
from vargpt_datagen.pools.shots import FilledShot, ShotPair, shipped_shot_pairs
from vargpt_datagen.pools.subject import noun_phrase_of, subject_of

__all__ = [
    "SHIPPED_GENERATOR",
    "FilledShot",
    "Seed",
    "ShotPair",
    "noun_phrase_of",
    "read_seeds",
    "shipped_seeds",
    "shipped_shot_pairs",
    "subject_of",
]
