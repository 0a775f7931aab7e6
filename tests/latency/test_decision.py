"""A limit is kept or broken by the interval, not by the number in its middle."""

import pytest

from nas.latency.decision import EQUAL, Bound, verdict
from nas.outcome import Latency


def latency(ratio, half, ms=10.0):
    low, high = ratio / (1 + half), ratio * (1 + half)
    return Latency(
        ms=ratio * ms, low=low * ms, high=high * ms, ratio=ratio, ratio_low=low, ratio_high=high,
        statistic="median", clock="wall", status="RESOLVED", target="t", reference="r",
        reference_ms=ms, rounds=8, processes=1, seconds=1.0,
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
