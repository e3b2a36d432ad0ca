"""Keys and values of the LLM for rows of different lengths, without padding between them.

B rows, R of them in one step, h key-value heads, K channels of a head, n new positions.
"""

import torch
from torch import Tensor

GROWTH_POSITIONS = 256


class TextCache:
    """Every row is written behind its own end. What LlamaAttention needs of a cache: `update`.

    Room behind a row's end may hold leftovers of a longer block; the mask hides them and the next
    block overwrites them.
    """

    is_compileable = False

    def __init__(self, *, batch_size: int, max_length: int) -> None:
        self.lengths = [0] * batch_size
        self.max_length = max_length
        self._rooms: list[Tensor] = []  # one a layer: (2, B, h, capacity, K)
        self._rows: list[int] = list(range(batch_size))
        self._size = 0

    def begin(self, rows: list[int], size: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Announce a block of `size` positions for `rows`.

        Returns position ids (R, n) and the mask (R, 1, n, end) of what they see: True where a key
        stands at or before the query.
        """
        self._rows, self._size = rows, size
        starts = torch.tensor([self.lengths[row] for row in rows], device=device)
        self._columns = starts[:, None] + torch.arange(size, device=device)  # (R, n)
        keys = torch.arange(self._end, device=device)
        return self._columns, (keys <= self._columns[..., None])[:, None]

    def advance(self, counts: list[int]) -> None:
        """Keep the first `counts[i]` positions of the block for the i-th of its rows."""
        for row, count in zip(self._rows, counts, strict=True):
            self.lengths[row] += count

    @property
    def _end(self) -> int:
        return max(self.lengths[row] for row in self._rows) + self._size

    def get_seq_length(self, layer_idx: int = 0) -> int:  # noqa: ARG002, transformers' signature
        """Positions of the longest row."""
        return max(self.lengths)

    def update(
        self,
        key_states: Tensor,
        value_states: Tensor,
        layer_idx: int,
        cache_kwargs: object = None,  # noqa: ARG002, transformers' signature
    ) -> tuple[Tensor, Tensor]:
        """Write (R, h, n, K) keys and values of the block; all so far, (R, h, end, K) each."""
        end = self._end
        room = self._room(layer_idx, key_states, end)
        rows, lengths = self._rows, [self.lengths[row] for row in self._rows]
        is_whole = len(rows) == len(self.lengths)
        if is_whole and len(set(lengths)) == 1:
            room[0, :, :, lengths[0] : end] = key_states
            room[1, :, :, lengths[0] : end] = value_states
        else:
            index = torch.tensor(rows, device=key_states.device)[:, None]
            room[0][index, :, self._columns] = key_states.transpose(1, 2)
            room[1][index, :, self._columns] = value_states.transpose(1, 2)
        if is_whole:
            return room[0, :, :, :end], room[1, :, :, :end]
        return room[0, rows, :, :end], room[1, rows, :, :end]

    def _room(self, layer: int, like: Tensor, end: int) -> Tensor:
        if layer == len(self._rooms):
            self._rooms.append(self._empty(like, end))
        room = self._rooms[layer]
        if room.shape[3] < end:
            larger = self._empty(like, end)
            larger[:, :, :, : room.shape[3]] = room
            self._rooms[layer] = room = larger
        return room

    def _empty(self, like: Tensor, end: int) -> Tensor:
        # A block's padding may reach beyond the context, so `end` has the last word.
        capacity = max(end, min(self.max_length, end + end // 2 + GROWTH_POSITIONS))
        shape = (2, len(self.lengths), like.shape[1], capacity, like.shape[3])
        # Zeros: what a mask hides must still be finite.
        return like.new_zeros(shape)
