"""Row rules of `instruct`, over whole Arrow tables: the writer refuses what breaks one."""

from typing import Literal, get_args

import pyarrow as pa

from vargpt_schema.compute import pc
from vargpt_schema.conversation import IMAGE, IMAGE_GEN
from vargpt_schema.table import RowFault

Task = Literal["generation", "understanding", "text"]
Method = Literal["llm", "template", "class", "imported"]
TASKS: tuple[Task, ...] = get_args(Task)
METHODS: tuple[Method, ...] = get_args(Method)
_JUDGED_COLUMNS = ["sample_id", "messages", "images", "task", "method"]
HEX_16 = "^[0-9a-f]{16}$"
# A path that is absolute, has a scheme, drive, backslash or control character, or climbs out of the
# image root.
BAD_PATH = r"^$|^/|^[A-Za-z][A-Za-z0-9+.-]*:|\\|[\x00-\x1f\x7f]|(^|/)\.\.(/|$)"
# Tokens that mean something to the tokenizer; IMAGE and IMAGE_GEN are counted instead.
SPECIAL_TOKEN = r"</s>|<pad>|<\|image_gen_(start|pad|end)\|>"


def instruct_row_faults(table: pa.Table) -> list[RowFault]:
    """Every rule that a row breaks, in row order within each rule; empty when all are good."""
    if table.num_rows == 0:
        return []
    table = table.select(_JUDGED_COLUMNS).combine_chunks()
    images = _combined(table, "images")
    messages = _combined(table, "messages")
    turns = messages.flatten()
    row_of_turn = pc.list_parent_indices(messages)
    role, content = pc.struct_field(turns, "role"), pc.struct_field(turns, "content")

    num_rows = table.num_rows
    num_images = pc.fill_null(pc.list_value_length(images), 0)
    turns_end = pc.cumulative_sum(pc.fill_null(pc.list_value_length(messages), 0))
    to_read = _sum_by_row(pc.count_substring_regex(content, IMAGE), turns_end)
    to_draw = _sum_by_row(pc.count_substring_regex(content, IMAGE_GEN), turns_end)
    last = _last_turn(messages, content)

    task = table.column("task")
    is_generation = pc.equal(task, "generation")
    ends_well = pc.or_(
        pc.ends_with(last, f".{IMAGE_GEN}"),  # -130K and -1270K
        pc.ends_with(last, f": {IMAGE_GEN}"),  # -class, paper Fig 15 (2)
    )
    row_of_image = pc.list_parent_indices(images)
    bad_image = pc.fill_null(pc.match_substring_regex(images.flatten(), BAD_PATH), True)
    bad_turn = pc.fill_null(pc.match_substring_regex(content, SPECIAL_TOKEN), True)

    rules: list[tuple[str, pa.Array | pa.ChunkedArray]] = [
        ("task must be generation, understanding or text", pc.invert(_is_one_of(task, TASKS))),
        (
            "method must be llm, template, class or imported",
            pc.invert(_is_one_of(table.column("method"), METHODS)),
        ),
        (
            "sample_id must be 16 hex digits",
            pc.invert(pc.match_substring_regex(table.column("sample_id"), HEX_16)),
        ),
        ("turns must alternate user, assistant and end with assistant", _bad_turns(messages, role)),
        (
            "turns must hold text without </s>, <pad> or the tokens of a drawn image",
            _rows_marked(pc.filter(row_of_turn, bad_turn), num_rows),
        ),
        (
            f"{IMAGE} and {IMAGE_GEN} together must number as many as images",
            pc.not_equal(pc.add(to_read, to_draw), num_images),
        ),
        (
            f"an answer that draws must end with '.{IMAGE_GEN}' or ': {IMAGE_GEN}'",
            pc.and_(is_generation, pc.invert(ends_well)),
        ),
        (f"a generation row must have a {IMAGE_GEN}", pc.and_(is_generation, pc.equal(to_draw, 0))),
        (
            f"only generation rows may have a {IMAGE_GEN}",
            pc.and_(pc.invert(is_generation), pc.greater(to_draw, 0)),
        ),
        (
            "a text row must have no image, an understanding row at least one",
            pc.or_(
                pc.and_(pc.equal(task, "text"), pc.greater(num_images, 0)),
                pc.and_(pc.equal(task, "understanding"), pc.equal(num_images, 0)),
            ),
        ),
        (
            "image paths must be relative POSIX paths below the image root",
            _rows_marked(pc.filter(row_of_image, bad_image), num_rows),
        ),
    ]
    return [RowFault(row, rule) for rule, is_bad in rules for row in _true_rows(is_bad)]


def _is_one_of(column: pa.ChunkedArray, names: tuple[str, ...]) -> pa.ChunkedArray:
    return pc.is_in(column, value_set=pa.array(names, pa.string()))


def _combined(table: pa.Table, name: str) -> pa.ListArray:
    column = table.column(name)
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def _sum_by_row(counts: pa.Array, turns_end: pa.Array) -> pa.Array:
    """Sum of `counts` per row, whose turns end before `turns_end`; 0 for a row without any."""
    zero = pa.array([0], pa.int64())
    sums = pa.concat_arrays([zero, pc.cumulative_sum(pc.cast(pc.fill_null(counts, 0), zero.type))])
    starts = pa.concat_arrays([pc.cast(zero, turns_end.type), turns_end])[: len(turns_end)]
    return pc.subtract(pc.take(sums, turns_end), pc.take(sums, starts))


def _last_turn(messages: pa.ListArray, content: pa.Array) -> pa.Array:
    """Content of each row's last turn, null for a row without turns."""
    lengths = pc.fill_null(pc.list_value_length(messages), 0)
    ends = pc.subtract(pc.cumulative_sum(lengths), 1)
    return pc.take(content, pc.if_else(pc.greater(lengths, 0), ends, None))


def _bad_turns(messages: pa.ListArray, role: pa.Array) -> pa.Array:
    lengths = pc.fill_null(pc.list_value_length(messages), 0)
    starts = pc.subtract(pc.cumulative_sum(lengths), lengths)
    row = pc.list_parent_indices(messages)
    place = pc.subtract(_numbers(len(role), starts.type), pc.take(starts, row))
    is_even = pc.equal(pc.bit_wise_and(place, 1), 0)
    is_right = pc.if_else(is_even, pc.equal(role, "user"), pc.equal(role, "assistant"))
    wrong = _rows_marked(pc.filter(row, pc.invert(pc.fill_null(is_right, False))), len(messages))
    is_odd_or_empty = pc.or_(
        pc.equal(lengths, 0), pc.equal(pc.bit_wise_and(pc.cast(lengths, pa.int64()), 1), 1)
    )
    return pc.or_(wrong, is_odd_or_empty)


def _rows_marked(rows: pa.Array, num_rows: int) -> pa.Array:
    if len(rows) == 0:
        return pa.repeat(False, num_rows)
    return pc.is_in(_numbers(num_rows, rows.type), pc.unique(rows))


def _numbers(count: int, number_type: pa.DataType) -> pa.Array:
    """0 to count - 1."""
    return pc.subtract(pc.cumulative_sum(pa.repeat(pa.scalar(1, number_type), count)), 1)


def _true_rows(is_bad: pa.Array | pa.ChunkedArray) -> list[int]:
    return pc.indices_nonzero(pc.fill_null(is_bad, False)).to_pylist()
