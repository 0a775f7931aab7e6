"""ShuffleNet v1 and the networks around it: groups, one width, and the form of each stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from nas.architecture import Architecture, HeadSpec, StemSpec, UnitSpec
from nas.space import Gene, Genes, Option, SearchSpace
from search_spaces import options as lists
from search_spaces.encoding import chosen, confirmed, split
from search_spaces.frame import Size, frame
from search_spaces.stages import Stage, UnitOptions, lay_out, multiple

KIND = "shuffle_v1"
REPEATS = (4, 8, 4)
CHANNELS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}
"""Groups -> channels of the first stage at 1x, doubled in each next (Table 1)."""
BOTTLENECK = 4
WIDTHS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
EXPANSIONS = (2, 4, 6)
DEPTHS = (1, 2, 3, 4, 6, 8)
KERNEL_SIZES = (3, 5, 7)


def stem_channels(width: float) -> int:
    """The stem's channels; they do not follow the width.

    The released code has 12 (16 with 8 groups, by rounding) at 0.5x, 24 at 1x and at 1.5x, 48 at
    2x; 12 at 0.25x is what gives the printed 13 M multiply-adds.
    """
    return 12 if width < 1 else 24 if width < 2 else 48


def stage_channels(groups: int, width: float) -> tuple[int, int, int]:
    """Channels of the three stages: the table's times the width, doubled in each next.

    Where the first stage's bottleneck would not divide into the groups (0.5x and 0.25x with 2 and
    4 groups), it goes up until it does and the next stages double that: 0.5x with 4 groups ends at
    the 576 channels that the paper gives for its 38 M network.
    """
    first = multiple(round(CHANNELS[groups] * width), BOTTLENECK * groups)
    return first, 2 * first, 4 * first


def shufflenet_v1(
    groups: int,
    width: float,
    *,
    input: Size = (3, 224, 224),
    classes: int = 1000,
    depths: Sequence[int] = REPEATS,
    expansions: Sequence[float] = (BOTTLENECK,) * 3,
    kernel_sizes: Sequence[int] = (3, 3, 3),
    options: UnitOptions = (),
) -> Architecture:
    """ShuffleNet v1 with `groups` at `width` times the channels of Table 1; `options` of its units.

    Reference: Zhang et al. 2018, ShuffleNet, Table 1 and sec. 3.3, and the released code: no
    convolution behind the last stage, classifier without bias.
    """
    shape = frame(input)
    channels = stage_channels(groups, width)
    fields = zip(channels, shape.strides, expansions, kernel_sizes, depths, strict=True)
    stages = [
        Stage(UnitSpec(KIND, out, stride, groups, expansion, kernel_size, options), depth)
        for out, stride, expansion, kernel_size, depth in fields
    ]
    stem, units = lay_out(stages, stem_channels(width), {})
    return Architecture(
        input=input,
        stem=StemSpec(stem, stride=shape.stem_stride, pool=shape.pool),
        units=units,
        head=HeadSpec(),
        classes=classes,
    )


def shufflenet_v1_50(*, input: Size = (3, 224, 224), classes: int = 1000) -> Architecture:
    """ShuffleNet v1-50: four stages, reconstructed.

    The text gives bottlenecks of 1:4, which cost half of the printed 2.3 G multiply-adds; 1:2
    costs them. A stem of 64 leaves 360 - 64 channels, which 3 groups do not divide: it has 66.

    Reference: Ma et al. 2018, ShuffleNet V2, appendix, Table 2.
    """
    shape = frame(input, strides=(1, 2, 2, 2))
    widths, depths = (360, 720, 1440, 2880), (3, 4, 6, 3)
    stages = [
        Stage(UnitSpec(KIND, width, stride, groups=3, expansion=2), depth)
        for width, stride, depth in zip(widths, shape.strides, depths, strict=True)
    ]
    stem, units = lay_out(stages, 64, {})
    return Architecture(
        input=input,
        stem=StemSpec(stem, stride=shape.stem_stride, pool=shape.pool),
        units=units,
        head=HeadSpec(),
        classes=classes,
    )


class ShuffleNetV1(SearchSpace):
    """Networks of ShuffleNet v1's form: those of its Tables 1 and 2 are points of it.

    `widths` multiply the channels that the paper's Table 1 gives for the groups.

    Raises:
        SpaceError: a list holds what no unit allows, or the input is smaller than 8x8.
    """

    name: ClassVar[str] = "shufflenet_v1"
    citation: ClassVar[str] = "Zhang et al. 2018, ShuffleNet, arXiv:1707.01083"
    starts: ClassVar[tuple[str, ...]] = ("shufflenet_v1_g3_x0_5",)

    def __init__(
        self,
        *,
        input: Size = (3, 224, 224),
        classes: int = 1000,
        groups: Sequence[int] | None = None,
        widths: Sequence[float] | None = None,
        expansions: Sequence[float] | None = None,
        depths: Sequence[int] | None = None,
        kernel_sizes: Sequence[int] | None = None,
        resolutions: Sequence[int] | None = None,
    ) -> None:
        super().__init__(input=input, classes=classes)
        where = f"space {self.name}"
        self.groups = lists.among(
            f"{where}, groups", groups, tuple(CHANNELS), allowed=tuple(CHANNELS)
        )
        self.widths = lists.numbers(f"{where}, widths", widths, WIDTHS, least=1 / 16)
        self.depths = lists.whole_numbers(f"{where}, depths", depths, DEPTHS)
        self.expansions = lists.numbers(f"{where}, expansions", expansions, EXPANSIONS, least=1)
        self.kernel_sizes = lists.kernels(f"{where}, kernel_sizes", kernel_sizes, KERNEL_SIZES)
        self.inputs = lists.inputs(where, self.input, resolutions)
        genes = [Gene("groups", self.groups), Gene("width", self.widths)]
        for n in (1, 2, 3):
            genes.append(Gene(f"stage{n}_expansion", self.expansions))
            genes.append(Gene(f"stage{n}_depth", self.depths))
            genes.append(Gene(f"stage{n}_kernel", self.kernel_sizes))
        self._genes = (*genes, *lists.resolution_gene(self.inputs))

    @property
    def genes(self) -> tuple[Gene, ...]:
        """See `SearchSpace.genes`."""
        return self._genes

    def decode(self, genes: Mapping[str, Option]) -> Architecture:
        """See `SearchSpace.decode`."""
        choice = chosen(self, genes)
        return shufflenet_v1(
            choice["groups"],
            choice["width"],
            input=lists.input_of(self.inputs, choice),
            classes=self.classes,
            depths=[choice[f"stage{n}_depth"] for n in (1, 2, 3)],
            expansions=[choice[f"stage{n}_expansion"] for n in (1, 2, 3)],
            kernel_sizes=[choice[f"stage{n}_kernel"] for n in (1, 2, 3)],
        )

    def encode(self, architecture: Architecture) -> Genes:
        """See `SearchSpace.encode`."""
        genes: Genes = {}
        for n, stage in enumerate(split(f"space {self.name}", architecture.units, 3), 1):
            genes[f"stage{n}_expansion"] = stage.unit.expansion
            genes[f"stage{n}_depth"] = stage.depth
            genes[f"stage{n}_kernel"] = stage.unit.kernel_size
        genes |= lists.resolution_of(self.inputs, architecture.input)
        groups = architecture.units[0].groups
        candidates = [{"groups": groups, "width": width, **genes} for width in self.widths]
        return confirmed(self, candidates, architecture)
