"""Candidates that differ from good ones in a gene or two, and a sampler of nothing else."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from nas.errors import SpaceExhaustedError
from nas.samplers.history import Array, Codes, Coding, read
from nas.samplers.improvement import nondominated
from nas.samplers.known import Known, KnownCodes

Row = NDArray[np.int64]

TRIES = 64
"""Random draws that are looked at for one within the known limits."""

LISTED = 20_000
"""A space of at most so many combinations is gone through before it is called exhausted; of a
larger one so many draws are."""


def random_codes(rng: Generator, options: tuple[int, ...], number: int) -> Codes:
    """Uniform random rows."""
    return rng.integers(0, options, size=(number, len(options)))


def mutated(rng: Generator, codes: Codes, options: tuple[int, ...], *, genes: Codes) -> Codes:
    """Each row with as many of its genes set to another option as `genes` says for it.

    Only genes with two or more options change; a row cannot change more of them than there are.

    Shape:
        codes: (n, genes); genes: (n,), from 1.
    """
    counts = np.array(options)
    free = np.flatnonzero(counts > 1)
    if not free.size:
        return codes.copy()
    # The places with the smallest random numbers are the ones that change.
    place = rng.random((len(codes), len(free))).argsort(axis=1).argsort(axis=1)
    steps = rng.integers(1, counts[free], size=place.shape)
    changed = codes.copy()
    changed[:, free] = (codes[:, free] + np.where(place < genes[:, None], steps, 0)) % counts[free]
    return changed


class Draws:
    """Candidates that were not proposed before."""

    def __init__(self, rng: Generator, coding: Coding, past: Codes, known: Known) -> None:
        self.rng = rng
        self.options = coding.options
        self._known = KnownCodes(known, coding, np.zeros(0))
        self._codes = {tuple(row) for row in past.tolist()}
        self._seen = set(self._known.identities(past))

    def new(self, codes: Codes) -> Codes:
        """The rows whose genes were not proposed, each once, in an order of their own."""
        distinct = np.unique(codes, axis=0)
        return np.asarray(distinct[[tuple(r) not in self._codes for r in distinct.tolist()]])

    def fresh(self, codes: Codes, *, most: int | None) -> Codes:
        """The first rows, at most `most`, that are different candidates and no known ones."""
        found: dict[Any, Row] = {}
        for row in codes:
            if most is not None and len(found) == most:
                break
            (identity,) = self._known.identities(row[None])
            if identity not in self._seen:
                found.setdefault(identity, row)
        return np.array(list(found.values()), dtype=np.int64).reshape(-1, len(self.options))

    def violations(self, codes: Codes) -> Array:
        """The worst known violation of each; returns (n,)."""
        return self._known.violations(codes)

    def random(self) -> Row:
        """A uniform random new candidate that keeps the known limits, or the nearest to that.

        Raises:
            SpaceExhaustedError: there is none.
        """
        nearest, least = None, math.inf
        for row in random_codes(self.rng, self.options, TRIES):
            # One after the other: most spaces give a network within the limits at once.
            if not len(self.fresh(row[None], most=1)):
                continue
            violation = float(self.violations(row[None])[0])
            if violation <= 0:
                return np.asarray(row)
            if violation < least:
                nearest, least = row, violation
        return self._descended(nearest, least) if nearest is not None else self._any_left()

    def _descended(self, row: Row, violation: float) -> Row:
        """Changes of one gene while they bring the known limits nearer."""
        while True:
            steps = np.repeat(row[None], TRIES, axis=0)
            ones = np.ones(TRIES, dtype=np.int64)
            steps = self.fresh(mutated(self.rng, steps, self.options, genes=ones), most=None)
            violations = self.violations(steps)
            if not len(steps) or violations.min() >= violation:
                return self._any_left()
            row, violation = steps[violations.argmin()], float(violations.min())
            if violation <= 0:
                return row

    def _any_left(self) -> Row:
        """Any new candidate within the known limits, by going through the space."""
        for row in self._listed():
            if len(self.fresh(row[None], most=1)) and self.violations(row[None])[0] <= 0:
                return row
        size = math.prod(self.options)
        how = f"all {size} combinations" if size <= LISTED else f"{LISTED} draws of {size}"
        raise SpaceExhaustedError(
            f"search space: a new candidate within the limits is wanted; got none in {how} of "
            f"{len(self.options)} genes, {len(self._seen)} candidates were proposed; allowed: more "
            "options a gene, or wider limits"
        )

    def _listed(self) -> Iterator[Row]:
        if math.prod(self.options) <= LISTED:
            ranges = [self.rng.permutation(count) for count in self.options]
            return map(np.array, itertools.product(*ranges))
        return iter(random_codes(self.rng, self.options, LISTED))


class MutationSampler(BaseSampler):
    """Mutates one gene or two of a random member of the front: what a sampler should beat."""

    def __init__(self, *, search_space: Mapping[str, BaseDistribution], seed: int) -> None:
        self._search_space = dict(search_space)
        self._seed = seed

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """All genes, proposed together."""
        return self._search_space

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """A mutant that was not proposed before; at random while nothing is feasible."""
        coding = Coding(search_space)
        rng = np.random.default_rng([self._seed, trial.number])
        past = read(study, coding, but=trial)
        draws = Draws(rng, coding, past.codes, Known())
        feasible = past.codes[past.feasible]
        if not len(feasible):
            return coding.decode(draws.random())
        front = feasible[nondominated(past.values[past.feasible])]
        parents = front[rng.integers(0, len(front), TRIES)]
        mutants = mutated(rng, parents, coding.options, genes=rng.integers(1, 3, TRIES))
        found = draws.fresh(mutants, most=1)
        return coding.decode(found[0] if len(found) else draws.random())

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Nothing is left to draw alone."""
        raise AssertionError(f"{param_name} is proposed with the other genes")
