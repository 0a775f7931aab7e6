"""NAS-Bench-Macro as a search space: 6,561 networks whose CIFAR-10 accuracy is in a table.

    nas search space.source=benchmarks/nasbench_macro.py:NasBenchMacro \
        evaluation=table evaluation.path=benchmarks/data/nasbench_macro.json \
        objective.multiply_adds=47.7e6

Eight layers in stages of two, three and three; each is an identity (0), an inverted residual of
expansion 3 and kernel 3 (1) or of expansion 6 and kernel 5 (2). The first layer of a stage halves
the image and doubles the width; there the identity is a 1x1 convolution of stride 2.

The published networks use ReLU in their units, the inverted residual here has MobileNetV2's ReLU6:
costs are equal, accuracy is the table's.

`python benchmarks/nasbench_macro.py SOURCE.json` makes the table from the published file
nas-bench-macro_cifar10.json (see data/README.md).

Reference: Su et al. 2021, Prioritized Architecture Sampling with Monto-Carlo Tree Search, CVPR,
sec. 5 and the released code.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from nas.architecture import Architecture, HeadSpec, StemSpec, UnitSpec
from nas.errors import SpaceError
from nas.space import Gene, Genes, Option, SearchSpace
from nas.unit_rules import PlainRule

TABLE = Path(__file__).parent / "data" / "nasbench_macro.json"
STEM_CHANNELS = 32
STAGES = (2, 3, 3)
HEAD = HeadSpec(1280, bias=True)
IDENTITY, SMALL, LARGE = 0, 1, 2
EXPANSIONS = {SMALL: 3.0, LARGE: 6.0}
KERNEL_SIZES = {SMALL: 3, LARGE: 5}
LAYERS = tuple(f"layer{number}" for number in range(1, sum(STAGES) + 1))
STARTS = (0, 2, 5)
"""Which layers halve the image."""
GENES = tuple(Gene(layer, (IDENTITY, SMALL, LARGE)) for layer in LAYERS)


def projection(*, in_channels: int, out_channels: int, stride: int, **_: Any) -> Any:
    """The identity where the size changes: a 1x1 convolution, normalised, without activation."""
    from nas.units.convolution import convolution

    return convolution(in_channels, out_channels, stride=stride)


projection.rule = PlainRule("projection")  # type: ignore[attr-defined]


@cache
def _unit(choice: int, channels: int, stride: int, folder: str) -> UnitSpec:
    """One layer; a file's unit has a name as short as the working `folder` allows."""
    if choice != IDENTITY:
        return UnitSpec(
            "inverted_residual",
            channels,
            stride,
            expansion=EXPANSIONS[choice],
            kernel_size=KERNEL_SIZES[choice],
        )
    path = Path(__file__).resolve()
    shown = path.relative_to(folder) if path.is_relative_to(folder) else path
    return UnitSpec(f"{shown}:projection", channels, stride)


class NasBenchMacro(SearchSpace):
    """Eight genes, `layer1` to `layer8`, with the options 0, 1, 2.

    The 6,561 codes are 3,969 networks: behind the first layer of a stage of three, an identity in
    front of another layer is one behind it, so that 9 codes are 7 networks (9 x 21 x 21).
    """

    name = "nasbench_macro"
    citation = "Su et al. 2021, arXiv:2103.11922"

    def __init__(self, *, input: tuple[int, int, int] = (3, 32, 32), classes: int = 10) -> None:
        super().__init__(input=input, classes=classes)

    @property
    def genes(self) -> tuple[Gene, ...]:
        return GENES

    def decode(self, genes: Mapping[str, Option]) -> Architecture:
        self.validate(genes)
        folder = os.getcwd()
        units, channels = [], STEM_CHANNELS
        for place, layer in enumerate(LAYERS):
            stride = 2 if place in STARTS else 1
            channels *= stride
            choice = int(genes[layer])
            if choice != IDENTITY or stride == 2:
                units.append(_unit(choice, channels, stride, folder))
        return Architecture(
            input=self.input,
            stem=StemSpec(STEM_CHANNELS, stride=1, pool=False),
            units=tuple(units),
            head=HEAD,
            classes=self.classes,
        )

    def encode(self, architecture: Architecture) -> Genes:
        choices: list[int] = []
        units = list(architecture.units)
        for layers in STAGES:
            stage = units[:1]
            while len(stage) < len(units) and units[len(stage)].stride == 1:
                stage.append(units[len(stage)])
            units = units[len(stage) :]
            found = [self._choice(unit) for unit in stage]
            choices += [*found, *[IDENTITY] * (layers - len(found))]
        genes: Genes = dict(zip(LAYERS, choices, strict=False))
        if len(choices) != len(LAYERS) or self.decode(genes) != architecture:
            raise SpaceError(
                f"space {self.name}: must hold the network; got {architecture.text}; allowed: "
                "three stages of inverted residuals of expansion 3 and kernel 3 or 6 and 5"
            )
        return genes

    def _choice(self, unit: UnitSpec) -> int:
        return next((c for c, size in KERNEL_SIZES.items() if unit.kernel_size == size
                     and unit.expansion == EXPANSIONS[c]), IDENTITY)  # fmt: skip


def convert(source: Path, target: Path = TABLE) -> None:
    """Write the table from the published file, the mean of three trainings as accuracy."""
    published = json.loads(source.read_text())
    rows = {
        "/".join(code): {
            "accuracy": round(row["mean_acc"] / 100, 6),
            "multiply_adds": row["flops"],
            "parameters": row["params"],
        }
        for code, row in sorted(published.items())
    }
    lines = ",\n".join(f'"{code}": {json.dumps(row)}' for code, row in rows.items())
    head = f'"format": 1, "key": "genes", "genes": {json.dumps(LAYERS)}'
    target.write_text(f'{{{head}, "rows": {{\n{lines}\n}}}}\n')


if __name__ == "__main__":
    convert(Path(sys.argv[1]))
