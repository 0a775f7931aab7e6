"""Tables of networks that are made up, of many shapes; each seed gives another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from nas.samplers.history import Array, Codes
from nas.samplers.mutation import random_codes

DRAWN = 4000
"""Networks that tell the mean, the deviation, medians and quantiles of a space."""

Of = Callable[[Codes], Array]


@dataclass(frozen=True)
class Table:
    """What the networks of a space give; errors have mean 0 and deviation 1."""

    options: tuple[int, ...]
    error: Of
    noise: float = 0.0
    costs: tuple[Of, ...] = ()
    known_costs: bool = True
    violation: Of | None = None
    known_limit: bool = True
    fails: Of | None = None
    same: Callable[[tuple[int, ...]], tuple[int, ...]] = lambda row: row
    """Equal rows for equal networks."""


def scaled(of: Of, rng: Generator, options: tuple[int, ...]) -> Of:
    drawn = of(random_codes(rng, options, DRAWN))
    mean, deviation = drawn.mean(), drawn.std() or 1.0
    return lambda codes: (of(codes) - mean) / deviation


def genes_of(rng: Generator, options: tuple[int, ...]) -> Of:
    """A sum over genes, of which some matter more than others."""
    terms = [rng.gamma(1.0) * rng.normal(size=count) for count in options]
    return lambda codes: sum(term[codes[:, i]] for i, term in enumerate(terms))


def groups_of(rng: Generator, options: tuple[int, ...], size: int, number: int) -> Of:
    """A sum over groups of genes, in each of which every combination has a value of its own."""
    groups = [rng.choice(len(options), size, replace=False) for _ in range(number)]
    terms = [rng.normal(size=[options[i] for i in group]) for group in groups]
    return lambda codes: sum(
        term[tuple(codes[:, group].T)] for group, term in zip(groups, terms, strict=True)
    )


def error_of(rng: Generator, options: tuple[int, ...], *, pairs: float = 0.3) -> Of:
    """Such a share of the variance is of pairs of genes, the rest of single ones."""
    single = scaled(genes_of(rng, options), rng, options)
    if not pairs or len(options) < 2:
        return single
    double = scaled(groups_of(rng, options, 2, 2 * len(options)), rng, options)
    return scaled(
        lambda codes: (1 - pairs) ** 0.5 * single(codes) + pairs**0.5 * double(codes), rng, options
    )


def plain(*options: int, pairs: float = 0.3, noise: float = 0.0) -> Callable[[Generator], Table]:
    return lambda rng: Table(options, error_of(rng, options, pairs=pairs), noise=noise)


def rugged(rng: Generator) -> Table:
    """Groups of four genes, nothing of single ones."""
    options = (2,) * 16
    return Table(options, scaled(groups_of(rng, options, 4, 16), rng, options))


def ties(rng: Generator) -> Table:
    options = (4,) * 8
    error = error_of(rng, options)
    return Table(options, lambda codes: np.floor(2 * error(codes)) / 2)


def inert(rng: Generator) -> Table:
    """The first gene says which half of the others has an effect."""
    options = (2, *(3,) * 12)
    halves = [error_of(rng, (3,) * 6) for _ in range(2)]

    def error(codes: Codes) -> Array:
        return np.where(codes[:, 0] == 0, halves[0](codes[:, 1:7]), halves[1](codes[:, 7:]))

    def same(row: tuple[int, ...]) -> tuple[int, ...]:
        return (0, *row[1:7]) if row[0] == 0 else (1, *row[7:])

    return Table(options, scaled(error, rng, options), same=same)


def failing(rng: Generator) -> Table:
    """Half of the networks fail, by what their genes add up to."""
    options = (4,) * 8
    memory = scaled(genes_of(rng, options), rng, options)
    return Table(options, error_of(rng, options), fails=lambda codes: memory(codes) > 0)


def limited(share: float, *, known: bool) -> Callable[[Generator], Table]:
    """So many of the networks keep a limit, and better ones need more of what is limited."""

    def made(rng: Generator) -> Table:
        table = layered(rng)
        cost = table.costs[0]
        limit = np.quantile(cost(random_codes(rng, table.options, DRAWN)), share)
        return Table(
            table.options,
            table.error,
            violation=lambda codes: np.log(cost(codes) / limit),
            known_limit=known,
        )

    return made


def layered(rng: Generator, *, costs: int = 1, known: bool = True) -> Table:
    """Widths of six layers, kernel sizes of four: costs are sums of products, as networks' are.

    Larger networks are better, ever less so; what genes and pairs of them change is added.
    """
    options = (4,) * 6 + (3,) * 4
    width, kernel = np.array([8.0, 16, 24, 40]), np.array([9.0, 25, 49])
    area = 4.0 ** -np.arange(6)

    def sizes(codes: Codes) -> tuple[Array, Array]:
        wide, wider = width[codes[:, :6]] * 2.0 ** np.arange(6), 27 * np.ones((len(codes), 6))
        wider[:, 1:5] = kernel[codes[:, 6:]]
        weights = wide * wider
        weights[:, 1:] += wide[:, 1:] * wide[:, :-1]
        return (weights * area).sum(axis=1), weights.sum(axis=1)

    both = tuple((lambda codes, j=j: sizes(codes)[j]) for j in range(2))
    size = scaled(lambda codes: np.log(np.prod(sizes(codes), axis=0)), rng, options)
    rest = error_of(rng, options)
    error = scaled(lambda codes: 2 * np.exp(-size(codes)) + rest(codes), rng, options)
    return Table(options, error, costs=both[:costs], known_costs=known)


CASES: dict[str, Callable[[Generator], Table]] = {
    "8 genes x 4 options": plain(*(4,) * 8),
    "20 genes x 3 options": plain(*(3,) * 20),
    "5 genes x 10 options": plain(*(10,) * 5),
    "30 genes x 2 options": plain(*(2,) * 30),
    "200 genes x 2 options": plain(*(2,) * 200),
    "genes of 1 to 12 options": plain(1, 2, 2, 2, 3, 4, 5, 6, 8, 12),
    "as much noise as signal": plain(*(4,) * 8, noise=1.0),
    "equal errors: steps of half a deviation": ties,
    "all variance from pairs": plain(*(4,) * 8, pairs=1.0),
    "all variance from fours": rugged,
    "half of the genes without effect": inert,
    "half of the networks fail": failing,
    "5 % within a counted limit": limited(0.05, known=True),
    "5 % within a limit to be learned": limited(0.05, known=False),
    "two objectives, cost counted": layered,
    "two objectives, cost learned": lambda rng: layered(rng, known=False),
    "three objectives, costs counted": lambda rng: layered(rng, costs=2),
}
