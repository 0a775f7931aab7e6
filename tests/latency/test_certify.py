"""The last word on a network: fresh processes, percentiles, cold and under lasting load."""

from dataclasses import replace

import pytest
from architectures import network

from nas.latency.certify import certify
from nas.latency.decision import EQUAL, Bound
from nas.latency.levels import CERTIFY
from nas.latency.target import target_of
from nas.outcome import Certificate
from nas.settings import TargetSettings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def certificates():
    return certify(
        target_of(TargetSettings()),
        [network(16), network(1)],
        reference=network(4),
        bounds=[Bound(ratio=EQUAL)],
        level=replace(CERTIFY, processes=2),
        sustained_seconds=0.3,
    )


def test_they_come_in_the_order_given_the_reference_last(certificates):
    names = [one.name for one in certificates]
    assert names == [network(depth).fingerprint for depth in (16, 1, 4)]
    assert certificates[-1].latency.ratio == 1.0


def test_search_and_certificate_agree_on_what_is_slower(certificates):
    deep, shallow, reference = certificates
    assert deep.latency.ratio > 1.5
    assert deep.sustained_ratio > 1.5
    assert shallow.latency.ratio < 0.9
    assert deep.p50_ms > reference.p50_ms > shallow.p50_ms


def test_the_limit_is_judged(certificates):
    deep, shallow, reference = certificates
    assert deep.verdict == "broken"
    assert reference.verdict == "kept"
    assert [one.sustained_within for one in (deep, shallow, reference)] == [False, True, True]


def test_the_interval_of_milliseconds_holds_what_invocations_differ_by(certificates):
    for one in certificates:
        differ = 1 + one.latency.conditions["invocations_differ"]
        assert one.latency.high / one.latency.ms > differ
        assert one.latency.ms / one.latency.low > differ


def test_percentiles_are_in_order_and_a_first_call_is_not_faster(certificates):
    for one in certificates:
        assert 0 < one.p50_ms <= one.p95_ms <= one.p99_ms
        assert one.cold_ms > one.p50_ms
        assert one.sustained_ms > 0
        assert one.latency.processes == 2


def test_they_are_written_down_and_read_back(certificates):
    for one in certificates:
        assert Certificate.from_json(one.to_json()) == one
