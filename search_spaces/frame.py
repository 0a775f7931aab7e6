"""How often a network halves its input: the papers' frame, with fewer strides for small inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nas.errors import SpaceError

SMALLEST_SIDE = 8
FEWEST_HALVINGS, MOST_HALVINGS = 2, 5

Size = tuple[int, int, int]


@dataclass(frozen=True)
class Frame:
    """Strides of the stem and of each stage's first unit, and whether the stem pools."""

    stem_stride: int
    pool: bool
    strides: tuple[int, ...]


def halvings(input: Size) -> int:
    """How often the smaller side may be halved so that about 3.5 pixels or more are left.

    floor(log2(side / 3.5)), at least 2 and at most the papers' 5: 8 -> 2, 28 and 32 -> 3, 64 -> 4,
    112 and more -> 5.

    Raises:
        SpaceError: the input is no (channels, height, width) or is smaller than 8x8.
    """
    sides = tuple(input)
    if len(sides) != 3 or any(not isinstance(side, int) or side < 1 for side in sides):
        raise SpaceError(
            f"input: must be three whole numbers (channels, height, width); got {input!r}; "
            "allowed: for example (3, 224, 224)"
        )
    side = min(sides[1:])
    if side < SMALLEST_SIDE:
        raise SpaceError(
            f"input: must be at least {SMALLEST_SIDE} pixels high and wide; got "
            f"{sides[1]}x{sides[2]}; allowed from {SMALLEST_SIDE}x{SMALLEST_SIDE} on"
        )
    # side / 3.5 = 2 side / 7, and the floor of a logarithm needs the whole part only.
    return min(MOST_HALVINGS, max(FEWEST_HALVINGS, (2 * side // 7).bit_length() - 1))


def frame(input: Size, *, strides: Sequence[int] = (2, 2, 2), pool: bool = True) -> Frame:
    """The paper's frame with strides dropped from the front until it fits the input.

    `strides` are those of the first unit of each stage, `pool` whether the stem pools; the stem's
    own stride is 2. The pooling goes first, then the stem's stride, then the stages' from the
    first on: early strides are the ones a large image is made smaller with.

    >>> frame((1, 8, 8))
    Frame(stem_stride=1, pool=False, strides=(1, 2, 2))
    """
    places = [2 if pool else 1, 2, *strides]
    surplus = places.count(2) - halvings(input)
    for place, stride in enumerate(places):
        if stride == 2 and surplus > 0:
            places[place] = 1
            surplus -= 1
    return Frame(stem_stride=places[1], pool=places[0] == 2, strides=tuple(places[2:]))


def resized(input: Size, resolution: int) -> Size:
    """The input with its smaller side at `resolution`, the aspect kept to the nearest pixel.

    >>> resized((3, 480, 640), 240)
    (3, 240, 320)
    """
    channels, height, width = input
    small = min(height, width)
    return channels, round(height * resolution / small), round(width * resolution / small)
