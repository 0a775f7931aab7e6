"""A limit is kept or broken by the interval, not by the number in its middle."""

import pytest

from nas.latency.decision import EQUAL, Bound, at_best, hopeless, judged, verdict
from nas.latency.deviation import Spread
from nas.outcome import Latency


def latency(ratio, half, ms=10.0, differ=0.0):
    low, high = ratio / (1 + half), ratio * (1 + half)
    return Latency(
        ms=ratio * ms, low=low * ms, high=high * ms, ratio=ratio, ratio_low=low, ratio_high=high,
        statistic="median", clock="wall", status="RESOLVED", target="t", reference="r",
        reference_ms=ms, rounds=8, processes=1, seconds=1.0,
        conditions={"invocations_differ": differ},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ratio", "half", "expected"),
    [
        (0.95, 0.02, "kept"),
        (1.10, 0.02, "broken"),
        (1.02, 0.02, "unresolved"),
        (0.99, 0.10, "unresolved"),
        (1.00, 0.00, "kept"),  # the reference itself
        (EQUAL, 0.00, "kept"),  # equally fast within what copies of one network differ by
    ],
)
def test_no_slower_than_the_reference(ratio, half, expected):
    assert verdict(latency(ratio, half), Bound(ratio=EQUAL)) == expected


@pytest.mark.parametrize(
    ("limit", "expected"), [(11.0, "kept"), (10.3, "unresolved"), (9.0, "broken")]
)
def test_milliseconds(limit, expected):
    assert verdict(latency(1.0, 0.05), Bound(ms=limit)) == expected


def test_one_broken_bound_is_enough_and_all_must_be_kept():
    found = latency(1.0, 0.05)
    assert verdict(found, Bound(ms=20.0), Bound(ratio=0.5)) == "broken"
    assert verdict(found, Bound(ms=20.0), Bound(ratio=1.0)) == "unresolved"
    assert verdict(found, Bound(ms=20.0), Bound(ratio=2.0)) == "kept"


def test_without_a_bound_everything_is_kept():
    assert verdict(latency(9.0, 0.5)) == "kept"


@pytest.mark.parametrize(("limit", "beyond"), [(10.3, True), (9.7, True), (10.45, False)])
def test_a_limit_nearer_than_invocations_are_apart_is_beyond_measuring(limit, beyond):
    found = judged(latency(1.0, 0.05, differ=0.04), [Bound(ms=limit)])
    assert found.conditions["verdict"] == "unresolved"
    assert found.conditions["beyond_measuring"] == beyond


def test_a_limit_against_a_network_is_never_beyond_measuring():
    found = judged(latency(1.02, 0.05, differ=0.04), [Bound(ratio=EQUAL)])
    assert found.conditions["verdict"] == "unresolved"
    assert not found.conditions["beyond_measuring"]
    assert "beyond_measuring" not in judged(latency(1.0, 0.01), [Bound(ms=20.0)]).conditions


def test_measuring_further_is_in_vain_only_if_no_ratio_of_the_interval_settles_it():
    # The limit is 1 % away: within 4 %, whatever the ratio is within 2 %.
    assert hopeless(latency(1.0, 0.02, differ=0.04), [Bound(ms=10.1)])
    # With a ratio that is known to 6 % only, it may still turn out 5 % lower.
    assert not hopeless(latency(1.0, 0.06, differ=0.04), [Bound(ms=10.1)])
    assert not hopeless(latency(1.0, 0.02, differ=0.04), [Bound(ratio=1.01)])


def test_turns_without_end_leave_what_processes_and_invocations_differ_by():
    found = at_best(latency(1.0, 0.5), Spread())
    assert 1.039 < found.ratio_high < 1.075  # 1.4 % between processes, others perhaps disturbed
    assert found.high / found.ms > 1 + Spread().invocations.half_width
