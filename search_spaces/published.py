"""The published networks by name, at any input from 8x8 up and with any number of classes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nas.architecture import Architecture
from nas.errors import SpaceError, nearest
from search_spaces.frame import Size
from search_spaces.mobilenext import PUBLISHED_WIDTHS as MOBILENEXT_WIDTHS
from search_spaces.mobilenext import mobilenext
from search_spaces.shufflenet_v1 import CHANNELS, shufflenet_v1
from search_spaces.shufflenet_v2 import HEADS, shufflenet_v2
from search_spaces.shufflenet_v2 import PUBLISHED_WIDTHS as V2_WIDTHS

Factory = Callable[..., Architecture]
"""Takes `input` and `classes`."""


def times(width: float) -> str:
    """A width as a name has it: 0.5 -> x0_5."""
    return f"x{width}".replace(".", "_")


PUBLISHED: dict[str, Factory] = {
    **{
        f"shufflenet_v1_g{groups}_{times(width)}": partial(shufflenet_v1, groups, width)
        for groups in CHANNELS
        for width in (0.25, 0.5, 1.0, 1.5, 2.0)
    },
    **{
        f"shufflenet_v2_{times(name)}": partial(
            shufflenet_v2, width, head=HEADS[1] if name == 2.0 else HEADS[0]
        )
        for name, width in V2_WIDTHS.items()
    },
    **{f"mobilenext_{times(width)}": partial(mobilenext, width) for width in MOBILENEXT_WIDTHS},
}


def published(name: str, *, input: Size = (3, 224, 224), classes: int = 1000) -> Architecture:
    """The published network of this name.

    Raises:
        SpaceError: no such name, the nearest ones are listed; or the input is smaller than 8x8.
    """
    if name not in PUBLISHED:
        raise SpaceError(
            f"published networks: must be a known name; got {name!r}; "
            f"allowed: {nearest(name, PUBLISHED)}"
        )
    return PUBLISHED[name](input=input, classes=classes)
