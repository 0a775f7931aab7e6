"""MobileNeXt and the networks around it: width, identity part, and the form of each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise, product
from typing import ClassVar

from nas.architecture import Architecture, HeadSpec, StemSpec, UnitSpec
from nas.errors import SpaceError
from nas.space import Gene, Genes, Option, SearchSpace
from nas.unit_rules import make_divisible, plans, rule_of
from search_spaces import options
from search_spaces.encoding import chosen, confirmed
from search_spaces.frame import Size, frame

KIND = "sandglass"
STEM_CHANNELS = 32
LAST_CHANNELS = 1280
SANDGLASS_OPTIONS = rule_of(KIND).options


@dataclass(frozen=True)
class Row:
    """One row of the paper's table: t, c, n and s."""

    expansion: float
    channels: int
    depth: int
    stride: int


ROWS = (
    Row(2, 96, 1, 2),
    Row(6, 144, 1, 1),
    Row(6, 192, 3, 2),
    Row(6, 288, 3, 2),
    Row(6, 384, 4, 1),
    Row(6, 576, 4, 2),
    Row(6, 960, 3, 1),
    Row(6, LAST_CHANNELS, 1, 1),
)
"""The released code's table; the paper's is read as having two units of 960 channels, not three."""
PUBLISHED_WIDTHS = (0.35, 0.5, 0.75, 1.0, 1.4)
IDENTITIES = (1, 2, 3, 4)
EXPANSIONS = (2, 3, 4, 6)
DEPTHS = (1, 2, 3, 4)
KERNEL_SIZES = (3, 5, 7)


def row_channels(width: float) -> tuple[int, ...]:
    """Channels of the stem and of each row: multiples of 8, the last never below 1280."""
    scaled = [make_divisible(c * width) for c in (STEM_CHANNELS, *(r.channels for r in ROWS))]
    return (*scaled[:-1], max(LAST_CHANNELS, scaled[-1]))


def row_units(
    row: Row,
    in_channels: int,
    out_channels: int,
    stride: int,
    kernel_size: int,
    identity: int,
    offered: Sequence[float] = (),
) -> tuple[UnitSpec, ...]:
    """The units of one row, its first at `stride` (the row's own, or 1 on a small input).

    Both depthwise convolutions stand in the first unit of a row with expansion 2 and of a row of
    one unit without stride; elsewhere the unit that changes the width has the last one only, and
    none without stride. That is the released code's form; which convolutions there are follows the
    row's own stride, so a small input gets the same layers. Of the forms that build the same row
    the first is taken: expansions in the order of `offered`, "auto" before a named depthwise.
    """
    both = row.expansion == 2 or (row.depth == 1 and row.stride == 1)
    depthwise = "both" if both else "last" if row.stride == 2 else "none"

    def units(expansion: float, which: str) -> tuple[UnitSpec, ...]:
        rest = UnitSpec(KIND, out_channels, 1, 1, expansion, kernel_size, (("identity", identity),))
        opening = replace(rest, stride=stride, options=(("depthwise", which),))
        return (opening, *[rest] * (row.depth - 1))

    built = plans(units(row.expansion, depthwise), in_channels, first=False)
    for expansion, which in product((*offered, row.expansion), ("auto", depthwise)):
        form = units(expansion, which)
        if plans(form, in_channels, first=False) == built:
            return form
    raise AssertionError("the row's own form builds itself")


def mobilenext_paper(
    width: float, *, input: Size = (3, 224, 224), classes: int = 1000, identity: int = 1
) -> Architecture:
    """MobileNeXt as the paper is read: both depthwise convolutions and in/t hidden channels.

    The paper's table itself could not be read: two units of 960 channels is what several other
    implementations take from it, the released code has three.

    Reference: Zhou et al. 2020, MobileNeXt, sec. 3 and Table 1, as others implement them.
    """
    rows = [replace(row, depth=2) if row.channels == 960 else row for row in ROWS]
    shape = frame(input, strides=[row.stride for row in rows], pool=False)
    channels = row_channels(width)
    units: list[UnitSpec] = []
    for row, out, stride in zip(rows, channels[1:], shape.strides, strict=True):
        named = UnitSpec(KIND, out, expansion=row.expansion, options=(("variant", "paper"),))
        rest = replace(named, options=(*named.options, ("identity", identity)))
        units += [replace(named, stride=stride), *[rest] * (row.depth - 1)]
    return Architecture(
        input=input,
        stem=StemSpec(channels[0], stride=shape.stem_stride, pool=False, activation="relu6"),
        units=tuple(units),
        head=HeadSpec(dropout=0.2, bias=True),
        classes=classes,
    )


def mobilenext(
    width: float,
    *,
    input: Size = (3, 224, 224),
    classes: int = 1000,
    identity: int = 1,
    rows: Sequence[Row] = ROWS,
    kernel_sizes: Sequence[int] = (3,) * len(ROWS),
    offered: Sequence[float] = (),
) -> Architecture:
    """MobileNeXt at `width`, a shortcut on one `identity`-th of the channels.

    Reference: Zhou et al. 2020, MobileNeXt, and its released code: stem and pointwise convolutions
    with ReLU6, no convolution behind the last row, dropout 0.2, classifier with bias.
    """
    shape = frame(input, strides=[row.stride for row in rows], pool=False)
    channels = row_channels(width)
    units: list[UnitSpec] = []
    for n, row in enumerate(rows):
        units += row_units(
            row,
            channels[n],
            channels[n + 1],
            shape.strides[n],
            kernel_sizes[n],
            identity,
            (ROWS[n].expansion, *offered),
        )
    return Architecture(
        input=input,
        stem=StemSpec(channels[0], stride=shape.stem_stride, pool=False, activation="relu6"),
        units=tuple(units),
        head=HeadSpec(dropout=0.2, bias=True),
        classes=classes,
    )


class MobileNext(SearchSpace):
    """Networks of MobileNeXt's form: its own five, at each identity part, are points of it.

    `widths` multiply the channels of the paper's table. Expansion, depth and kernel are chosen for
    each of its eight rows.

    Raises:
        SpaceError: a list holds what no unit allows, or the input is smaller than 8x8.
    """

    name: ClassVar[str] = "mobilenext"
    citation: ClassVar[str] = "Zhou et al. 2020, MobileNeXt, arXiv:2007.02269"
    starts: ClassVar[tuple[str, ...]] = ("mobilenext_x0_35",)

    def __init__(
        self,
        *,
        input: Size = (3, 224, 224),
        classes: int = 1000,
        widths: Sequence[float] | None = None,
        expansions: Sequence[float] | None = None,
        depths: Sequence[int] | None = None,
        kernel_sizes: Sequence[int] | None = None,
        resolutions: Sequence[int] | None = None,
    ) -> None:
        super().__init__(input=input, classes=classes)
        where = f"space {self.name}"
        self.widths = options.numbers(f"{where}, widths", widths, PUBLISHED_WIDTHS, least=1 / 16)
        for width in self.widths:
            if any(one == other for one, other in pairwise(row_channels(width))):
                raise SpaceError(
                    f"{where}, widths: must leave neighbouring rows of different width; got "
                    f"{width:g}, which gives {row_channels(width)}; allowed for example from 0.2 on"
                )
        self.expansions = options.numbers(f"{where}, expansions", expansions, EXPANSIONS, least=1)
        self.depths = options.whole_numbers(f"{where}, depths", depths, DEPTHS)
        self.kernel_sizes = options.kernels(f"{where}, kernel_sizes", kernel_sizes, KERNEL_SIZES)
        self.inputs = options.inputs(where, self.input, resolutions)
        genes = [Gene("width", self.widths), Gene("identity", IDENTITIES)]
        for n in range(1, len(ROWS) + 1):
            genes.append(Gene(f"row{n}_expansion", self.expansions))
            genes.append(Gene(f"row{n}_depth", self.depths))
            genes.append(Gene(f"row{n}_kernel", self.kernel_sizes))
        self._genes = (*genes, *options.resolution_gene(self.inputs))

    @property
    def genes(self) -> tuple[Gene, ...]:
        """See `SearchSpace.genes`."""
        return self._genes

    def decode(self, genes: Mapping[str, Option]) -> Architecture:
        """See `SearchSpace.decode`."""
        choice = chosen(self, genes)
        return mobilenext(
            choice["width"],
            input=options.input_of(self.inputs, choice),
            classes=self.classes,
            identity=choice["identity"],
            rows=[
                replace(row, expansion=choice[f"row{n}_expansion"], depth=choice[f"row{n}_depth"])
                for n, row in enumerate(ROWS, 1)
            ],
            kernel_sizes=[choice[f"row{n}_kernel"] for n in range(1, len(ROWS) + 1)],
            offered=self.expansions,
        )

    def encode(self, architecture: Architecture) -> Genes:
        """See `SearchSpace.encode`."""
        widths = [w for w in self.widths if self._fits(architecture, row_channels(w))]
        if not widths:
            raise SpaceError(
                f"space {self.name}, widths: must give the stem's and the rows' channels; got "
                f"{architecture.stem.out_channels} and "
                f"{', '.join(dict.fromkeys(str(u.out_channels) for u in architecture.units))}; "
                f"allowed: those of width {', '.join(f'{w:g}' for w in self.widths)}"
            )
        given = (dict(unit.options).get("identity") for unit in architecture.units)
        genes: Genes = {
            "width": widths[0],
            "identity": next((int(value) for value in given if value), IDENTITIES[0]),
            **options.resolution_of(self.inputs, architecture.input),
        }
        genes |= self._encode_rows(architecture, row_channels(widths[0]))
        return confirmed(self, [genes], architecture)

    @staticmethod
    def _fits(architecture: Architecture, channels: Sequence[int]) -> bool:
        found = [architecture.stem.out_channels, *(u.out_channels for u in architecture.units)]
        return [width for width, _ in groupby(found)] == list(channels)

    def _encode_rows(self, architecture: Architecture, channels: Sequence[int]) -> Genes:
        genes: Genes = {}
        rows = groupby(architecture.units, key=lambda unit: unit.out_channels)
        for n, (_, members) in enumerate(rows, 1):
            units = tuple(members)
            row = replace(ROWS[n - 1], depth=len(units))
            genes |= {f"row{n}_depth": row.depth, f"row{n}_kernel": units[0].kernel_size}
            for expansion in self.expansions:
                built = row_units(
                    replace(row, expansion=expansion),
                    channels[n - 1],
                    channels[n],
                    units[0].stride,
                    units[0].kernel_size,
                    units[-1].option("identity", SANDGLASS_OPTIONS),
                    (ROWS[n - 1].expansion, *self.expansions),
                )
                if built == units:
                    genes[f"row{n}_expansion"] = expansion
                    break
            else:
                raise SpaceError(
                    f"space {self.name}, row {n}: must be as this space builds it with one of its "
                    f"expansions; got {', '.join(map(str, units))}; "
                    f"allowed: {', '.join(f'{value:g}' for value in self.expansions)}"
                )
        return genes
