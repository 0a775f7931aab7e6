from dataclasses import replace

import pytest

from nas.settings import TrainingSettings
from nas.training.schedule import rate


def test_the_rate_rises_over_the_warm_up_and_ends_at_zero():
    settings = TrainingSettings(learning_rate=0.5, warmup_share=0.25)
    assert rate(0, settings) == pytest.approx(0.02)
    assert rate(0.125, settings) == pytest.approx(0.26)  # half-way from 0.02 to 0.5
    assert rate(0.25, settings) == pytest.approx(0.5)
    assert rate(0.625, settings) == pytest.approx(0.25)  # the middle of the cosine
    assert rate(1, settings) == pytest.approx(0, abs=1e-12)
    assert rate(0, replace(settings, warmup_share=0)) == 0.5
