"""The frame: how often a network of some input halves it, and where."""

import pytest

from nas.errors import SpaceError
from search_spaces.frame import Frame, frame, halvings, resized


@pytest.mark.parametrize(
    ("side", "expected"),
    # By hand: side / 3.5 = 2.3, 4, 7.9, 8, 9.1, 16, 18.3, 31.9, 32, 64, 137.
    [
        (8, 2),
        (14, 2),
        (27, 2),
        (28, 3),
        (32, 3),
        (55, 3),
        (56, 4),
        (64, 4),
        (111, 4),
        (112, 5),
        (224, 5),
        (480, 5),
    ],
)
def test_an_input_is_halved_until_about_four_pixels_are_left(side, expected):
    assert halvings((3, side, side)) == expected


def test_the_smaller_side_decides():
    assert halvings((3, 640, 32)) == halvings((3, 32, 640)) == 3


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        (224, Frame(stem_stride=2, pool=True, strides=(2, 2, 2))),
        (64, Frame(stem_stride=2, pool=False, strides=(2, 2, 2))),
        (32, Frame(stem_stride=1, pool=False, strides=(2, 2, 2))),
        (8, Frame(stem_stride=1, pool=False, strides=(1, 2, 2))),
    ],
)
def test_pooling_goes_first_then_the_stem_then_the_first_stage(side, expected):
    assert frame((3, side, side)) == expected


def test_a_table_with_more_strides_loses_them_from_the_front():
    rows = (2, 1, 2, 2, 1, 2, 1, 1)
    assert frame((3, 224, 224), strides=rows, pool=False) == Frame(2, False, rows)
    assert frame((1, 8, 8), strides=rows, pool=False) == Frame(1, False, (1, 1, 1, 2, 1, 2, 1, 1))


@pytest.mark.parametrize("input", [(3, 7, 100), (1, 0, 8), (8, 8), (3, 8.0, 8), "abc"])
def test_an_input_that_is_too_small_or_no_image_is_refused_in_words(input):
    with pytest.raises(SpaceError, match=r"input: must be .*got .*allowed"):
        halvings(input)


def test_a_resolution_is_the_smaller_side_and_keeps_the_aspect():
    assert resized((3, 480, 640), 224) == (3, 224, 299)
    assert resized((3, 640, 480), 224) == (3, 299, 224)
    assert resized((3, 224, 224), 160) == (3, 160, 160)
