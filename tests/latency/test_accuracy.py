"""Known differences and none: does what is measured come back as it is?

`benchmarks/latency.py` asks for 1.5 % and 2.5 %; here three times that, for a busy machine.
"""

import math

import pytest
from torch import nn

from nas.latency.instrument import Instrument
from nas.latency.levels import DECIDE
from nas.latency.subject import Subject
from nas.latency.target import target_of
from nas.settings import TargetSettings

pytestmark = pytest.mark.slow


def repeated(name, times):
    """One and the same unit so many times: time is a constant and so many times the unit's."""

    def build():
        unit = nn.Sequential(nn.Conv2d(32, 32, 3, padding=1), nn.ReLU())
        return nn.Sequential(*[unit] * times)

    return Subject(name, (32, 28, 28), build)


@pytest.fixture(scope="module")
def ratios():
    wanted = [repeated("few", 6), repeated("more", 10), repeated("many", 14), repeated("copy", 10)]
    with Instrument(
        target_of(TargetSettings()), reference=repeated("reference", 8), level=DECIDE
    ) as instrument:
        found = instrument.measure_many(wanted)
    return {one.name: latency.ratio for one, latency in zip(wanted, found, strict=True)}


def test_a_unit_that_is_repeated_comes_back(ratios):
    expected = (ratios["few"] + ratios["many"]) / 2
    assert abs(math.log(ratios["more"] / expected)) <= 3 * 0.015


def test_copies_of_one_network_come_out_equal(ratios):
    assert abs(math.log(ratios["more"] / ratios["copy"])) <= 3 * 0.025
