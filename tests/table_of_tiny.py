"""The tiny space as a table, so that whole commands run in seconds without torch."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import tiny

SPACE = Path(tiny.__file__)


def write_table(path: Path) -> Path:
    """Every combination of the tiny space's genes, with accuracy and costs by formula."""
    space = tiny.Tiny()
    rows = {}
    for combination in itertools.product(*(gene.options for gene in space.genes)):
        genes = dict(zip((gene.name for gene in space.genes), combination, strict=True))
        units = [genes[f"width{n}"] * 2 ** (n - 1) * genes[f"depth{n}"] for n in (1, 2, 3)]
        depth = sum(genes[f"depth{n}"] for n in (1, 2, 3))
        size = sum(units)
        rows["/".join(map(str, combination))] = {
            "accuracy": 0.5 + 0.4 * (1 - 200 / (200 + size)) + 0.01 * depth,
            "multiply_adds": size,
            "parameters": size,
        }
    path.write_text(json.dumps({"format": 1, "key": "genes", "rows": rows}))
    return path


def overrides(table: Path, *more: str) -> list[str]:
    """A search of the tiny space in that table, called `one`."""
    return [
        "evaluation=table",
        f"evaluation.path={table}",
        f"space.source={SPACE}:Tiny",
        "objective.multiply_adds=500",
        "tracking=none",
        "study.name=one",
        *more,
    ]
