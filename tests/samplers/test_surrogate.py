import numpy as np
import pytest
from scipy.optimize import check_grad
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel

from nas.samplers import surrogate
from nas.samplers.surrogate import Kernel, additive, fit, observe, one_hot, rank_scores

OPTIONS = (3, 2, 1, 4)


def drawn(number, seed=0):
    return np.random.default_rng(seed).integers(0, OPTIONS, size=(number, len(OPTIONS)))


def test_rank_scores_by_hand():
    # Ranks 1, 2.5, 2.5, 4 of four: normal quantiles of 1/8, 1/2, 1/2, 7/8.
    scores = rank_scores(np.array([-np.inf, 5.0, 5.0, np.inf]))
    assert scores == pytest.approx([-1.1503494, 0, 0, 1.1503494])


def test_the_process_is_scikit_learns_with_genes_one_hot():
    # Two rows that differ in a gene are 2 apart squared: exp(-w) is an RBF of length 1/sqrt(w).
    codes, values = drawn(20), np.random.default_rng(1).normal(size=20)
    weights = np.array([0.3, 0.7, 0.2, 0.5])
    ours = observe(Kernel(OPTIONS, weights, 1.0, 0.04, 1.0), codes, values)
    lengths = np.repeat(1 / np.sqrt(weights), OPTIONS)
    kernel = RBF(lengths) + WhiteKernel(0.04)
    theirs = GaussianProcessRegressor(kernel, optimizer=None)
    theirs.fit(one_hot(codes, OPTIONS), values - values.mean())
    unseen = drawn(15, seed=2)
    mean, deviation = theirs.predict(one_hot(unseen, OPTIONS), return_std=True)
    found, spread = ours.predict(unseen)
    assert found == pytest.approx(mean + values.mean(), abs=1e-9)
    # Theirs is the deviation of an observation, ours without its noise.
    assert spread**2 + 0.04 == pytest.approx(deviation**2, abs=1e-9)


def test_what_is_expected_of_the_observations_is_what_is_predicted_there():
    codes, values = drawn(20), np.random.default_rng(1).normal(size=20)
    features = np.random.default_rng(3).normal(size=(20, 2))
    kernel = Kernel(OPTIONS, np.array([0.3, 0.7, 0.2, 0.5]), 1.5, 0.04, 0.3)
    model = observe(kernel, codes, values, features=features)
    assert model.expected == pytest.approx(model.predict(codes, features)[0], abs=1e-9)


def test_believing_is_to_observe_what_was_expected():
    codes, values = drawn(20), np.random.default_rng(1).normal(size=20)
    features = np.random.default_rng(3).normal(size=(30, 2))
    kernel = Kernel(OPTIONS, np.array([0.3, 0.7, 0.2, 0.5]), 1.5, 0.04, 0.3)
    model = observe(kernel, codes, values, features=features[:20])
    pending, unseen = drawn(4, seed=5), drawn(6, seed=6)
    expected, _ = model.predict(pending, features[20:24])
    believer = model.believing(pending, features[20:24])
    assert believer.expected == pytest.approx(np.concatenate((model.expected, expected)))
    mean, deviation = believer.predict(unseen, features[24:])
    assert mean == pytest.approx(model.predict(unseen, features[24:])[0], abs=1e-9)
    # The deviation of a process depends on where it was observed, not on what.
    seen = np.vstack((codes, pending))
    anything = observe(kernel, seen, np.zeros(24), features=features[:24])
    assert deviation == pytest.approx(anything.predict(unseen, features[24:])[1], abs=1e-9)


def test_the_gradient_of_the_likelihood_is_its_slope():
    codes, values = drawn(15), np.random.default_rng(1).normal(size=15)
    features = np.random.default_rng(3).normal(size=(15, 2))
    guess = surrogate._guess(OPTIONS, True)
    arguments = (one_hot(codes, OPTIONS), features, values, OPTIONS, guess)
    at = guess + np.random.default_rng(4).normal(size=len(guess)) / 3
    error = check_grad(
        lambda x: surrogate._unlikely(x, *arguments)[0],
        lambda x: surrogate._unlikely(x, *arguments)[1],
        at,
    )
    assert error < 1e-4 * np.abs(surrogate._unlikely(at, *arguments)[1]).max()


def test_a_gene_without_effect_is_found_out():
    codes = np.random.default_rng(0).integers(0, 3, size=(80, 4))
    values = codes[:, 0] + 0.5 * (codes[:, 2] == 1)
    weights = fit(codes, values.astype(float), (3, 3, 3, 3)).weights
    assert weights[0] > 3 * weights[1]
    assert weights[2] > 3 * weights[3]


def test_equal_values_are_no_error():
    codes = drawn(5)
    model = observe(fit(codes, np.zeros(5), OPTIONS), codes, np.zeros(5))
    mean, deviation = model.predict(codes)
    assert mean == pytest.approx(np.zeros(5))
    assert np.isfinite(deviation).all()


def test_a_sum_over_genes_is_learned_from_as_many_as_it_has_terms():
    options = (3,) * 8
    codes = np.random.default_rng(0).integers(0, 3, size=(60, 8))
    terms = np.random.default_rng(1).normal(size=(8, 3))
    values = terms[np.arange(8), codes].sum(axis=1)
    values = (values - values.mean()) / values.std()
    seen, unseen = slice(0, 25), slice(25, None)  # 8 x 2 + 1 terms are free

    def error(features):
        given = {} if features is None else {"features": features[seen]}
        kernel = fit(codes[seen], values[seen], options, **given)
        model = observe(kernel, codes[seen], values[seen], **given)
        mean, _ = model.predict(codes[unseen], None if features is None else features[unseen])
        return np.sqrt(np.mean((mean - values[unseen]) ** 2))

    assert error(additive(codes, options)) < 0.1
    assert error(additive(codes, options)) < error(None) / 3
