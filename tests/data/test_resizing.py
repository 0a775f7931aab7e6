from __future__ import annotations

import torch

from nas.architecture import Architecture, HeadSpec, StemSpec, UnitSpec
from nas.data import load
from nas.data.resizing import resized
from nas.evaluation.full import evaluate_full
from nas.settings import DataSettings, TrainingSettings


def test_images_take_another_size_and_keep_their_labels_and_grey() -> None:
    digits = load(DataSettings())
    larger = resized(digits, (16, 12))
    assert larger.input == (1, 16, 12)
    assert larger.train.images.shape == (1000, 1, 16, 12)
    assert larger.train.images.dtype == torch.uint8
    assert torch.equal(larger.test.labels, digits.test.labels)
    # Every pixel of the original weighs about the same: the mean grey stays within 2 of 255.
    before, after = digits.test.images.float().mean(), larger.test.images.float().mean()
    assert abs(float(before - after)) < 2
    assert resized(digits, (8, 8)) is digits


def test_a_candidate_of_another_resolution_is_trained_on_its_own_size() -> None:
    units = (UnitSpec("shuffle_v2", 32, stride=2),)
    network = Architecture((1, 12, 12), StemSpec(16, stride=1, pool=False), units, HeadSpec(), 10)
    found = evaluate_full(
        network, data=DataSettings(), training=TrainingSettings(epochs=1, threads=1), seed=0
    )
    assert 0 < found.accuracy <= 1
