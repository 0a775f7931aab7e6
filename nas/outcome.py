"""The values that are written down: what a candidate costs, how fast and how accurate it is.

Each is frozen, has units in its names, and has a JSON form both ways; they are stored in Optuna's
trial attributes and are all that tracking, reports and exports are made from.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from nas.architecture import Architecture


class _Json:
    """to_json and from_json for flat frozen dataclasses; unknown keys of a newer form are left."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]  # every heir is a dataclass

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The way back from `to_json`."""
        names = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        return cls(**{k: _tuples(v) for k, v in value.items() if k in names})


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


@dataclass(frozen=True)
class LayerCost:
    """One layer of a network, as counted.

    Units:
        multiply_adds, parameters: numbers; memory_access: elements (input read, output written,
        weights read; Ma et al. 2018, ShuffleNet V2, sec. 2); receptive_field: pixels along a side
        of the image, 0 where only a part of a network was looked at.
    """

    name: str
    kind: str
    input: tuple[int, ...]
    output: tuple[int, ...]
    kernel_size: int
    stride: int
    groups: int
    multiply_adds: int
    parameters: int
    memory_access: int
    receptive_field: int = 0


@dataclass(frozen=True)
class Costs(_Json):
    """What was counted for one image; `uncounted` names the operations without a rule.

    `memory_access` is None where it is not known: a table does not tell it.
    """

    multiply_adds: int
    parameters: int
    memory_access: int | None
    uncounted: tuple[str, ...] = ()


LatencyStatus = Literal["RESOLVED", "UNRESOLVED"]


@dataclass(frozen=True)
class Latency(_Json):
    """A measured latency; never a bare number.

    Units:
        ms, low, high, reference_ms: wall-clock milliseconds of one call; ratio, ratio_low,
        ratio_high: to the reference network measured beside it; seconds: spent measuring.

    `target` is the text key of the target, `reference` the fingerprint of the network whose ratio
    this is (empty where it was measured beside none: the ratio then says nothing), `conditions`
    what the machine was and what disturbed it.
    """

    ms: float
    low: float
    high: float
    ratio: float
    ratio_low: float
    ratio_high: float
    statistic: str
    clock: str
    status: LatencyStatus
    target: str
    reference: str
    reference_ms: float
    rounds: int
    processes: int
    seconds: float
    conditions: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Certificate:
    """What fresh processes found for one network at the end of a study.

    Units:
        p50_ms, p95_ms, p99_ms: wall clock of single calls, all processes together, disturbed ones
        too; cold_ms: the first call in a fresh process (median over processes); sustained_ms: the
        median call at the end of `sustained_seconds` of all certified networks in turn.

    `sustained_ratio` is to the reference under the same load. `verdict` is kept, broken or
    unresolved where there was a limit, else empty; `within` says whether the value itself keeps the
    limits, wherever its interval ends, `sustained_within` whether that under load does.
    """

    name: str
    latency: Latency
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cold_ms: float
    sustained_ms: float
    sustained_ratio: float
    verdict: str = ""
    within: bool = True
    sustained_seconds: float = 0.0
    sustained_within: bool = True

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Certificate:
        """The way back from `to_json`."""
        return cls(**{**value, "latency": Latency.from_json(value["latency"])})


@dataclass(frozen=True)
class EpochResult(_Json):
    """One epoch of training: validation accuracy (0..1) and training loss at its end.

    `rung` is that of a training on a part of the budget, None where it has all of it.
    """

    epoch: int
    accuracy: float
    loss: float
    seconds: float
    rung: int | None = None


@dataclass(frozen=True)
class RungResult(_Json):
    """What a candidate reached on one rung, in one complete training of so many epochs."""

    epochs: int
    accuracy: float
    seconds: float
    score: float | None = None


@dataclass(frozen=True)
class Evaluation(_Json):
    """What training found.

    Units:
        accuracy: share of the validation images, 0..1; seconds: wall clock of the training alone,
        on all rungs together, 0 where it was looked up.

    Where candidates climb rungs, `rungs` tells what each one reached, the lowest first, and `rung`
    is the one at which the candidate ended below the whole budget: what is told then is of that.
    `score` is the study's metric of the validation images where that is not plain accuracy.
    """

    accuracy: float
    loss: float
    seconds: float
    seed: int
    epochs: tuple[EpochResult, ...] = ()
    conditions: dict[str, Any] = field(default_factory=dict)
    rung: int | None = None
    rungs: tuple[RungResult, ...] = ()
    score: float | None = None

    @property
    def value(self) -> float:
        """What the study compares candidates by, 0..1."""
        return self.accuracy if self.score is None else self.score

    @property
    def whole(self) -> bool:
        """Whether it had the whole budget; only then it may win."""
        return self.rung is None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The way back from `to_json`."""
        fields = dict(value)
        epochs = tuple(EpochResult.from_json(e) for e in fields.pop("epochs", ()))
        rungs = tuple(RungResult.from_json(r) for r in fields.pop("rungs", ()))
        return cls(**fields, epochs=epochs, rungs=rungs)


OutcomeKind = Literal["evaluated", "refused", "repeated", "failed"]


@dataclass(frozen=True)
class Outcome:
    """How a proposal ended.

    `violations` is ln(value / limit) per limit that is known, above 0 where it is broken;
    `feasible` means that every limit is known and kept; `unresolved` that a latency was measured up
    to its budget and its interval still reaches over its limit, not beyond. `repeats` is the number
    of the trial a repeated one was answered from. `failure` is the kind of a failure: its stage and
    error. `seconds` says where the time went, by stage: counting, measuring, training.
    `certificate` is there for the best of a study, once it has ended.
    """

    kind: OutcomeKind
    architecture: Architecture
    costs: Costs | None = None
    latency: Latency | None = None
    evaluation: Evaluation | None = None
    violations: dict[str, float] = field(default_factory=dict)
    feasible: bool = False
    unresolved: bool = False
    reason: str = ""
    failure: str = ""
    repeats: int | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    certificate: Certificate | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "kind": self.kind,
            "architecture": self.architecture.to_json(),
            "costs": self.costs and self.costs.to_json(),
            "latency": self.latency and self.latency.to_json(),
            "evaluation": self.evaluation and self.evaluation.to_json(),
            "violations": dict(self.violations),
            "feasible": self.feasible,
            "unresolved": self.unresolved,
            "reason": self.reason,
            "failure": self.failure,
            "repeats": self.repeats,
            "seconds": dict(self.seconds),
            "certificate": self.certificate and self.certificate.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Outcome:
        """The way back from `to_json`."""
        fields = dict(value)
        fields["architecture"] = Architecture.from_json(fields["architecture"])
        for name, kind in (("costs", Costs), ("latency", Latency), ("evaluation", Evaluation)):
            if fields[name] is not None:
                fields[name] = kind.from_json(fields[name])
        if fields.get("certificate") is not None:
            fields["certificate"] = Certificate.from_json(fields["certificate"])
        return cls(**fields)


def as_certified(outcome: Outcome) -> Outcome:
    """An outcome with its certified latency in the place of the search's, if it has one."""
    certificate = outcome.certificate
    return dataclasses.replace(outcome, latency=certificate.latency) if certificate else outcome


@dataclass(frozen=True)
class TrialRecord:
    """One trial of a study as everybody outside Optuna sees it.

    `outcome` is None while the trial runs. Times are seconds since 1970.
    """

    number: int
    genes: dict[str, str | int | float]
    architecture: Architecture
    started: float
    finished: float | None = None
    outcome: Outcome | None = None
