"""The offline writer's only source of choice: the hash of a request."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

Item = TypeVar("Item")


class Chance:
    """Even choices, one after the other, that the bytes of a request decide."""

    __slots__ = ("_state",)

    def __init__(self, body: bytes) -> None:
        # All choices of a pair take about 60 of the 128 bits, so the last are as even as the first.
        self._state = int.from_bytes(blake2b(body, digest_size=16).digest(), "little")

    def choose(self, items: Sequence[Item]) -> Item:
        self._state, index = divmod(self._state, len(items))
        return items[index]

    def one_in(self, count: int) -> bool:
        self._state, index = divmod(self._state, count)
        return index == 0
