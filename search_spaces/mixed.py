"""The space of all: three stages, each of its own kind of unit, in the frame of ShuffleNet V2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from nas.architecture import Architecture, StemSpec, UnitSpec
from nas.architecture_text import read_block, write_block
from nas.space import Gene, Genes, Option, SearchSpace
from search_spaces import options
from search_spaces.encoding import chosen, confirmed, option_for, split, width_for
from search_spaces.frame import Size, frame
from search_spaces.shufflenet_v2 import head_of
from search_spaces.stages import Choices, Stage, lay_out

STEM_CHANNELS = 24
STAGES = 3
KINDS = ("shuffle_v1", "shuffle_v2", "sandglass")
GROUPS = (1, 2, 3, 4, 8)
WIDTHS = (12, 16, 24, 36, 48, 72, 116, 176, 244)
EXPANSIONS = (2, 4, 6)
DEPTHS = (1, 2, 3, 4, 6, 8)
KERNEL_SIZES = (3, 5, 7)
HEADS = (0, 1024, 2048)


class Mixed(SearchSpace):
    """Three stages; per stage the kind of unit, groups, width, expansion, depth and kernel.

    Each stage begins with its one stride-2 unit (fewer for small inputs, see `frame`). `widths`
    are those of the first stage; the second offers them doubled, the third fourfold. Groups,
    expansion and kernel have no effect on a kind that does not use them. A kind may have options:
    `shuffle_v2-se.true`. ShuffleNet V2 at 0.5x, 1x, 1.5x and 2x are points of it.

    Raises:
        SpaceError: a list holds what no unit allows, or the input is smaller than 8x8.
    """

    name: ClassVar[str] = "mixed"
    citation: ClassVar[str] = (
        "Zhang et al. 2018, ShuffleNet; Ma et al. 2018, ShuffleNet V2; Zhou et al. 2020, MobileNeXt"
    )
    starts: ClassVar[tuple[str, ...]] = ("shufflenet_v2_x0_5",)

    def __init__(
        self,
        *,
        input: Size = (3, 224, 224),
        classes: int = 1000,
        kinds: Sequence[str] | None = None,
        groups: Sequence[int] | None = None,
        widths: Sequence[float] | None = None,
        expansions: Sequence[float] | None = None,
        depths: Sequence[int] | None = None,
        kernel_sizes: Sequence[int] | None = None,
        resolutions: Sequence[int] | None = None,
    ) -> None:
        super().__init__(input=input, classes=classes)
        where = f"space {self.name}"
        self.kinds = options.unit_kinds(f"{where}, kinds", kinds, KINDS)
        self.widths = options.whole_numbers(f"{where}, widths", widths, WIDTHS)
        self.depths = options.whole_numbers(f"{where}, depths", depths, DEPTHS)
        self.choices: Choices = {
            "block": tuple(read_block(kind) for kind in self.kinds),
            "groups": options.whole_numbers(f"{where}, groups", groups, GROUPS),
            "expansion": options.numbers(f"{where}, expansions", expansions, EXPANSIONS, least=1),
            "kernel_size": options.kernels(f"{where}, kernel_sizes", kernel_sizes, KERNEL_SIZES),
        }
        self.inputs = options.inputs(where, self.input, resolutions)
        self._genes = self._make_genes()

    def _make_genes(self) -> tuple[Gene, ...]:
        genes = []
        for stage in range(STAGES):
            prefix = f"stage{stage + 1}"
            genes += [
                Gene(f"{prefix}_kind", self.kinds),
                Gene(f"{prefix}_groups", tuple(self.choices["groups"])),
                Gene(f"{prefix}_width", self._widths(stage)),
                Gene(f"{prefix}_expansion", tuple(self.choices["expansion"])),
                Gene(f"{prefix}_depth", self.depths),
                Gene(f"{prefix}_kernel", tuple(self.choices["kernel_size"])),
            ]
        genes.append(Gene("head", HEADS))
        return (*genes, *options.resolution_gene(self.inputs))

    def _widths(self, stage: int) -> tuple[int, ...]:
        return tuple(width * 2**stage for width in self.widths)

    @property
    def genes(self) -> tuple[Gene, ...]:
        """See `SearchSpace.genes`."""
        return self._genes

    def decode(self, genes: Mapping[str, Option]) -> Architecture:
        """See `SearchSpace.decode`."""
        choice = chosen(self, genes)
        input = options.input_of(self.inputs, choice)
        shape = frame(input)
        stages = [
            Stage(self._opening(n, stride, choice), choice[f"stage{n}_depth"])
            for n, stride in enumerate(shape.strides, 1)
        ]
        stem, units = lay_out(stages, STEM_CHANNELS, self.choices)
        return Architecture(
            input=input,
            stem=StemSpec(stem, stride=shape.stem_stride, pool=shape.pool),
            units=units,
            head=head_of(choice["head"]),
            classes=self.classes,
        )

    def _opening(self, stage: int, stride: int, choice: Mapping[str, Any]) -> UnitSpec:
        kind, given = read_block(choice[f"stage{stage}_kind"])
        return UnitSpec(
            kind=kind,
            out_channels=choice[f"stage{stage}_width"],
            stride=stride,
            groups=choice[f"stage{stage}_groups"],
            expansion=choice[f"stage{stage}_expansion"],
            kernel_size=choice[f"stage{stage}_kernel"],
            options=given,
        )

    def encode(self, architecture: Architecture) -> Genes:
        """See `SearchSpace.encode`."""
        where = f"space {self.name}"
        stages = split(where, architecture.units, STAGES)
        genes: Genes = {}
        channels = architecture.stem.out_channels
        for n, stage in enumerate(stages):
            genes |= self._encode_stage(n, stages, channels)
            channels = stage.unit.out_channels
        genes["head"] = architecture.head.out_channels
        genes |= options.resolution_of(self.inputs, architecture.input)
        self.validate(genes)
        return confirmed(self, [genes], architecture)

    def _encode_stage(self, n: int, stages: Sequence[Stage], channels: int) -> Genes:
        stage, where = stages[n], f"space {self.name}, stage {n + 1}"
        following = stages[n + 1].unit if n + 1 < len(stages) else None
        fields = {
            field: option_for(where, stage, field, self.choices, channels, first=n == 0)
            for field in ("groups", "expansion", "kernel_size")
        }
        return {
            f"stage{n + 1}_kind": write_block(stage.unit.kind, stage.unit.options),
            f"stage{n + 1}_groups": fields["groups"],
            f"stage{n + 1}_width": width_for(
                where, stage.unit, channels, following, self._widths(n)
            ),
            f"stage{n + 1}_expansion": fields["expansion"],
            f"stage{n + 1}_depth": stage.depth,
            f"stage{n + 1}_kernel": fields["kernel_size"],
        }
