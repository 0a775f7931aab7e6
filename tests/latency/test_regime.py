"""A second reference of another kind: when its ratio moves, the regime did, and that is told."""

import pytest

from nas.latency.deviation import Spread
from nas.latency.levels import DECIDE
from nas.latency.measuring import Run
from nas.latency.protocol import Group, Sample
from nas.latency.regime import SECOND, Regime
from nas.latency.target import target_of
from nas.settings import TargetSettings


def run(ratio, name=SECOND, processes=5):
    reference = Group((1000.0, 1000.0), 0, 1, (1000.0, 1000.0))
    candidate = Group((1000.0 * ratio,), 0, 0, (1000.0 * ratio,))
    turns = (Sample(name, reference, (candidate, candidate), reference),) * 10
    return Run(
        level=DECIDE, samples=(turns,) * processes, floors=(1000.0,) * processes,
        reference_ns=(1e6,) * processes, states=(), waited=0.0, seconds=1.0, statistic="median",
    )  # fmt: skip


@pytest.fixture
def told():
    return []


@pytest.fixture
def regime(told):
    return Regime(None, target_of(TargetSettings()), told=told.append)


def test_a_ratio_that_stays_is_not_told(regime, told):
    for ratio in (1.30, 1.31, 1.29):
        regime.look(run(ratio), Spread())
    assert told == []
    found = regime.conditions(run(1.365), Spread())
    assert found["second_reference_ratio"] == pytest.approx(1.365)
    assert found["second_reference_drift"] == pytest.approx(0.05)


def test_a_ratio_whose_interval_has_left_the_first_is_told_once(regime, told):
    # Five processes that differ by 1.4 %: +-2.9 %, so that 10 % are clearly apart.
    for ratio in (1.30, 1.43, 1.45):
        regime.look(run(ratio), Spread())
    assert len(told) == 1
    assert "takes 1.430 of the first, and took 1.300 before" in told[0]


def test_where_it_takes_no_part_nothing_is_said_of_it(regime, told):
    regime.look(run(1.3, name="another"), Spread())
    assert regime.first is None
    assert regime.conditions(run(1.3), Spread()) == {}
    assert told == []
