import math

from vargpt_schema.world import (
    BACKGROUND_RGB,
    BACKGROUNDS,
    COLOUR_RGB,
    COLOURS,
    OUTLINES,
    POSITION_CENTRES,
    POSITIONS,
    SHAPES,
    SIZE_SIDES,
    SIZES,
    WITHHELD_PAIRS,
    centre_of,
)


def test_the_world_has_eight_shapes_and_colours_three_sizes_nine_positions():
    counts = [len(words) for words in (SHAPES, COLOURS, SIZES, POSITIONS, BACKGROUNDS)]
    assert counts == [8, 8, 3, 9, 6]
    assert set(COLOUR_RGB) == set(COLOURS)
    assert set(BACKGROUND_RGB) == set(BACKGROUNDS)
    assert set(OUTLINES) == set(SHAPES) - {"circle", "ring"}


def test_every_shape_and_every_colour_is_withheld_once():
    assert sorted(shape for shape, _ in WITHHELD_PAIRS) == sorted(SHAPES)
    assert sorted(colour for _, colour in WITHHELD_PAIRS) == sorted(COLOURS)


def test_outlines_fill_a_box_of_side_one_and_do_not_leave_it():
    for shape, corners in OUTLINES.items():
        for values in zip(*corners, strict=True):
            assert -0.501 <= min(values) <= max(values) <= 0.501, shape
        height = max(y for _, y in corners) - min(y for _, y in corners)
        assert 0.94 <= height <= 1.001, shape


def test_the_largest_objects_of_neighbouring_positions_do_not_overlap():
    largest = max(SIZE_SIDES.values())
    assert POSITION_CENTRES[1] - POSITION_CENTRES[0] >= largest
    assert POSITION_CENTRES[0] - largest / 2 > 0


def test_centres_lie_on_a_4_px_grid_at_64_px():
    assert centre_of("top left") == (3 / 16, 3 / 16)
    assert centre_of("middle right") == (13 / 16, 1 / 2)
    assert all(64 * centre % 4 == 0 for centre in POSITION_CENTRES)


def test_every_colour_stands_out_from_every_other_and_from_every_background():
    palette = [*COLOUR_RGB.values()]
    for number, colour in enumerate(palette):
        assert all(math.dist(colour, other) >= 115 for other in palette[:number])
        assert all(math.dist(colour, ground) >= 135 for ground in BACKGROUND_RGB.values())
