"""A table of block times that predicts any network of a space on the device it was measured on.

A network takes the sum of its blocks, each less what a call costs by itself, times a factor of the
block's family found on a few measured whole networks (blocks alone and blocks in a network differ,
and by family). A block that was not measured is estimated from the measured ones of its family.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls
from scipy.stats import kendalltau

from nas.architecture import Architecture
from nas.errors import DataError, MeasurementError
from nas.latency.blocks import Block, blocks_of, subjects_of
from nas.latency.instrument import Instrument
from nas.latency.levels import BLOCKS
from nas.latency.subject import Subject

FORMAT = 1
CALIBRATION = 8
CHUNK = 32
"""Networks of one interleaving: training waits no longer than these take."""

FEWEST_OF_FAMILY = 8
"""A family with fewer measured blocks than this estimates no others."""

TOWARDS_ONE = 0.02
"""Pull of the families' factors towards 1; a few networks cannot tell all of them apart."""


@dataclass(frozen=True)
class Accuracy:
    """How far predictions are off on networks that took no part in the calibration.

    `error`, `p90`: mean and 90th percentile of |prediction / measured - 1|; `within_10`: share
    within 10 %; `tau`: Kendall's rank correlation; `multiply_adds_error`: mean error of a line
    through multiply-adds, fitted on the same calibration networks.
    """

    networks: int
    error: float
    p90: float
    within_10: float
    tau: float
    multiply_adds_error: float


@dataclass(frozen=True)
class Prediction:
    """Milliseconds on the table's target; `estimated` is the share in blocks not measured."""

    ms: float
    ratio: float
    estimated: float


@dataclass(frozen=True)
class BlockTable:
    """Block times of one target beside one reference network; see the module.

    Units: blocks: ratio to the reference network; overhead: that of an empty call.
    """

    target: str
    reference: str
    reference_ms: float
    overhead: float
    blocks: dict[str, float]
    factors: dict[str, float]
    estimates: dict[str, tuple[float, ...]]
    accuracy: Accuracy
    conditions: dict[str, Any] = field(default_factory=dict)

    def predict(self, architecture: Architecture) -> Prediction | None:
        """The latency of a network, in well under 1 ms; None if a block's family is unknown."""
        total, guessed = self.overhead, 0.0
        for block in blocks_of(architecture):
            time = self.blocks.get(block.key)
            if time is None:
                weights = self.estimates.get(block.family)
                if weights is None:
                    return None
                time = _estimate(weights, block)
                guessed += self.factors.get(block.family, 1.0) * time
            total += self.factors.get(block.family, 1.0) * time
        return Prediction(total * self.reference_ms, total, guessed / total)

    def write(self, path: Path) -> None:
        """Write it as JSON, whole or not at all."""
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        beside.write_text(json.dumps({"format": FORMAT, **asdict(self)}))
        beside.replace(path)

    @classmethod
    def read(cls, path: Path) -> BlockTable:
        """The way back from `write`.

        Raises:
            DataError: no such file, or it is damaged or of another version.
        """
        try:
            value = json.loads(path.read_text())
            if value.pop("format") != FORMAT:
                raise ValueError("another format")
            value["accuracy"] = Accuracy(**value["accuracy"])
            value["estimates"] = {k: tuple(v) for k, v in value["estimates"].items()}
            return cls(**value)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path}: must be a table of block times; got {type(error).__name__}: {error}; "
                "allowed: a file that nas latency --table wrote"
            ) from error


def table_path(folder: Path, target: str, space: str) -> Path:
    """Where the table of a target (its key) and a space (its fingerprint) is stored."""
    digest = hashlib.sha256(f"{target} {space}".encode()).hexdigest()[:16]
    return folder / "latency_tables" / f"{digest}.json"


def build_table(
    instrument: Instrument,
    networks: Sequence[Architecture],
    *,
    multiply_adds: Sequence[float],
    calibration: int = CALIBRATION,
) -> BlockTable:
    """Measure every distinct block of the networks, and the networks.

    The first `calibration` of them set the families' factors, all others test the predictions.

    Raises:
        MeasurementError: too few networks, or one cannot be measured.
    """
    if len(networks) < calibration + 2:
        raise MeasurementError(
            f"block table: needs networks to calibrate and to test; got {len(networks)}; allowed "
            f"from {calibration + 2} on"
        )
    parts = subjects_of(networks)
    empty = Subject("block-empty", (1, 1, 1), _identity)
    wanted: list[Architecture | Subject] = [empty, *(one for _, one in parts.values()), *networks]
    ratios = []
    for start in range(0, len(wanted), CHUNK):
        found = instrument.measure_many(wanted[start : start + CHUNK], level=BLOCKS)
        ratios += [one.ratio for one in found]
    overhead, whole = ratios[0], np.array(ratios[-len(networks) :])
    times = {
        key: max(ratio - overhead, 0.0)
        for key, ratio in zip(parts, ratios[1 : 1 + len(parts)], strict=True)
    }
    sums = [_sums(network, times) for network in networks]
    factors = _factors(sums[:calibration], whole[:calibration], overhead)
    reference = instrument.reference
    predicted = np.array([overhead + sum(factors[f] * s for f, s in one.items()) for one in sums])
    costs = np.asarray(multiply_adds, float)
    return BlockTable(
        target=instrument.target.key,
        reference=reference.reference,
        reference_ms=reference.ms,
        overhead=overhead,
        blocks=times,
        factors=factors,
        estimates=_estimates([block for block, _ in parts.values()], times),
        accuracy=_accuracy(predicted, whole, costs, calibration),
        conditions=reference.conditions,
    )


def _identity() -> Any:
    from torch import nn

    return nn.Identity()


def _sums(network: Architecture, times: Mapping[str, float]) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for block in blocks_of(network):
        sums[block.family] += times[block.key]
    return dict(sums)


def _factors(sums: Sequence[Mapping[str, float]], whole: Any, overhead: float) -> dict[str, float]:
    """Factor of each family, by least squares of the relative error, drawn towards 1."""
    families = sorted({family for one in sums for family in one})
    rows = np.array([[one.get(family, 0.0) for family in families] for one in sums])
    rows = rows / whole[:, None]
    wanted = 1 - overhead / whole
    pull = np.sqrt(TOWARDS_ONE) * np.eye(len(families))
    solved, _ = nnls(np.vstack([rows, pull]), np.concatenate([wanted, pull.sum(axis=1)]))
    return dict(zip(families, map(float, solved), strict=True))


def _estimates(blocks: Sequence[Block], times: Mapping[str, float]) -> dict[str, tuple[float, ...]]:
    """Weights of a block's features in each family with enough measured blocks."""
    by_family: dict[str, list[Block]] = defaultdict(list)
    for block in blocks:
        if times[block.key] > 0:
            by_family[block.family].append(block)
    found = {}
    for family, members in by_family.items():
        if len(members) >= FEWEST_OF_FAMILY:
            measured = np.array([times[one.key] for one in members])
            rows = np.array([one.features() for one in members]) / measured[:, None]
            weights, _ = nnls(rows, np.ones(len(members)))
            found[family] = tuple(map(float, weights))
    return found


def _estimate(weights: Sequence[float], block: Block) -> float:
    return sum(w * f for w, f in zip(weights, block.features(), strict=True))


def _accuracy(predicted: Any, whole: Any, costs: Any, calibration: int) -> Accuracy:
    errors = np.abs(predicted / whole - 1)[calibration:]
    line = np.stack([np.ones(len(costs)), costs / costs.mean()], axis=1)
    seen = whole[:calibration, None]
    weights, _ = nnls(line[:calibration] / seen, np.ones(calibration))
    fitted = np.abs(line @ weights / whole - 1)[calibration:]
    return Accuracy(
        networks=len(errors),
        error=float(errors.mean()),
        p90=float(np.quantile(errors, 0.9)),
        within_10=float((errors <= 0.1).mean()),
        tau=float(kendalltau(predicted[calibration:], whole[calibration:]).statistic),
        multiply_adds_error=float(fitted.mean()),
    )
