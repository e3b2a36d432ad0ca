"""Which rank computes which rows of a step, in which micro-batches.

A step's rows are sorted by length and cut into micro-batches of about equal cost, so that little
is padded. Losses are means over the whole step, so the cut changes nothing but speed and memory.
"""

from collections.abc import Sequence

MAX_PADDING_FRAC = 0.15  # more is worth another micro-batch,
MIN_ROWS_A_MICRO = 4  # on average; smaller ones cost more in calls than they save in padding

MicroRows = list[int]  # places of rows in their step


def micro_batches(
    lengths: Sequence[int], *, world_size: int, max_positions: int
) -> list[list[MicroRows]]:
    """Micro-batches of every rank, equally many each: [rank][micro] -> places in `lengths`.

    A micro-batch of n rows costs n times its longest row; none costs more than `max_positions`
    unless it is a single row. ValueError when the rows are not a multiple of `world_size`.
    """
    if len(lengths) % world_size:
        raise ValueError(f"{len(lengths)} rows cannot be shared evenly among {world_size} ranks")
    order = sorted(range(len(lengths)), key=lambda place: (-lengths[place], place))
    count = len(_cut(order, lengths, max_positions))
    count = -(-count // world_size) * world_size
    chunks = _even_chunks(order, lengths, count, max_positions)
    while padding_frac(chunks, lengths) > MAX_PADDING_FRAC and (
        count + world_size
    ) * MIN_ROWS_A_MICRO <= len(lengths):
        count += world_size
        chunks = _even_chunks(order, lengths, count, max_positions)
    chunks.sort(key=lambda chunk: (-_cost(chunk, lengths), chunk[0]))
    return [chunks[rank::world_size] for rank in range(world_size)]


def padding_frac(micros: Sequence[MicroRows], lengths: Sequence[int]) -> float:
    """Share of the positions of micro-batches that hold nothing."""
    filled = sum(lengths[place] for micro in micros for place in micro)
    return 1 - filled / sum(_cost(micro, lengths) for micro in micros)


def _even_chunks(
    order: Sequence[int], lengths: Sequence[int], count: int, max_positions: int
) -> list[MicroRows]:
    """Rows in `count` chunks of about the same cost; there must be as many rows."""
    chunks = _cut(order, lengths, _least_budget(order, lengths, count, max_positions))
    while len(chunks) < count:
        costliest = max(
            (chunk for chunk in chunks if len(chunk) > 1),
            key=lambda chunk: (_cost(chunk, lengths), -chunk[0]),
        )
        chunks.remove(costliest)
        half = len(costliest) // 2
        chunks += [costliest[:half], costliest[half:]]
    return chunks


def _cost(micro: MicroRows, lengths: Sequence[int]) -> int:
    return len(micro) * max(lengths[place] for place in micro)


def _cut(order: Sequence[int], lengths: Sequence[int], budget: int) -> list[MicroRows]:
    """Neighbours together while they fit the budget."""
    chunks: list[MicroRows] = []
    for place in order:
        # Rows come longest first, so a chunk's first row is its longest.
        if chunks and (len(chunks[-1]) + 1) * lengths[chunks[-1][0]] <= budget:
            chunks[-1].append(place)
        else:
            chunks.append([place])
    return chunks


def _least_budget(
    order: Sequence[int], lengths: Sequence[int], count: int, max_positions: int
) -> int:
    """The smallest budget that needs no more than `count` chunks: they cost about the same."""
    low, high = 1, max_positions
    while low < high:
        middle = (low + high) // 2
        if len(_cut(order, lengths, middle)) <= count:
            high = middle
        else:
            low = middle + 1
    return low
