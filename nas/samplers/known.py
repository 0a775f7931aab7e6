"""What is known of a candidate before it is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.samplers.history import Array, Codes, Coding

Genes = Mapping[str, Any]

REMEMBERED = 20_000
"""Answers of each kind that are kept: of all past trials, and the candidates of fifty proposals."""


@dataclass(frozen=True)
class Known:
    """Functions of a candidate's genes; each may be left out.

    `identity`: equal for candidates that are the same (a network's fingerprint); the genes where
    left out. `values`: the objectives as Optuna is told them, None for those that must be learned.
    `violation`: the worst violation of the limits that can be checked beforehand, above 0 where
    one is broken. `features`: numbers that the objectives follow roughly (logarithms of parameters
    and multiply-adds). `most`: values, violation and features are asked of at most so many
    candidates a proposal, those that look best without (None: of all); with several objectives
    `values` and `features` once of as many more as there are options, for the greatest costs.
    `costs`: which objectives are costs; where left out, those that are minimised beside one that is
    maximised or, where all go one way (an error and a cost), all but the first that is learned.

    The answers are remembered: they must depend on the genes alone.
    """

    identity: Callable[[Genes], Hashable] | None = None
    values: Callable[[Genes], Sequence[float | None]] | None = None
    violation: Callable[[Genes], float] | None = None
    features: Callable[[Genes], Sequence[float]] | None = None
    most: int | None = None
    costs: tuple[bool, ...] | None = None
    memory: dict[Hashable, dict[Any, Any]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )


class KnownCodes:
    """The same of rows of codes, as arrays; each function is asked once a candidate."""

    def __init__(self, known: Known, coding: Coding, signs: Array) -> None:
        self._known = known
        self._coding = coding
        self._signs = signs

    def identities(self, codes: Codes) -> list[Hashable]:
        """What tells each candidate from others."""
        if self._known.identity is None:
            return list(map(tuple, codes.tolist()))
        return self._asked("identity", codes)

    def values(self, codes: Codes) -> Array:
        """The objectives, minimised: NaN where they must be learned.

        Shape:
            codes: (n, genes); returns (n, objectives).
        """
        if self._known.values is None:
            return np.full((len(codes), len(self._signs)), np.nan)
        # None becomes NaN.
        found = np.array(self._asked("values", codes), dtype=np.float64)
        return found.reshape(len(codes), len(self._signs)) * self._signs

    def costs(self, told: Array) -> NDArray[np.bool_]:
        """Which objectives are costs, of these values of candidates.

        Shape:
            told: (n, objectives), NaN where they must be learned; returns (objectives,).
        """
        if self._known.costs is not None:
            return np.array(self._known.costs)
        several = len(self._signs) > 1
        if several and np.ptp(self._signs) == 0:
            first = next(iter(np.flatnonzero(np.isnan(told).any(axis=0))), -1)
            return np.asarray(np.arange(len(self._signs)) != first)
        return np.asarray((self._signs > 0) & several)

    def violations(self, codes: Codes) -> Array:
        """The worst known violation of each candidate; returns (n,)."""
        if self._known.violation is None:
            return np.zeros(len(codes))
        return np.array(self._asked("violation", codes), dtype=np.float64)

    def features(self, codes: Codes) -> Array:
        """(n, features), without columns where there are none."""
        if self._known.features is None:
            return np.zeros((len(codes), 0))
        return np.array(self._asked("features", codes), dtype=np.float64)

    def _asked(self, what: str, codes: Codes) -> list[Any]:
        function = getattr(self._known, what)
        memory = self._known.memory.setdefault((what, self._coding.key), {})
        found = []
        for row in map(tuple, codes.tolist()):
            if row not in memory:
                if len(memory) >= REMEMBERED:
                    memory.pop(next(iter(memory)))
                memory[row] = function(self._coding.decode(row))
            found.append(memory[row])
        return found
