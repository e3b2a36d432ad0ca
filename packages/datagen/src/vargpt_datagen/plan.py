"""The plan: which caption, seeds and shots belong to which row.

A pure function of the build seed, the position and the inputs' fingerprint. The captions lie in one
seeded order; its last part is the reserve that replaces failed rows, the rest is the base.

    order:  [ base: row 0, row 1, ... rows-1, not asked for yet | reserve: ... spare 1, spare 0 ]

Everything belongs to a position of that order and not to a row, so a spare asks for the same text
whichever row it ends up in, and raising `rows` later changes nothing that was planned before.
"""

import hashlib
import struct
from array import array
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vargpt_datagen.splitmix import seeded_order

NUM_SHOTS = 4  # paper, Section 4.2: four image-caption samples
PLAN_VERSION = 1  # bump on any change of what belongs to a position

# Random shots are drawn from a library: so many captions of the base for each pair. Four of them
# make far more sets than there are rows, and each is filled only once.
LIBRARY_CAPTIONS_PER_PAIR = 31

_DRAWS = struct.Struct("<16I")


class PlannedShot(NamedTuple):
    """One example of a request: a caption of the base and a form of the pair pool."""

    source_index: int
    pair_index: int


class PlannedRow(NamedTuple):
    """What one request is made of, as indices into the source and the pools."""

    position: int
    source_index: int
    seed_indices: tuple[int, int, int]  # prompt, caption, answer
    shots: tuple[PlannedShot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanConfig:
    """Everything a plan depends on."""

    seed: int
    fingerprint: str  # of the captions and pools
    num_captions: int
    pool_sizes: tuple[int, int, int]  # seeds of kind prompt, caption, answer
    num_pairs: int
    shot_sets: int | None = None  # so many fixed sets of shots instead of random ones


def reserve_size(num_captions: int) -> int:
    """Captions kept back as spares: a tenth, and a few more for tiny sets."""
    return min(num_captions, num_captions // 10 + 8)


class Plan:
    """Rows and spares of one build."""

    def __init__(self, config: PlanConfig) -> None:
        self.config = config
        self.num_spares = reserve_size(config.num_captions)
        self.num_base = config.num_captions - self.num_spares
        identity = f"{config.seed}\n{config.fingerprint}"
        self._key = hashlib.sha256(identity.encode()).digest()
        key = np.uint64(int.from_bytes(self._key[:8], "little"))
        # An array gives plain ints; taking numpy's scalars apart costs a tenth of a row's plan.
        self._order = array("I", seeded_order(key, config.num_captions).tobytes())
        self._streams = {
            name: hashlib.blake2b(key=self._key, person=name, digest_size=64)
            for name in (b"row", b"set")
        }

    def row(self, position: int) -> PlannedRow:
        """What belongs to one position of the order."""
        draws = self._draws(b"row", position)
        prompts, captions, answers = self.config.pool_sizes
        return PlannedRow(
            position=position,
            source_index=self._order[position],
            seed_indices=(draws[0] % prompts, draws[1] % captions, draws[2] % answers),
            shots=self._shots(position, draws),
        )

    def spare_position(self, number: int) -> int:
        """Position of the `number`-th spare; IndexError beyond the reserve."""
        if number >= self.num_spares:
            raise IndexError(number)
        return len(self._order) - 1 - number

    def shot_set(self, number: int) -> tuple[PlannedShot, ...]:
        """One of the fixed sets; no caption is in two sets."""
        draws = self._draws(b"set", number)
        first = self.num_base - NUM_SHOTS * (number + 1)
        pairs = _distinct(draws[:NUM_SHOTS], self.config.num_pairs)
        return tuple(map(PlannedShot, self._order[first : first + NUM_SHOTS], pairs))

    def _shots(self, position: int, draws: tuple[int, ...]) -> tuple[PlannedShot, ...]:
        if self.config.shot_sets is not None:
            number = draws[3] % self.config.shot_sets
            first = self.num_base - NUM_SHOTS * (number + 1)
            if first <= position < first + NUM_SHOTS:  # the row's own caption is in this set
                number = (number + 1) % self.config.shot_sets
            return self.shot_set(number)
        return self._library_shots(position, draws[4 : 4 + NUM_SHOTS])

    def _library_shots(self, position: int, draws: tuple[int, ...]) -> tuple[PlannedShot, ...]:
        """Shots of the library with different pairs, none of them the row's own caption."""
        num_pairs = self.config.num_pairs
        size = min(self.num_base, LIBRARY_CAPTIONS_PER_PAIR * num_pairs)
        shots: list[PlannedShot] = []
        pairs: list[int] = []
        for draw in draws:
            place = draw % size
            while place == position or place % num_pairs in pairs:
                place = (place + 1) % size
            pairs.append(place % num_pairs)
            shots.append(PlannedShot(self._order[place], pairs[-1]))
        return tuple(shots)

    def _draws(self, stream: bytes, number: int) -> tuple[int, ...]:
        """16 independent 32-bit numbers."""
        digest = self._streams[stream].copy()
        digest.update(number.to_bytes(8, "little"))
        return _DRAWS.unpack(digest.digest())


def _distinct(draws: tuple[int, ...], size: int) -> list[int]:
    """Draws below `size`, moved on to the next free number where one is taken."""
    found: list[int] = []
    for draw in draws:
        number = draw % size
        while number in found:
            number = (number + 1) % size
        found.append(number)
    return found
