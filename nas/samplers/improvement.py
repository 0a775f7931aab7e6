"""What a candidate is expected to add: improvement of the best value, or of the front's volume.

Everything is minimised. Values are independent normal variables, of deviation 0 where they are
known.

Reference: Jones et al. 1998, Efficient Global Optimization, eq. 15; Emmerich et al. 2011,
Hypervolume-based expected improvement (the sum over cells).
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Array = NDArray[np.float64]

CELLS = 1024
"""At most about so many cells are summed over: beyond, the front is represented by fewer points."""


def expected_shortfall(bounds: Array, means: Array, deviations: Array) -> Array:
    """E[max(bound - value, 0)] of normal values; also the integral of P(value < x) up to `bound`.

    Shape:
        broadcast against each other; bounds may be -inf.
    """
    known = deviations <= 0
    spread = np.where(known, 1.0, deviations)
    with np.errstate(invalid="ignore"):
        gap = bounds - means
        z = gap / spread
        density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
        uncertain = np.where(np.isneginf(bounds), 0.0, gap * ndtr(z) + spread * density)
    return np.asarray(np.maximum(np.where(known, np.maximum(gap, 0.0), uncertain), 0.0))


def expected_volume(means: Array, deviations: Array, *, front: Array, worst: Array) -> Array:
    """The volume between the front and `worst` that each candidate is expected to add.

    Shape:
        means, deviations: (n, objectives); front: (points, objectives), none beyond `worst`;
        worst: (objectives,); returns (n,).
    """
    lower, upper = cells(_thinned(front, CELLS), worst)
    added = np.ones((len(means), len(lower)))
    for j in range(means.shape[1]):
        mean, deviation = means[:, j, None], deviations[:, j, None]
        added *= expected_shortfall(upper[:, j], mean, deviation) - expected_shortfall(
            lower[:, j], mean, deviation
        )
    return np.asarray(added.sum(axis=1))


def cells(front: Array, worst: Array) -> tuple[Array, Array]:
    """The region that no point of the front dominates, below `worst`, cut into boxes.

    Shape:
        returns the boxes' lower corners (from -inf) and upper corners: (boxes, objectives) each.
    """
    last = front.shape[1] - 1
    if last == 0:
        top = min(front.min(initial=np.inf), worst[0])
        return np.array([[-np.inf]]), np.array([[top]])
    edges = np.unique(np.concatenate(([-np.inf], front[:, last], worst[last:])))
    edges = edges[edges <= worst[last]]
    lowers, uppers = [], []
    for below, above in itertools.pairwise(edges):
        lower, upper = cells(front[front[:, last] <= below][:, :last], worst[:last])
        ones = np.ones((len(lower), 1))
        lowers.append(np.hstack((lower, below * ones)))
        uppers.append(np.hstack((upper, above * ones)))
    return np.concatenate(lowers), np.concatenate(uppers)


def nondominated(values: Array) -> NDArray[np.bool_]:
    """Which rows no other row dominates; of equal rows the first.

    Shape:
        values: (n, objectives); returns (n,).
    """
    kept = np.ones(len(values), dtype=bool)
    order = np.lexsort(values.T[::-1])
    if values.shape[1] == 2:
        # Whoever is not better in the second one than all before it is dominated by one of them.
        second = values[order, 1]
        kept[order[1:]] = second[1:] < np.minimum.accumulate(second)[:-1]
        return kept
    best: list[int] = []
    for index in order:
        # Sorted by the first objective: whoever dominates this row was seen before it.
        if best and np.any(np.all(values[best] <= values[index], axis=1)):
            kept[index] = False
        else:
            best.append(int(index))
    return kept


def _thinned(front: Array, most: int) -> Array:
    """So many points of the front, spread evenly along its first objective, as make few cells."""
    points = int(most ** (1 / max(front.shape[1] - 1, 1)))
    if len(front) <= points:
        return front
    order = front[:, 0].argsort(kind="stable")
    return np.asarray(front[order[np.unique(np.linspace(0, len(front) - 1, points).astype(int))]])
