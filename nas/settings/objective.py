"""What is searched for, and where accuracy comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from nas.settings.checks import at_least, fail, one_of

OBJECTIVES = ("constrained", "pareto", "weighted")
EVALUATIONS = ("full", "rungs", "table")
METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "top5")
QUANTITIES = ("accuracy", "latency", "multiply_adds", "parameters")
LIMIT_PAIRS = (
    ("latency_ms", "latency_of"),
    ("multiply_adds", "multiply_adds_of"),
    ("parameters", "parameters_of"),
)
"""A limit is a number or the name of a network."""


@dataclass(frozen=True)
class ObjectiveSettings:
    """What is searched for, under which limits.

    With no limit named at all, latency and multiply-adds of `reference` are the limits of
    `constrained` and `weighted`. `quantities` are the objectives of `pareto`. `metric` is what
    accuracy means: of the validation images while searching, of the test images at the end.
    """

    name: str = "constrained"
    metric: str = "accuracy"
    reference: str = "shufflenet_v2_x0_5"
    latency_ms: float | None = None
    latency_of: str | None = None
    multiply_adds: float | None = None
    multiply_adds_of: str | None = None
    parameters: float | None = None
    parameters_of: str | None = None
    latency_statistic: str = "median"
    quantities: list[str] = field(default_factory=lambda: list(QUANTITIES[:3]))
    latency_exponent: float = -0.07
    multiply_adds_exponent: float = -0.07

    def __post_init__(self) -> None:
        one_of("objective.name", self.name, OBJECTIVES)
        one_of("objective.metric", self.metric, METRICS)
        for name in ("latency_ms", "multiply_adds", "parameters"):
            at_least(f"objective.{name}", getattr(self, name), 0, above=True)
        for number, network in LIMIT_PAIRS:
            if getattr(self, number) is not None and getattr(self, network) is not None:
                raise fail(
                    f"objective.{network}", f"is given beside objective.{number}",
                    getattr(self, network), "one of the two, the other null",
                )  # fmt: skip
        one_of("objective.latency_statistic", self.latency_statistic, ("median", "p95"))
        for quantity in self.quantities:
            one_of("objective.quantities", quantity, QUANTITIES)
        if len(self.quantities) < 2 or len(set(self.quantities)) != len(self.quantities):
            raise fail(
                "objective.quantities", "must name two or more different objectives",
                self.quantities, ", ".join(QUANTITIES),
            )  # fmt: skip


@dataclass(frozen=True)
class EvaluationSettings:
    """Where accuracy comes from: one training, trainings in rungs, or a table at `path`.

    `fractions` are the shares of `training.epochs` that the rungs have, each a complete training of
    its own; the best `promoted` of a rung so far climb to the next. At the end the finalists, which
    are up to three winners and the reference network, are trained with `seeds` seeds in all
    (`seeded=winner`: the best and the reference alone).

    A worker sleeps `seconds` for each answer of a table, to see what a study does with workers.
    """

    name: str = "full"
    path: str | None = None
    fractions: list[float] = field(default_factory=lambda: [1 / 9, 1 / 3, 1.0])
    promoted: float = 1 / 3
    seconds: float = 0.0
    seeds: int = 3
    seeded: str = "all"

    def __post_init__(self) -> None:
        one_of("evaluation.name", self.name, EVALUATIONS)
        if self.name == "table" and not self.path:
            raise fail("evaluation.path", "evaluation=table reads a file", self.path, "table.json")
        rising = all(a < b for a, b in pairwise([0.0, *self.fractions]))
        if len(self.fractions) < 2 or not rising or self.fractions[-1] != 1:
            raise fail(
                "evaluation.fractions", "must be two or more rising shares, the last of them 1",
                self.fractions, "[0.111,0.333,1]",
            )  # fmt: skip
        at_least("evaluation.seeds", self.seeds, 1)
        one_of("evaluation.seeded", self.seeded, ("winner", "all"))
        if not 0 < self.promoted < 1:
            raise fail("evaluation.promoted", "must be a share", self.promoted, "0 < share < 1")
        at_least("evaluation.seconds", self.seconds, 0)
        if self.seconds and self.name != "table":
            raise fail(
                "evaluation.seconds",
                "training takes as long as it takes",
                self.seconds,
                "0, or evaluation=table",
            )
