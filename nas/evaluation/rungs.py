"""Successive halving in which every rung is a complete training on its own schedule.

A candidate is trained for a ninth of the epochs, a third, all of them; each time from scratch and
to the end of its schedule, never judged half-way. Whether it climbs is decided among the
candidates of the study so far, as soon as it has its result: nobody waits.

Reference: Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning (ASHA), alg. 2;
Schmucker et al. 2021, Multi-objective Asynchronous Successive Halving, sec. 4 (non-dominated
ranks). Theirs go on from the lower rung's weights, which a one-cycle schedule does not allow.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from nas.errors import SettingsError
from nas.pareto import front
from nas.settings import EvaluationSettings

FRACTIONS = (1 / 9, 1 / 3, 1.0)
ONE_IN_TWENTY = 1.645
"""Deviations of a normal value that are passed upwards as rarely."""


def epochs_of(rung: int, *, epochs: int, fractions: Sequence[float] = FRACTIONS) -> int:
    """The epochs of a rung, counted from 0: its fraction of all, at least one."""
    return max(1, round(epochs * fractions[rung]))


def check_rungs(*, epochs: int, fractions: Sequence[float]) -> None:
    """Raise unless every rung is a longer training than the one below.

    Raises:
        SettingsError: two rungs would have equally many epochs.
    """
    found = [epochs_of(rung, epochs=epochs, fractions=fractions) for rung in range(len(fractions))]
    if len(set(found)) < len(found):
        raise SettingsError(
            "evaluation.fractions: every rung must have more epochs than the one below; got "
            f"{', '.join(map(str, found))} of training.epochs={epochs}; allowed: more "
            "training.epochs, or fewer evaluation.fractions"
        )


def share_of_budget(*, fractions: Sequence[float], promoted: float) -> float:
    """The share of a full evaluation of all that the rungs take, where `promoted` of each climb.

    >>> round(share_of_budget(fractions=FRACTIONS, promoted=1 / 3), 3)
    0.333
    """
    return sum(fraction * promoted**rung for rung, fraction in enumerate(fractions))


def mean_share(settings: EvaluationSettings) -> float:
    """How much of a whole training the mean candidate gets."""
    if settings.name != "rungs":
        return 1.0
    return share_of_budget(fractions=settings.fractions, promoted=settings.promoted)


def promotes(
    values: tuple[float, ...],
    others: Sequence[tuple[float, ...]],
    *,
    directions: Sequence[str],
    share: float = 1 / 3,
) -> bool:
    """Whether a candidate with these values is among the best `share` of its rung so far.

    `others` are the values of the other candidates that reached the rung. With several objectives
    the ranks are those of non-dominated sorting, and a rank that straddles the border climbs whole:
    nothing tells its members apart. The first candidate always climbs.

    >>> promotes((0.9,), [(0.5,), (0.6,)], directions=("maximize",))
    True
    """
    places = max(1, math.floor((len(others) + 1) * share))
    better, left = 0, [values, *others]
    while better < places:
        best = set(front(left, directions))
        if 0 in best:
            return True
        better += len(best)
        left = [other for index, other in enumerate(left) if index not in best]
    return False


def guessed(accuracies: Sequence[float], *, chance: float, images: int) -> bool:
    """Whether most of these accuracies, each on so many images, are no better than guessing.

    Units:
        accuracies, chance: 0..1. Better is what a guess reaches once in twenty times at most.

    >>> guessed([0.11, 0.12, 0.9], chance=0.1, images=400)
    True
    """
    deviation = math.sqrt(chance * (1 - chance) / max(1, images))
    return statistics.median(accuracies) <= chance + ONE_IN_TWENTY * deviation
