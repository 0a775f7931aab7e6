import numpy as np
import pytest
from sklearn import metrics as oracle

from nas.errors import SettingsError
from nas.evaluation.metrics import confusion, paired_bootstrap, per_class, score

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.choice(7, 300, p=[0.4, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05])
SCORES = RANDOM.normal(size=(300, 7)) + 1.5 * np.eye(7)[LABELS]
PREDICTED = SCORES.argmax(1)


def test_the_confusion_matrix_has_true_classes_as_rows():
    matrix = confusion(np.array([0, 0, 1, 2]), np.array([0, 2, 1, 1]), classes=3)
    assert matrix.tolist() == [[1, 0, 1], [0, 1, 0], [0, 1, 0]]


def test_scores_per_class_are_those_of_scikit_learn():
    table = per_class(confusion(LABELS, PREDICTED, classes=7), [f"c{n}" for n in range(7)])
    precision, recall, f1, images = oracle.precision_recall_fscore_support(LABELS, PREDICTED)
    assert [row.name for row in table] == [f"c{n}" for n in range(7)]
    np.testing.assert_allclose([row.precision for row in table], precision)
    np.testing.assert_allclose([row.recall for row in table], recall)
    np.testing.assert_allclose([row.f1 for row in table], f1)
    assert [row.images for row in table] == images.tolist()


def test_metrics_are_those_of_scikit_learn():
    expected = {
        "accuracy": oracle.accuracy_score(LABELS, PREDICTED),
        "balanced_accuracy": oracle.balanced_accuracy_score(LABELS, PREDICTED),
        "macro_f1": oracle.f1_score(LABELS, PREDICTED, average="macro"),
        "top5": oracle.top_k_accuracy_score(LABELS, SCORES, k=5),
    }
    assert {name: score(name, LABELS, SCORES) for name in expected} == pytest.approx(expected)


def test_classes_without_images_or_predictions_count_as_nothing_right():
    row = per_class(confusion(np.array([0]), np.array([0]), classes=2), "ab")[1]
    assert (row.images, row.precision, row.recall, row.f1) == (0, 0, 0, 0)
    assert score("balanced_accuracy", np.array([0]), np.array([[1.0, 0.0]])) == 1


def test_saying_the_same_of_every_class_is_not_among_the_top_five():
    assert score("top5", LABELS, np.zeros((300, 7))) == 0


def test_an_unknown_metric_is_refused():
    with pytest.raises(SettingsError, match="got 'acuracy'; allowed: accuracy"):
        score("acuracy", LABELS, SCORES)


def test_equal_predictions_differ_by_nothing():
    right = PREDICTED == LABELS
    difference = paired_bootstrap(right, right, seed=0, resamples=500)
    assert (difference.mean, difference.low, difference.high) == (0, 0, 0)
    assert difference.tie


def test_the_interval_is_that_of_the_paired_differences():
    # 40 images only the winner has right, 10 only the reference, 350 both: mean 30 / 400; the
    # variance of one difference is 50 / 400 - mean^2, so the standard error is 0.0173.
    winner = np.array([True] * 390 + [False] * 10)
    reference = np.array([True] * 350 + [False] * 40 + [True] * 10)
    difference = paired_bootstrap(winner, reference, seed=0, resamples=4000)
    assert difference.mean == pytest.approx(0.075)
    assert difference.low == pytest.approx(0.075 - 1.96 * 0.0173, abs=0.004)
    assert difference.high == pytest.approx(0.075 + 1.96 * 0.0173, abs=0.004)
    assert not difference.tie


def test_unequal_seeds_widen_the_interval():
    reference = np.array([True] * 90 + [False] * 10)
    steady = np.array([True] * 95 + [False] * 5)
    lucky = np.stack([[True] * 100, [True] * 90 + [False] * 10])
    narrow = paired_bootstrap(np.stack([steady, steady]), reference, seed=0, resamples=2000)
    wide = paired_bootstrap(lucky, reference, seed=0, resamples=2000)
    assert narrow.mean == pytest.approx(wide.mean) == pytest.approx(0.05)
    assert wide.high - wide.low > narrow.high - narrow.low


def test_predictions_on_different_images_are_not_compared():
    with pytest.raises(ValueError, match="same images; got 3 and 2"):
        paired_bootstrap(np.ones(3, bool), np.ones(2, bool), seed=0)
