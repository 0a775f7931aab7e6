"""Networks side by side: on one target, or under several runtimes with their rank agreement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from scipy.stats import kendalltau

from nas.architecture import Architecture
from nas.errors import MeasurementError
from nas.latency.instrument import Instrument
from nas.latency.levels import DECIDE, Level
from nas.latency.subject import Subject
from nas.latency.target import Target
from nas.outcome import Latency

Network = Architecture | Subject


@dataclass(frozen=True)
class Measured:
    """One network of a comparison; rank 1 is the fastest."""

    name: str
    latency: Latency
    rank: int
    multiply_adds: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, the latency's beside the name."""
        return {
            "name": self.name,
            **self.latency.to_json(),
            "rank": self.rank,
            "multiply_adds": self.multiply_adds,
        }


@dataclass(frozen=True)
class SideBySide:
    """Networks on one target, in the order given; ratios are to the first."""

    target: Target
    networks: tuple[Measured, ...]

    def to_json(self) -> dict[str, Any]:
        """`{"target": {...}, "networks": [{"name", "ms", "low", "high", "ratio", ...}]}`."""
        return {
            "target": self.target.to_json(),
            "networks": [one.to_json() for one in self.networks],
        }


@dataclass(frozen=True)
class Agreement:
    """Kendall's rank correlation of two orders; `between` names them."""

    between: tuple[str, str]
    tau: float


@dataclass(frozen=True)
class Refused:
    """A runtime that could not take all of the networks, and why."""

    runtime: str
    reason: str


@dataclass(frozen=True)
class Comparison:
    """The same networks under several runtimes.

    `agreements` holds each pair of runtimes, and each runtime with multiply-adds where those are
    known. Milliseconds of two targets are never mixed: only their orders are compared. `refused`
    are left out of both.
    """

    targets: tuple[SideBySide, ...]
    agreements: tuple[Agreement, ...]
    refused: tuple[Refused, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "targets": [one.to_json() for one in self.targets],
            "agreements": [asdict(one) for one in self.agreements],
            "refused": [asdict(one) for one in self.refused],
        }


def side_by_side(
    target: Target,
    networks: Sequence[tuple[str, Network]],
    *,
    multiply_adds: Mapping[str, int] | None = None,
    level: Level = DECIDE,
    statistic: str = "median",
    folder: Path | None = None,
) -> SideBySide:
    """Measure named networks in one interleaving, the first being the reference.

    All are measured, whatever the store of `folder` knows, and written down there.

    Raises:
        MeasurementError: one of them cannot be measured on the target.
    """
    modules = [network for _, network in networks]
    with Instrument(
        target,
        reference=modules[0],
        level=level,
        statistic=statistic,
        folder=folder,
        recalls=False,
    ) as instrument:
        found = instrument.measure_many(modules)
    order = sorted(one.ms for one in found)
    known = multiply_adds or {}
    return SideBySide(
        target,
        tuple(
            Measured(name, latency, order.index(latency.ms) + 1, known.get(name))
            for (name, _), latency in zip(networks, found, strict=True)
        ),
    )


def compare(
    targets: Sequence[Target],
    networks: Sequence[tuple[str, Network]],
    *,
    multiply_adds: Mapping[str, int] | None = None,
    level: Level = DECIDE,
    statistic: str = "median",
    folder: Path | None = None,
) -> Comparison:
    """The same networks on each target, one target after the other, and how the ranks agree.

    Raises:
        MeasurementError: no target can measure all of them.
    """
    sides, refused = [], []
    for number, target in enumerate(targets, start=1):
        try:
            sides.append(
                side_by_side(
                    target,
                    networks,
                    multiply_adds=multiply_adds,
                    level=level,
                    statistic=statistic,
                    folder=folder,
                )
            )
        except MeasurementError as error:
            if number == len(targets) and not sides:
                raise
            words = [str(error), *getattr(error, "__notes__", ())]
            refused.append(Refused(target.runtime, "; ".join(words)))
    orders: dict[str, list[float]] = {
        side.target.runtime: [one.latency.ms for one in side.networks] for side in sides
    }
    if multiply_adds and all(name in multiply_adds for name, _ in networks):
        orders["multiply-adds"] = [float(multiply_adds[name]) for name, _ in networks]
    return Comparison(tuple(sides), agreements(orders), tuple(refused))


def agreements(orders: Mapping[str, Sequence[float]]) -> tuple[Agreement, ...]:
    """Kendall's tau of every two of these orders of the same things."""
    return tuple(
        Agreement((one, other), float(kendalltau(orders[one], orders[other]).statistic))
        for one, other in combinations(orders, 2)
    )
