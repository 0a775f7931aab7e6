"""Accuracy, and where given costs and latency, looked up in a file instead of found.

    {"format": 1, "key": "genes", "genes": ["depth", "width"],
     "rows": {"2/0.5": {"accuracy": 0.91, "multiply_adds": 1000000, "latency_ms": 3.1}, ...}}

Under the key `genes` a row's name holds the options of all genes joined by "/", in the order of
`genes` or, where the file does not say, in the order of the space; under the key `fingerprint` it
is the fingerprint of the architecture.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.errors import DataError
from nas.space import Option

FORMAT = 1
KEYS = ("genes", "fingerprint")


@dataclass(frozen=True)
class Row:
    """What the table knows of one network.

    Units:
        accuracy: 0..1; multiply_adds, parameters: numbers; latency_ms: milliseconds.
    """

    accuracy: float
    multiply_adds: int | None = None
    parameters: int | None = None
    latency_ms: float | None = None


@dataclass(frozen=True, eq=False)
class Table:
    """Rows by genes or by fingerprint."""

    path: Path
    key: str
    rows: Mapping[str, Mapping[str, Any]]
    genes: tuple[str, ...] | None = None

    @property
    def has_latency(self) -> bool:
        """Whether every row gives a latency."""
        return all(row.get("latency_ms") is not None for row in self.rows.values())

    @classmethod
    def load(cls, path: Path) -> Table:
        """The table in a file.

        Raises:
            DataError: the file is missing, damaged, of another format or without rows.
        """
        value = _read(Path(path))
        if value.get("format") != FORMAT:
            raise _damaged(path, f"its format must be {FORMAT}, not {value.get('format')!r}")
        if value.get("key") not in KEYS:
            raise _damaged(
                path, f"its key must be one of {', '.join(KEYS)}, not {value.get('key')!r}"
            )
        rows, genes = value.get("rows"), value.get("genes")
        if not isinstance(rows, dict) or not rows:
            raise _damaged(path, "its rows must be an object with a row a network")
        if genes is not None and not (
            isinstance(genes, list) and all(isinstance(name, str) for name in genes)
        ):
            raise _damaged(path, f"its genes must be a list of names, not {genes!r}")
        return cls(Path(path), value["key"], rows, tuple(genes) if genes else None)

    def row(self, genes: Mapping[str, Option], fingerprint: str) -> Row:
        """What the table knows of the network with these genes and this fingerprint.

        Raises:
            DataError: it has no such row, or the row is damaged.
        """
        name = self._name(genes) if self.key == "genes" else fingerprint
        row = self.rows.get(name)
        if row is None:
            raise DataError(
                f"evaluation.path: the table must hold every network of the space; got none for "
                f"{self.key} {name!r} in {self.path} of {len(self.rows)} rows, the first "
                f"{next(iter(self.rows))!r}; allowed: a table made for this space"
            )
        where = f"row {name!r}"
        if not isinstance(row, dict):
            raise _damaged(self.path, f"{where} must be an object, not {row!r}")
        accuracy = _number(self.path, row, where, "accuracy")
        if accuracy is None or accuracy > 1:
            raise _damaged(self.path, f"{where} must have an accuracy of 0..1, not {accuracy}")
        multiply_adds = _number(self.path, row, where, "multiply_adds")
        parameters = _number(self.path, row, where, "parameters")
        return Row(
            accuracy=accuracy,
            multiply_adds=None if multiply_adds is None else int(multiply_adds),
            parameters=None if parameters is None else int(parameters),
            latency_ms=_number(self.path, row, where, "latency_ms"),
        )

    def _name(self, genes: Mapping[str, Option]) -> str:
        order = self.genes or tuple(genes)
        if set(order) != set(genes):
            raise DataError(
                f"evaluation.path: table and space must have the same genes; got "
                f"{', '.join(order)} in {self.path}; the space has {', '.join(genes)}"
            )
        return "/".join(str(genes[name]) for name in order)


def wait(*, seconds: float, report: Callable[..., None]) -> None:
    """What a worker does in the place of training: so many seconds of nothing."""
    time.sleep(seconds)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise DataError(f"evaluation.path: no such file; got {str(path)!r}; allowed: a table.json")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(value, dict):
        raise _damaged(path, f"it must be an object, not {type(value).__name__}")
    return value


def _number(path: Path, row: Mapping[str, Any], where: str, name: str) -> float | None:
    value = row.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _damaged(path, f"{where}, {name}: must be a number, not {value!r}")
    if not math.isfinite(value) or value < 0:
        raise _damaged(path, f"{where}, {name}: must be 0 or more, not {value}")
    return value


def _damaged(path: Path, what: str) -> DataError:
    return DataError(
        f"evaluation.path: must be a table that can be read; got {path}: {what}; allowed: "
        f'{{"format": {FORMAT}, "key": "genes", "rows": {{"2/0.5": {{"accuracy": 0.91}}}}}}'
    )
