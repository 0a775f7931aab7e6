"""What to look at next, drawn whole before it is written.

A kill between two suggestions would change every later proposal, so nothing is suggested on the
study itself: the genes are drawn together on a copy in memory and written in one piece. The copy
is kept and told what the study is told, so that drawing costs the same at the thousandth trial.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseGASampler, BaseSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.trial import FrozenTrial, TrialState, create_trial
from threadpoolctl import ThreadpoolController

from nas import samplers
from nas.objective import Direction
from nas.samplers.known import Known
from nas.settings import SamplerSettings
from nas.space import Gene, Genes

PARENTS = "nas.parents"
"""Beside a proposal: the parents that were chosen for it, by Optuna's key of their generation. With
trials under way, those who came later would be chosen among on a resume."""

INTERSECTIONS = ("_search_space", "_intersection_search_space")
"""Where Optuna's samplers keep the genes that all trials have in common. Each new sampler would
compare those of all trials for every proposal, most of its time at a thousand trials: one object,
which looks at each trial once, is handed on."""

CONSTRAINT = "limits"
"""The one constraint of every trial. Samplers that add violations up, or refuse trials with
different numbers of them, see a single comparable number."""


@dataclass(frozen=True)
class Proposal:
    """Genes, and what the sampler wants kept beside them (a generation number)."""

    genes: Genes
    system_attrs: dict[str, Any]


@contextmanager
def quiet() -> Iterator[None]:
    """No word from Optuna on studies it creates: the display says what people need."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def distributions(genes: Sequence[Gene]) -> dict[str, CategoricalDistribution]:
    """Optuna's form of the genes."""
    return {gene.name: CategoricalDistribution(gene.options) for gene in genes}


class Proposer:
    """Draws the next proposal from a copy of the study in memory."""

    def __init__(
        self,
        genes: Sequence[Gene],
        directions: Sequence[Direction],
        *,
        sampler: SamplerSettings,
        seed: int,
        start: Sequence[Genes] = (),
        past: Iterable[FrozenTrial] = (),
        known: Known | None = None,
    ) -> None:
        self._distributions = distributions(genes)
        self._settings = sampler
        self._seed = seed
        self._known = known
        self._start = list(start)
        self._count = 0
        self._intersection = IntersectionSearchSpace()
        self._libraries: ThreadpoolController | None = None
        with quiet():
            self._copy = optuna.create_study(directions=list(directions))
        for trial in past:
            self.add(trial)

    def _sampler(self, seed: int, number: int) -> BaseSampler:
        made = samplers.make(
            self._settings,
            seed=seed,
            number=number,
            genes=self._distributions,
            known=self._known,
        )
        for name in INTERSECTIONS:
            if isinstance(getattr(made, name, None), IntersectionSearchSpace):
                setattr(made, name, self._intersection)
        return made

    def add(self, trial: FrozenTrial) -> None:
        """Take a trial that the study has, the next by number, into the copy."""
        # Attributes of ours are not needed to draw, and would double what a study holds in memory.
        self._copy.add_trial(
            create_trial(
                state=trial.state,
                values=trial.values,
                params=trial.params,
                distributions=trial.distributions,
                system_attrs=trial.system_attrs,
            )
        )
        self._count += 1
        for key, parents in trial.system_attrs.get(PARENTS, {}).items():
            self._copy._storage.set_study_system_attr(self._copy._study_id, key, parents)

    @property
    def count(self) -> int:
        """How many trials the copy has."""
        return self._count

    @property
    def running(self) -> set[int]:
        """The numbers of those that have not ended."""
        trials = self._copy.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return {trial.number for trial in trials}

    def draw(self) -> Proposal:
        """The genes of the next trial; it is open until `tell`.

        By one thread: a sampler's matrices are small, and where others compute on the same cores
        threads of linear algebra that wait for each other take many times as long. Nor does a
        proposal depend on the number of cores then.
        """
        number, self._count = self._count, self._count + 1
        self._copy.sampler = self._sampler(self._seed, number)
        if self._libraries is None:  # looked for once a sampler has loaded its own
            self._libraries = ThreadpoolController()
        with self._libraries.limit(limits=1, user_api="blas"):
            return self._drawn(number)

    def _drawn(self, number: int) -> Proposal:
        chosen = self._settle_parents()
        if number < len(self._start):
            # Enqueued rather than added: a sampler with generations counts it into its first.
            self._copy.enqueue_trial(self._start[number], skip_if_exists=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            trial = self._copy.ask(fixed_distributions=dict(self._distributions))
        attrs = dict(self._copy._storage.get_trial(trial._trial_id).system_attrs)
        attrs.pop("fixed_params", None)
        if chosen:
            attrs[PARENTS] = chosen
        return Proposal(genes=dict(trial.params), system_attrs=attrs)

    def _settle_parents(self) -> dict[str, list[int]]:
        """Choose the parents of each generation before anything is drawn from them.

        Optuna chooses them while drawing a generation's first child and hands the later children
        the same trials in another order; after a resume the choice would be made again, by another
        child's seed. Chosen here, one generation after the other and each by a seed of its own,
        they are a function of the trials told by then. Returns the newly chosen ones.
        """
        sampler = self._copy.sampler
        if not isinstance(sampler, BaseGASampler):
            return {}
        key = sampler._get_generation_key()
        trials = self._copy.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        generations = [t.system_attrs[key] for t in trials if key in t.system_attrs]
        chosen = self._copy._storage.get_study_system_attrs(self._copy._study_id)
        prefix = sampler._get_parent_cache_key_prefix()
        newest = max(generations, default=-1)
        if generations.count(newest) >= (sampler.population_size or 0):
            newest += 1
        new: dict[str, list[int]] = {}
        for generation in range(1, newest + 1):
            if (cached := f"{prefix}{generation}") not in chosen:
                seed = samplers.seed_of(self._seed, "parents", generation)
                chooser = self._sampler(seed, generation)
                assert isinstance(chooser, BaseGASampler)
                parents = chooser.get_parent_population(self._copy, generation)
                new[cached] = [parent._trial_id for parent in parents]
        return new

    def tell(
        self, number: int, state: TrialState, values: Sequence[float] | None, violation: float
    ) -> None:
        """Say how the trial ended, as the study on disk was told."""
        frozen = self._copy.get_trials(deepcopy=False)[number]
        if state == TrialState.COMPLETE:
            optuna.trial.Trial(self._copy, frozen._trial_id).set_constraint(CONSTRAINT, violation)
        self._copy.tell(number, values, state=state)
