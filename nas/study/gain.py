"""What the sampler gained over the random proposals its study began with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nas.objective import Objective
from nas.outcome import Outcome
from nas.pareto import hypervolume


@dataclass(frozen=True)
class Gain:
    """How good the best of the random proposals is, and the best of all.

    Of several objectives `random` is a share of the volume of the whole front and `all` is 1.

    Units:
        random, all: accuracy (0..1), weighted accuracy, or a share of the volume; None: no proposal
        kept the limits. proposals, others: numbers of evaluated candidates.
    """

    proposals: int
    others: int
    random: float | None
    all: float | None
    quantity: str

    @property
    def sentence(self) -> str:
        """The gain in words."""
        began = f"of the {self.proposals} random candidates at the start"
        later = f"{self.others} proposed by the sampler"
        if self.all is None:
            return f"none {began} kept the limits, nor did any of the {later}"
        if self.random is None:
            best = f"the best of the {later} has {100 * self.all:.2f} %"
            return f"none {began} kept the limits, {best}"
        if self.quantity == "volume":
            share = f"{100 * self.random:.0f} % of the volume"
            return f"the front {began} holds {share} that it has with the {later}"
        gained = 100 * (self.all - self.random)
        return (
            f"the best {began} has {100 * self.random:.2f} %, with the {later} the best has "
            f"{100 * self.all:.2f} % (+{gained:.2f} points of {self.quantity})"
        )


def gain(
    trials: Sequence[tuple[int, Outcome]], objective: Objective, *, given: int, startup: int
) -> Gain | None:
    """What was gained after the random start, or None where there is nothing to compare.

    `given` proposals came first as they were named, random ones followed up to trial `startup`.
    Samplers that never stop drawing at random have no start: do not ask for them.
    """
    kept = [(n, o) for n, o in trials if o.kind == "evaluated"]
    random = [o for n, o in kept if given <= n < startup]
    others = [o for n, o in kept if n >= startup]
    if not random or not others:
        return None
    whole = _value(random + others, random + others, objective)
    began = _value(random, random + others, objective)
    quantity = {"pareto": "volume", "weighted": "weighted accuracy"}.get(objective.name, "accuracy")
    if quantity == "volume" and whole:
        began, whole = None if began is None else began / whole, 1.0
    return Gain(len(random), len(others), began, whole, quantity)


def _value(
    outcomes: Sequence[Outcome], all: Sequence[Outcome], objective: Objective
) -> float | None:
    """The best value, or the volume down to the worst values of `all`; None if none is feasible."""
    feasible = [o for o in outcomes if o.feasible and o.evaluation]
    if not feasible:
        return None
    told = [objective.values(o, chance=0.0, unmeasured_ms=0.0) for o in feasible]
    if objective.name != "pareto":
        return max(value for (value,) in told)
    every = [
        objective.values(o, chance=0.0, unmeasured_ms=0.0)
        for o in all
        if o.feasible and o.evaluation
    ]
    ends = [max if d == "minimize" else min for d in objective.directions]
    worst = [end(column) for end, column in zip(ends, zip(*every, strict=True), strict=True)]
    return hypervolume(told, objective.directions, worst)
