import numpy as np
import torch
from sklearn import datasets

from nas.data import load
from nas.data.digits import SIZES
from nas.settings import DataSettings


def test_digits_are_split_into_1000_400_and_397_different_images():
    data = load(DataSettings())
    assert [len(s) for s in (data.train, data.validation, data.test)] == [1000, 400, 397]
    assert sum(SIZES) == 1797
    # Every image of the bundle is in exactly one split: the sums of all pixels agree.
    total = sum(int(s.images.long().sum()) for s in (data.train, data.validation, data.test))
    bundle = np.rint(datasets.load_digits().images * 255 / 16).astype(np.int64)
    assert total == bundle.sum()


def test_digits_are_uint8_over_the_whole_scale_in_one_channel():
    data = load(DataSettings())
    assert data.input == (1, 8, 8)
    assert data.train.images.dtype == torch.uint8
    assert data.train.images.shape == (1000, 1, 8, 8)
    assert (int(data.train.images.min()), int(data.train.images.max())) == (0, 255)


def test_every_split_of_digits_holds_the_classes_in_proportion():
    data = load(DataSettings())
    whole = np.bincount(datasets.load_digits().target)
    for split in (data.train, data.validation, data.test):
        expected = whole * len(split) / 1797
        # Rounding moves each class by less than two images.
        assert np.abs(split.labels.bincount().numpy() - expected).max() < 2


def test_the_split_of_digits_does_not_depend_on_the_seed():
    assert load(DataSettings(seed=1)).hash == load(DataSettings(seed=2)).hash


def test_mean_and_deviation_are_those_of_the_training_images():
    data = load(DataSettings())
    pixels = data.train.images.double() / 255
    np.testing.assert_allclose(data.mean[0], float(pixels.mean()), rtol=1e-12)
    np.testing.assert_allclose(data.std[0], float(pixels.std(unbiased=False)), rtol=1e-12)


def test_the_same_settings_are_read_once_a_process():
    assert load(DataSettings()) is load(DataSettings())
