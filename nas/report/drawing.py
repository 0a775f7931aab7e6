"""Networks stage by stage, side by side, as SVG inside the page: it needs no script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from nas.architecture import Architecture, UnitSpec
from nas.report.chart import Table
from nas.tracking.labels import option_words

WIDTH, ROW, GAP, HEAD = 320, 36, 6, 30
NARROW, WIDE = 130, 310
"""Pixels of a box: of no channels, and of the widest layer of all networks drawn together. The
width goes with the root of the channels: a head has ten times those of a stage."""


@dataclass(frozen=True)
class Block:
    """Equal units one after the other, as one box. `size` is (height, width) behind it."""

    kind: str
    channels: int
    times: int
    words: str
    size: tuple[int, int]
    strided: bool


def blocks(architecture: Architecture) -> list[Block]:
    """The boxes of a network, from its stem to its classifier."""
    stem = architecture.stem
    words = "3x3" + (", pool" if stem.pool else "") + (", /2" if stem.stride == 2 else "")
    found = [Block("stem", stem.out_channels, 1, words, architecture.sizes[0], stem.stride == 2)]
    last: UnitSpec | None = None
    for unit, size in zip(architecture.units, architecture.sizes[1:], strict=True):
        same = last is not None and _same(unit, last)
        if same and unit.stride == 1:
            before = found[-1]
            found[-1] = Block(
                before.kind, before.channels, before.times + 1, before.words, size, before.strided
            )
        else:
            kind = unit.kind.rpartition(":")[2]
            found.append(Block(kind, unit.out_channels, 1, _words(unit), size, unit.stride == 2))
        last = unit
    head = architecture.head.out_channels
    if head:
        found.append(Block("head", head, 1, "1x1", architecture.sizes[-1], False))
    found.append(Block("classes", architecture.classes, 1, "pooled, linear", (1, 1), False))
    return found


def _same(unit: UnitSpec, other: UnitSpec) -> bool:
    fields = ("kind", "out_channels", "groups", "expansion", "kernel_size", "options")
    return all(getattr(unit, name) == getattr(other, name) for name in fields)


def _words(unit: UnitSpec) -> str:
    words = [f"{unit.kernel_size}x{unit.kernel_size}"]
    words += [f"{unit.groups} groups"] if unit.groups > 1 else []
    words += [f"x{unit.expansion:g}"] if unit.expansion != 1 else []
    words += ["/2"] if unit.stride == 2 else []
    words += option_words(unit)
    return ", ".join(words)


def drawing(networks: Sequence[tuple[str, Architecture]]) -> str:
    """An SVG element a network, on one scale; a narrow page shows them one below the other."""
    columns = [(name, blocks(architecture)) for name, architecture in networks]
    widest = max(block.channels for _, found in columns for block in found)
    parts = [_column(name, found, widest) for name, found in columns]
    return f'<div class="networks">{"".join(parts)}</div>'


def _column(name: str, found: Sequence[Block], widest: int) -> str:
    middle, height = WIDTH / 2, HEAD + len(found) * (ROW + GAP) + GAP
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img" '
        f'aria-label="{escape(name)}, stage by stage; the same is in the table below">'
        f'<text class="network" x="{middle}" y="18">{escape(name)}</text>'
    ]
    for n, block in enumerate(found):
        top = HEAD + n * (ROW + GAP)
        width = NARROW + (WIDE - NARROW) * math.sqrt(block.channels / widest)
        parts.append(
            f'<g><title>{escape(_sentence(block))}</title><rect class="{_class(block)}" '
            f'x="{middle - width / 2:.1f}" y="{top}" width="{width:.1f}" height="{ROW}" rx="5"/>'
            f'<text class="kind" x="{middle}" y="{top + 15}">{escape(_label(block))}</text>'
            f'<text class="fine" x="{middle}" y="{top + 29}">{escape(block.words)}</text></g>'
        )
    return "".join([*parts, "</svg>"])


def _label(block: Block) -> str:
    times = f" x{block.times}" if block.times > 1 else ""
    return f"{block.kind.removeprefix('shuffle_')} {block.channels}{times}"


def _sentence(block: Block) -> str:
    return (
        f"{block.times} x {block.kind}, {block.channels} channels, {block.words}, "
        f"{block.size[0]}x{block.size[1]} pixels behind it"
    )


def _class(block: Block) -> str:
    known = {"shuffle_v1": "one", "shuffle_v2": "two", "sandglass": "three"}
    plain = "plain" if block.kind in ("stem", "head", "classes") else "four"
    return known.get(block.kind, plain) + (" strided" if block.strided else "")


def block_table(networks: Sequence[tuple[str, Architecture]]) -> Table:
    """The same as rows."""
    rows = [
        (
            name,
            block.kind,
            str(block.times),
            str(block.channels),
            block.words,
            f"{block.size[0]}x{block.size[1]}",
        )
        for name, architecture in networks
        for block in blocks(architecture)
    ]
    return Table(("network", "block", "times", "channels", "how", "pixels behind"), tuple(rows))
