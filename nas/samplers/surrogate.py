"""A Gaussian process over categorical genes.

Two candidates are alike by the genes they share: k(x, y) = s exp(-sum of w_d over the genes d in
which x and y differ), one weight a gene (ARD), to which a linear model of `features` may be added.
Own code of numpy and scipy: docs/samplers.md says which libraries were tried, and their figures.

Reference: Rasmussen and Williams 2006, Gaussian Processes for Machine Learning, sec. 5.4.1 (the
marginal likelihood and its gradient); Hutter et al. 2011, SMAC, sec. 4.2 (the Hamming kernel).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.linalg.lapack import dpotrf, dpotri, dpotrs
from scipy.optimize import minimize
from scipy.special import ndtri

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

FITTED = 200
"""The hyperparameters are fitted to at most so many observations: a step of the fit takes time with
their cube, and a dozen numbers are found as well from 200 as from 1,000."""

STEPS = 25
"""As many steps the fit may take."""

GAIN = 1e-4
"""It ends when a step gains less than this share of the log likelihood: further steps cost two
fifths of the time and change no prediction (random tables of 12 genes, 30 to 200 observations)."""

ALIKE = 2.0
"""A priori two random candidates correlate by exp(-ALIKE), however many genes there are."""

NOISE = 0.01
"""A priori so much of the variance is noise; between a thousandth and all of it is allowed."""

SPREAD = 1.5
"""Standard deviation of the logarithm of each hyperparameter, a priori: a factor of 4.5."""


def rank_scores(values: Array) -> Array:
    """Values -> normal scores by rank, the least the lowest; equal values score alike.

    Shape:
        values: (n,), infinities allowed; returns (n,) of mean 0.
    """
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    above = np.cumsum(counts)
    middle = above - (counts - 1) / 2
    return np.asarray(ndtri((middle[place] - 0.5) / len(values)), dtype=np.float64)


def one_hot(codes: Codes, options: tuple[int, ...]) -> Array:
    """Indices of options -> columns of 0 and 1, one an option.

    Shape:
        codes: (n, genes); returns (n, sum of options).
    """
    starts = np.cumsum((0, *options[:-1]))
    hot = np.zeros((len(codes), sum(options)))
    hot[np.arange(len(codes))[:, None], codes + starts] = 1.0
    return hot


def additive(codes: Codes, options: tuple[int, ...]) -> Array:
    """Features in which whatever is a sum over genes is linear; a row's squares add up to about 1.

    Shape:
        codes: (n, genes); returns (n, sum of options).
    """
    shares = 1 / np.array(options)
    differing = max(float(np.sum(1 - shares)), 0.5)
    return np.asarray((one_hot(codes, options) - np.repeat(shares, options)) / differing**0.5)


@dataclass(frozen=True, eq=False)
class Kernel:
    """How alike candidates are: the fitted hyperparameters, and how many options each gene has."""

    options: tuple[int, ...]
    weights: Array
    signal: float
    noise: float
    linear: float


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A process that has seen observations: `predict` says what it expects, and how surely."""

    kernel: Kernel
    _hot: Array
    _features: Array
    _factor: Array
    _alpha: Array
    _mean: float
    expected: Array
    """The mean at the observations themselves, (n,)."""

    def predict(self, codes: Codes, features: Array | None = None) -> tuple[Array, Array]:
        """Mean and standard deviation of the noiseless values.

        Shape:
            codes: (n, genes); features: (n, features) where the fit had some; returns (n,), (n,).
        """
        kernel = self.kernel
        hot = one_hot(codes, kernel.options)
        cross = _covariance(hot, self._hot, kernel)
        prior = np.full(len(codes), kernel.signal)
        if features is not None:
            cross += kernel.linear * features @ self._features.T
            prior += kernel.linear * np.einsum("ij,ij->i", features, features)
        solved = solve_triangular(self._factor, cross.T, lower=True, check_finite=False)
        variance = prior - np.einsum("ij,ij->j", solved, solved)
        return cross @ self._alpha + self._mean, np.sqrt(np.maximum(variance, 1e-12))

    def believing(self, codes: Codes, features: Array | None = None) -> Surrogate:
        """The process that has also seen, at these candidates, what it expects of them.

        It expects the same everywhere, and is surer near them: the factor grows by rows, and what
        comes as expected has no weight. Shapes as in `predict`.
        """
        kernel, given = self.kernel, _given(codes, features)
        hot = one_hot(codes, kernel.options)
        cross = _covariance(self._hot, hot, kernel) + kernel.linear * self._features @ given.T
        own = _covariance(hot, hot, kernel) + kernel.linear * given @ given.T
        own[np.diag_indices(len(codes))] += kernel.noise
        solved = solve_triangular(self._factor, cross, lower=True, check_finite=False)
        corner = cholesky(own - solved.T @ solved, lower=True, check_finite=False)
        seen = len(self._alpha)
        factor = np.zeros((seen + len(codes),) * 2, order="F")
        factor[:seen, :seen], factor[seen:, :seen], factor[seen:, seen:] = (
            self._factor, solved.T, corner,
        )  # fmt: skip
        return Surrogate(
            kernel,
            np.vstack((self._hot, hot)),
            np.vstack((self._features, given)),
            factor,
            np.concatenate((self._alpha, np.zeros(len(codes)))),
            self._mean,
            np.concatenate((self.expected, cross.T @ self._alpha + self._mean)),
        )


def fit(
    codes: Codes, values: Array, options: tuple[int, ...], *, features: Array | None = None
) -> Kernel:
    """The hyperparameters that make the values most likely, a priori odds included.

    Bounded: `STEPS` steps on `FITTED` observations, spread evenly over all of them.

    Shape:
        codes: (n, genes); values: (n,), finite; options: how many each gene has;
        features: (n, features), of mean 0 and variance about 1.
    """
    given = _given(codes, features)
    centred = values - values.mean()
    guess = _guess(options, given.shape[1] > 0)
    if np.ptp(centred) == 0:
        return _kernel(guess, options)
    chosen = np.unique(np.linspace(0, len(codes) - 1, min(FITTED, len(codes))).astype(int))
    bounds = [(g - 6.0, g + 6.0) for g in guess]
    bounds[1] = (np.log(NOISE / 10), 0.0)
    found = minimize(
        _unlikely,
        guess,
        args=(one_hot(codes[chosen], options), given[chosen], centred[chosen], options, guess),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": STEPS, "ftol": GAIN},
    )
    return _kernel(found.x if np.all(np.isfinite(found.x)) else guess, options)


def observe(
    kernel: Kernel, codes: Codes, values: Array, *, features: Array | None = None
) -> Surrogate:
    """The process with this kernel that has seen these values; shapes as in `fit`."""
    given = _given(codes, features)
    hot = one_hot(codes, kernel.options)
    covariance = _covariance(hot, hot, kernel)
    if given.shape[1]:
        covariance += kernel.linear * given @ given.T
    mean = float(values.mean())
    factor, alpha = _solved(covariance, kernel.noise, values - mean)
    # K alpha, as (K + noise) alpha is what was observed.
    expected = values - kernel.noise * alpha
    return Surrogate(kernel, hot, given, factor, alpha, mean, expected)


def _given(codes: Codes, features: Array | None) -> Array:
    return np.zeros((len(codes), 0)) if features is None else features


def _kernel(logs: Array, options: tuple[int, ...]) -> Kernel:
    signal, noise, linear = (float(value) for value in np.exp(logs[:3]))
    return Kernel(options, np.exp(logs[3:]), signal, noise, linear)


def _guess(options: tuple[int, ...], has_features: bool) -> Array:
    """Logarithms of signal, noise, linear and the weights, as expected a priori."""
    differing = sum(1 - 1 / count for count in options)
    weight = ALIKE / max(differing, 0.5)
    linear = 0.0 if has_features else -50.0
    return np.array([0.0, np.log(NOISE), linear, *[np.log(weight)] * len(options)])


def _covariance(a: Array, b: Array, kernel: Kernel) -> Array:
    """signal x exp(-weighted number of genes in which rows of `a` and `b` differ)."""
    shared = (a * np.repeat(kernel.weights, kernel.options)) @ b.T
    # In place: these matrices are large, and new ones cost more than the arithmetic.
    shared += np.log(kernel.signal) - kernel.weights.sum()
    return np.asarray(np.exp(shared, out=shared))


def _solved(covariance: Array, noise: float, values: Array) -> tuple[Array, Array]:
    """Lower Cholesky factor of covariance + noise, with anything above its diagonal, and what
    that sum multiplies to the values. The covariance is overwritten.

    LAPACK itself: scipy's ways to it take longer than a factor of a hundred rows.
    """
    covariance[np.diag_indices(len(values))] += noise
    # The transpose of a symmetric matrix is itself, in the order that LAPACK overwrites in place.
    factor, failed = dpotrf(covariance.T, lower=True, clean=False, overwrite_a=True)
    assert not failed, "the noise makes every covariance positive definite"
    return factor, dpotrs(factor, values, lower=True)[0]


def _unlikely(
    logs: Array, hot: Array, features: Array, values: Array, options: tuple[int, ...], guess: Array
) -> tuple[float, Array]:
    """Minus the logarithm of likelihood times prior, and its gradient."""
    kernel = _kernel(logs, options)
    alike = _covariance(hot, hot, kernel)
    covariance = alike + kernel.linear * features @ features.T
    factor, alpha = _solved(covariance, kernel.noise, values)
    inverse = dpotri(factor, lower=True)[0].T  # its upper triangle; below lies what was there
    # d log likelihood / dK = (alpha alpha' - K^-1) / 2 (Rasmussen and Williams, eq. 5.9), as the
    # triangle of the doubled matrix: below, all of it is summed with symmetric ones.
    slope = np.triu(np.outer(alpha, alpha) - inverse)
    slope[np.diag_indices(len(values))] /= 2
    sloped = slope * alike
    # sum over pairs that share gene d: the diagonal of hot' sloped hot, added up by gene
    shared = np.add.reduceat(np.sum(hot * (sloped @ hot), axis=0), np.cumsum((0, *options[:-1])))
    trend = kernel.linear * np.sum(features * (slope @ features))
    gradient = np.concatenate(
        (
            (sloped.sum(), kernel.noise * np.trace(slope), trend),
            kernel.weights * (shared - sloped.sum()),
        )
    )
    away = (logs - guess) / SPREAD
    likelihood = -values @ alpha / 2 - np.log(np.diag(factor)).sum()
    return float(away @ away / 2 - likelihood), away / SPREAD - gradient
