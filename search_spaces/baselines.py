"""Other networks' units in ShuffleNet's frame, as its Table 4 compares them."""

from __future__ import annotations

from collections.abc import Sequence

from nas.architecture import Architecture, HeadSpec, StemSpec, UnitSpec
from search_spaces.frame import Size, frame
from search_spaces.shufflenet_v1 import REPEATS, stem_channels
from search_spaces.stages import Stage, default, lay_out


def in_shufflenet_frame(
    kind: str, channels: Sequence[int], *, input: Size = (3, 224, 224), classes: int = 1000
) -> Architecture:
    """ShuffleNet 0.5x with other units of these channels in its three stages.

    Reference: Zhang et al. 2018, ShuffleNet, sec. 4.2.
    """
    shape = frame(input)
    stages = [
        Stage(UnitSpec(kind, out, stride, expansion=default(kind, "expansion")), depth)
        for out, stride, depth in zip(channels, shape.strides, REPEATS, strict=True)
    ]
    stem, units = lay_out(stages, stem_channels(0.5), {})
    return Architecture(
        input=input,
        stem=StemSpec(stem, stride=shape.stem_stride, pool=shape.pool),
        units=units,
        head=HeadSpec(),
        classes=classes,
    )
