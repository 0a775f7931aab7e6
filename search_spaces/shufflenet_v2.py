"""ShuffleNet V2 and the networks around it: one width, and depth and kernel per stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from nas.architecture import Architecture, HeadSpec, StemSpec, UnitSpec
from nas.space import Gene, Genes, Option, SearchSpace
from search_spaces import options as lists
from search_spaces.encoding import chosen, confirmed, split
from search_spaces.frame import Size, frame
from search_spaces.stages import Stage, UnitOptions, lay_out

KIND = "shuffle_v2"
STEM_CHANNELS = 24
REPEATS = (4, 8, 4)
PUBLISHED_WIDTHS = {0.5: 48, 1.0: 116, 1.5: 176, 2.0: 244}
"""The paper's name of a network -> channels of its first stage, doubled in each next (Table 5).

The names are no multipliers: 48, 176 and 244 are not 116 times 0.5, 1.5 and 2.
"""
WIDTHS = (24, 48, 72, 116, 176, 244)
DEPTHS = (1, 2, 3, 4, 6, 8)
KERNEL_SIZES = (3, 5, 7)
HEADS = (1024, 2048)
WIDEST_HEAD_DROPOUT = 0.2
"""The released code has it before the classifier of the 2x network only."""


def head_of(channels: int) -> HeadSpec:
    """The last 1x1 convolution of this width, with the dropout the authors give the widest."""
    return HeadSpec(channels, dropout=WIDEST_HEAD_DROPOUT if channels == HEADS[-1] else 0.0)


def shufflenet_v2(
    width: int,
    *,
    input: Size = (3, 224, 224),
    classes: int = 1000,
    head: int = 1024,
    depths: Sequence[int] = REPEATS,
    kernel_sizes: Sequence[int] = (3, 3, 3),
    options: UnitOptions = (),
) -> Architecture:
    """ShuffleNet V2 whose first stage has `width` channels, doubled in each next.

    `options` are those of its units: se, residual, depthwise_first.

    Reference: Ma et al. 2018, ShuffleNet V2, Table 5, and the released code: stem of 24 at every
    width, classifier without bias, last 1x1 of 1024 channels (2048 and dropout 0.2 at 2x).
    """
    shape = frame(input)
    stages = [
        Stage(UnitSpec(KIND, width * 2**n, stride, kernel_size=kernel_size, options=options), depth)
        for n, (stride, kernel_size, depth) in enumerate(
            zip(shape.strides, kernel_sizes, depths, strict=True)
        )
    ]
    stem, units = lay_out(stages, STEM_CHANNELS, {})
    return Architecture(
        input=input,
        stem=StemSpec(stem, stride=shape.stem_stride, pool=shape.pool),
        units=units,
        head=head_of(head),
        classes=classes,
    )


def shufflenet_v2_large(
    width: int,
    depths: Sequence[int],
    stem: StemSpec,
    *,
    input: Size = (3, 224, 224),
    classes: int = 1000,
    options: UnitOptions = (),
) -> Architecture:
    """A large ShuffleNet V2: four stages of which the first keeps its size, last 1x1 of 2048.

    The stem's own stride and pooling give way to a small input's.

    Reference: Ma et al. 2018, ShuffleNet V2, appendix, Table 2.
    """
    shape = frame(input, strides=(1, 2, 2, 2))
    stages = [
        Stage(UnitSpec(KIND, width * 2**n, stride, options=options), depth)
        for n, (stride, depth) in enumerate(zip(shape.strides, depths, strict=True))
    ]
    channels, units = lay_out(stages, stem.out_channels, {})
    return Architecture(
        input=input,
        stem=replace(stem, out_channels=channels, stride=shape.stem_stride, pool=shape.pool),
        units=units,
        head=HeadSpec(HEADS[-1]),
        classes=classes,
    )


class ShuffleNetV2(SearchSpace):
    """Networks of ShuffleNet V2's form: its own four are points of it.

    `widths` are channels of the first stage; each next stage has twice as many.

    Raises:
        SpaceError: a list holds what no unit allows, or the input is smaller than 8x8.
    """

    name: ClassVar[str] = "shufflenet_v2"
    citation: ClassVar[str] = "Ma et al. 2018, ShuffleNet V2, arXiv:1807.11164"
    starts: ClassVar[tuple[str, ...]] = ("shufflenet_v2_x0_5",)

    def __init__(
        self,
        *,
        input: Size = (3, 224, 224),
        classes: int = 1000,
        widths: Sequence[float] | None = None,
        depths: Sequence[int] | None = None,
        kernel_sizes: Sequence[int] | None = None,
        resolutions: Sequence[int] | None = None,
    ) -> None:
        super().__init__(input=input, classes=classes)
        where = f"space {self.name}"
        self.widths = lists.whole_numbers(f"{where}, widths", widths, WIDTHS)
        self.depths = lists.whole_numbers(f"{where}, depths", depths, DEPTHS)
        self.kernel_sizes = lists.kernels(f"{where}, kernel_sizes", kernel_sizes, KERNEL_SIZES)
        self.inputs = lists.inputs(where, self.input, resolutions)
        genes = [Gene("width", self.widths)]
        for n in range(1, len(REPEATS) + 1):
            genes.append(Gene(f"stage{n}_depth", self.depths))
            genes.append(Gene(f"stage{n}_kernel", self.kernel_sizes))
        genes.append(Gene("head", HEADS))
        self._genes = (*genes, *lists.resolution_gene(self.inputs))

    @property
    def genes(self) -> tuple[Gene, ...]:
        """See `SearchSpace.genes`."""
        return self._genes

    def decode(self, genes: Mapping[str, Option]) -> Architecture:
        """See `SearchSpace.decode`."""
        choice = chosen(self, genes)
        return shufflenet_v2(
            choice["width"],
            input=lists.input_of(self.inputs, choice),
            classes=self.classes,
            head=choice["head"],
            depths=[choice[f"stage{n}_depth"] for n in (1, 2, 3)],
            kernel_sizes=[choice[f"stage{n}_kernel"] for n in (1, 2, 3)],
        )

    def encode(self, architecture: Architecture) -> Genes:
        """See `SearchSpace.encode`."""
        genes: Genes = {}
        for n, stage in enumerate(split(f"space {self.name}", architecture.units, 3), 1):
            genes[f"stage{n}_depth"] = stage.depth
            genes[f"stage{n}_kernel"] = stage.unit.kernel_size
        genes["head"] = architecture.head.out_channels
        genes |= lists.resolution_of(self.inputs, architecture.input)
        candidates = [{"width": width, **genes} for width in self.widths]
        return confirmed(self, candidates, architecture)
