"""What invocations say of each other, against Student's t by scipy and by simulation."""

import math

import numpy as np
import pytest
from scipy.stats import t

from nas.latency.deviation import BEFORE, DISTURBED, PRIOR, SPEED_SD, Invocations, Spread, in_ms


def test_without_invocations_the_prior_alone_holds():
    expected = t.ppf(0.975, BEFORE - 1) * math.sqrt(2) * SPEED_SD
    assert Invocations().half_width == pytest.approx(math.expm1(expected))
    assert Invocations().disturbed_share == pytest.approx(DISTURBED)


def test_invocations_on_the_target_outweigh_the_prior_in_the_end():
    steady = Invocations(squares=1000 * 0.002**2, freedom=1000, disturbed=0, number=1001)
    assert steady.half_width < 0.012  # 1.96 x sqrt(2) x 0.2 % = 0.55 %, and what the prior leaves
    assert steady.disturbed_share < 0.01
    moving = Invocations(squares=10 * 0.1**2, freedom=10, disturbed=11, number=11)
    assert moving.half_width > 0.2
    assert moving.disturbed_share == pytest.approx((1 + DISTURBED) / 2)


def test_the_interval_covers_what_another_invocation_finds():
    rng = np.random.default_rng(0)
    apart = rng.normal(0, SPEED_SD, 4000) - rng.normal(0, SPEED_SD, 4000)
    inside = np.abs(apart) <= math.log1p(Invocations().half_width)
    assert 0.95 <= inside.mean() <= 0.99  # t of ten degrees of freedom is on the safe side


def test_another_invocation_may_be_busier_but_not_quieter_than_a_busy_one():
    # Two invocations deviate by 0.8 % each. 7 % of them have 3 % more deviation in each of five
    # processes; a median's variance is 1.43 that of a mean.
    both = 0.01**2 + 2 * 0.008**2
    found = PRIOR.elsewhere(0.01**2, 5, gated=True)
    assert found == pytest.approx(both + 0.07 * 0.03**2 * 1.43 / 5)
    assert PRIOR.elsewhere(0.01**2, 5, gated=False) == pytest.approx(both)
    calm = Spread(invocations=Invocations(number=10**9))
    assert calm.elsewhere(0.01**2, 5, gated=True) == pytest.approx(both)


def test_milliseconds_differ_by_ratio_and_by_speed_in_quadrature():
    ms, low, high = in_ms(2.0, 2.0 / 1.03, 2.0 * 1.03, reference_ms=5.0, differ=0.04)
    assert ms == 10.0
    half = math.hypot(math.log(1.03), math.log(1.04))
    assert math.log(high / ms) == pytest.approx(half)
    assert math.log(ms / low) == pytest.approx(half)
    assert in_ms(1.0, 1.0, 1.0, reference_ms=5.0, differ=0.04)[2] == pytest.approx(5.0 * 1.04)


def test_what_processes_say_keeps_what_invocations_said():
    known = Spread(0.01, 0.0, 4, Invocations(number=3))
    assert (known + Spread(0.01, 0.0, 4)).invocations.number == 3


def test_the_prior_of_processes_holds_until_twenty_degrees_of_freedom():
    one = Spread(0.01, 0.0, 4)
    assert (one + one + one + one).deviation == 0.014
    assert (one + one + one + one + one).deviation == pytest.approx(0.05)
    assert Spread(0.01, 0.0, 40).deviation == pytest.approx((0.01 / 40) ** 0.5)
