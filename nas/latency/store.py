"""Every measurement, kept: `runs/latency.db`.

A row holds the target, the network, the reference it was measured beside, the versions, the
`Latency` as JSON and, compressed, the raw times of every call and what the machine was each round.
"""

from __future__ import annotations

import json
import math
import sqlite3
import time
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.errors import MeasurementError
from nas.latency.deviation import Invocations, Spread
from nas.latency.protocol import Group, Sample
from nas.outcome import Latency

FORMAT = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS measurements (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, target TEXT NOT NULL, network TEXT NOT NULL,
    reference TEXT NOT NULL, statistic TEXT NOT NULL, level TEXT NOT NULL, versions TEXT NOT NULL,
    latency TEXT NOT NULL, raw BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS found_by ON measurements (target, network, reference, statistic);
CREATE TABLE IF NOT EXISTS spreads (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, target TEXT NOT NULL, squares REAL NOT NULL,
    within REAL NOT NULL, freedom INTEGER NOT NULL
);
"""

APART_SECONDS = 300.0
"""Invocations sooner after another one share its clock and its neighbours: they count once."""


@dataclass(frozen=True)
class Stored:
    """A measurement from the store; `at` in seconds since 1970."""

    at: float
    latency: Latency


class Store:
    """The measurements of a folder of studies. `notes` says what had to be told about it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "latency.db"
        self.notes: list[str] = []
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise self._unusable(error) from error
            self._set_aside(error)
            self._prepare()

    def _prepare(self) -> None:
        with self._open() as connection:
            damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if damage != "ok":
                raise sqlite3.DatabaseError(damage)
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > FORMAT:
                raise MeasurementError(
                    f"{self.path}: this version reads format {FORMAT}; got {version}; allowed: a "
                    "newer latency-nas, which wrote it, or another study.folder"
                )
            connection.executescript(SCHEMA)
            connection.execute(f"PRAGMA user_version = {FORMAT}")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        # Opened for each use: nothing to inherit by a forked process, nothing to lose by a kill.
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.path, timeout=30)) as connection, connection:
            yield connection

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        aside = self.path.with_name(f"{self.path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
        try:
            self.path.rename(aside)
        except OSError as problem:
            raise self._unusable(problem) from problem
        self.notes.append(
            f"{self.path} was damaged ({error}); it is kept as {aside.name} and measurements start "
            "anew"
        )

    def _unusable(self, error: Exception) -> MeasurementError:
        return MeasurementError(
            f"{self.path}: the store of measurements must be readable and writable; got {error}; "
            "allowed: another study.folder"
        )

    def add(
        self,
        latency: Latency,
        *,
        network: str,
        level: str,
        versions: Mapping[str, str],
        samples: Sequence[Sequence[Sample]],
        states: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Keep a measurement, with what the machine was in each round.

        Raises:
            MeasurementError: it cannot be written.
        """
        raw = {"samples": [[_raw(one) for one in run] for run in samples], "states": list(states)}
        row = (
            time.time(),
            latency.target,
            network,
            latency.reference,
            latency.statistic,
            level,
            json.dumps(versions, sort_keys=True),
            json.dumps(latency.to_json()),
            zlib.compress(json.dumps(raw).encode()),
        )
        names = "at, target, network, reference, statistic, level, versions, latency, raw"
        with self._told(), self._open() as connection:
            connection.execute(
                f"INSERT INTO measurements ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row
            )

    def latest(
        self,
        *,
        target: str,
        network: str,
        reference: str,
        statistic: str,
        versions: Mapping[str, str],
    ) -> Stored | None:
        """The newest measurement under exactly these circumstances."""
        query = (
            "SELECT at, latency FROM measurements WHERE target = ? AND network = ? AND "
            "reference = ? AND statistic = ? AND versions = ? ORDER BY at DESC LIMIT 1"
        )
        values = (target, network, reference, statistic, json.dumps(versions, sort_keys=True))
        with self._told(), self._open() as connection:
            row = connection.execute(query, values).fetchone()
        return Stored(row[0], Latency.from_json(json.loads(row[1]))) if row else None

    def raw(self, *, target: str, network: str) -> list[list[Sample]]:
        """The samples of the newest measurement of a network, process by process."""
        query = (
            "SELECT raw FROM measurements WHERE target = ? AND network = ? ORDER BY at DESC LIMIT 1"
        )
        with self._told(), self._open() as connection:
            row = connection.execute(query, (target, network)).fetchone()
        if row is None:
            return []
        value = json.loads(zlib.decompress(row[0]))
        samples = value if isinstance(value, list) else value["samples"]  # before there were states
        return [[_sample(one) for one in process] for process in samples]

    def known(
        self, *, target: str, reference: str, statistic: str, versions: Mapping[str, str]
    ) -> int:
        """How many networks have a measurement under exactly these circumstances."""
        query = (
            "SELECT count(DISTINCT network) FROM measurements WHERE target = ? AND "
            "reference = ? AND statistic = ? AND versions = ?"
        )
        values = (target, reference, statistic, json.dumps(versions, sort_keys=True))
        with self._told(), self._open() as connection:
            number: int = connection.execute(query, values).fetchone()[0]
        return number

    def count(self) -> int:
        """How many measurements there are."""
        with self._told(), self._open() as connection:
            number: int = connection.execute("SELECT count(*) FROM measurements").fetchone()[0]
        return number

    def add_spread(self, target: str, spread: Spread) -> None:
        """Keep what a network's processes said about the deviation between processes."""
        row = (time.time(), target, spread.squares, spread.within, spread.freedom)
        with self._told(), self._open() as connection:
            connection.execute(
                "INSERT INTO spreads (at, target, squares, within, freedom) VALUES (?, ?, ?, ?, ?)",
                row,
            )

    def spread(self, target: str) -> Spread:
        """All of those together."""
        query = "SELECT sum(squares), sum(within), sum(freedom) FROM spreads WHERE target = ?"
        with self._told(), self._open() as connection:
            squares, within, freedom = connection.execute(query, (target,)).fetchone()
        return Spread(squares or 0.0, within or 0.0, freedom or 0)

    def invocations(self, target: str, statistic: str) -> Invocations:
        """What the invocations so far said of the reference networks, each of which begins one.

        Pooled over reference networks and versions, each about its own mean. Only those that are
        named by a fingerprint count: under any other word another network may stand tomorrow.
        """
        query = (
            "SELECT reference, versions, at, latency FROM measurements WHERE target = ? AND "
            "statistic = ? AND network = reference AND length(reference) = 16 AND "
            "reference NOT GLOB '*[^0-9a-f]*' ORDER BY at"
        )
        with self._told(), self._open() as connection:
            rows = connection.execute(query, (target, statistic)).fetchall()
        latest: dict[tuple[str, str], float] = {}
        kept: dict[tuple[str, str], list[float]] = defaultdict(list)
        disturbed = 0
        for reference, versions, at, text in rows:
            key, found = (reference, versions), Latency.from_json(json.loads(text))
            if at - latest.get(key, -math.inf) >= APART_SECONDS:
                latest[key] = at
                kept[key].append(math.log(found.reference_ms))
                disturbed += not found.conditions.get("gated", True)
        squares, freedom, number = 0.0, 0, 0
        for values in kept.values():
            mean = sum(values) / len(values)
            squares += sum((one - mean) ** 2 for one in values)
            freedom += len(values) - 1
            number += len(values)
        return Invocations(squares, freedom, disturbed, number)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._unusable(error) from error


def _raw(sample: Sample) -> list[Any]:
    def group(value: Group) -> list[Any]:
        return [value.clocks, value.switches, value.faults, value.walls]

    return [
        sample.name,
        group(sample.before),
        [group(one) for one in sample.calls],
        group(sample.after),
    ]


def _sample(value: Sequence[Any]) -> Sample:
    def group(raw: Sequence[Any]) -> Group:
        return Group(tuple(raw[0]), raw[1], raw[2], tuple(raw[3]))

    name, before, calls, after = value
    return Sample(name, group(before), tuple(group(one) for one in calls), group(after))
