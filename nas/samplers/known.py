"""What is known of a candidate before it is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.samplers.history import Array, Codes, Coding

Genes = Mapping[str, Any]


@dataclass(frozen=True)
class Known:
    """Functions of a candidate's genes; each may be left out.

    `identity`: equal for candidates that are the same (a network's fingerprint); the genes where
    left out. `values`: the objectives as Optuna is told them, None for those that must be learned.
    `violation`: the worst violation of the limits that can be checked beforehand, above 0 where
    one is broken. `features`: numbers that the objectives follow roughly (logarithms of parameters
    and multiply-adds). `most`: values, violation and features are asked of at most so many
    candidates a proposal, those that look best without (None: of all).
    """

    identity: Callable[[Genes], Hashable] | None = None
    values: Callable[[Genes], Sequence[float | None]] | None = None
    violation: Callable[[Genes], float] | None = None
    features: Callable[[Genes], Sequence[float]] | None = None
    most: int | None = None


class KnownCodes:
    """The same of rows of codes, as arrays."""

    def __init__(self, known: Known, coding: Coding, signs: Array) -> None:
        self._known = known
        self._coding = coding
        self._signs = signs

    def identity(self, row: NDArray[np.int64]) -> Hashable:
        """What tells this candidate from others."""
        if self._known.identity is None:
            return tuple(row.tolist())
        return self._known.identity(self._coding.decode(row))

    def values(self, codes: Codes) -> Array:
        """The objectives, minimised: NaN where they must be learned.

        Shape:
            codes: (n, genes); returns (n, objectives).
        """
        found = np.full((len(codes), len(self._signs)), np.nan)
        if self._known.values is not None:
            for row, code in zip(found, codes, strict=True):
                values = self._known.values(self._coding.decode(code))
                row[:] = [np.nan if value is None else value for value in values]
        return found * self._signs

    def violations(self, codes: Codes) -> Array:
        """The worst known violation of each candidate; returns (n,)."""
        if self._known.violation is None:
            return np.zeros(len(codes))
        return np.array([self._known.violation(self._coding.decode(code)) for code in codes])

    def features(self, codes: Codes) -> Array:
        """(n, features), without columns where there are none."""
        if self._known.features is None:
            return np.zeros((len(codes), 0))
        return np.array([self._known.features(self._coding.decode(code)) for code in codes])
