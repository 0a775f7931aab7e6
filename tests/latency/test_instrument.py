"""Real networks, real processes; ratios only, with margins of several times the noise."""

import os
import signal
import tempfile

import pytest
import torch
from torch import nn

from nas.architecture import Architecture, HeadSpec, StemSpec, UnitSpec
from nas.errors import MeasurementError, SettingsError
from nas.latency.decision import EQUAL, Bound
from nas.latency.instrument import Instrument
from nas.latency.subject import Subject
from nas.latency.target import target_of
from nas.outcome import Latency
from nas.settings import TargetSettings

IN_WORKER = "MALLOC_TOP_PAD_"  # set for measuring processes only


def network(depth, width=48):
    units = (UnitSpec("shuffle_v2", width, stride=2), *[UnitSpec("shuffle_v2", width)] * depth)
    return Architecture(
        input=(1, 8, 8),
        stem=StemSpec(24, stride=1, pool=False),
        units=units,
        head=HeadSpec(),
        classes=10,
    )


REFERENCE = network(4)


@pytest.fixture(scope="module")
def instrument():
    with Instrument(target_of(TargetSettings()), reference=REFERENCE) as instrument:
        yield instrument


class Crashing(nn.Module):
    def forward(self, x):
        if IN_WORKER in os.environ:
            os._exit(3)
        return x


class CrashingOnce(nn.Module):
    def __init__(self, path):
        super().__init__()
        self.path = path

    def forward(self, x):
        if IN_WORKER in os.environ and not os.path.exists(self.path):
            with open(self.path, "w"):
                os._exit(3)
        return x


class Lying(nn.Module):
    def forward(self, x):
        return x + 1 if IN_WORKER in os.environ else x


def test_three_times_the_units_take_clearly_longer(instrument):
    assert instrument.measure(network(12)).ratio > 1.5


def test_networks_come_back_in_the_order_given(instrument):
    deep, shallow, reference = instrument.measure_many([network(16), network(1), REFERENCE])
    assert deep.ratio > 1.5
    assert shallow.ratio < 0.9
    assert reference.ratio == 1.0


def test_a_measured_number_says_how_it_was_measured(instrument):
    found = instrument.measure(network(5))
    assert found.target == instrument.target.key
    assert found.reference == REFERENCE.fingerprint
    assert found.low < found.ms < found.high
    assert found.ratio_low < found.ratio < found.ratio_high
    # The interval of milliseconds also holds what the reference's own differ by.
    differ = 1 + found.conditions["invocations_differ"]
    assert found.high / found.ms > max(differ, found.ratio_high / found.ratio)
    assert found.ms == pytest.approx(found.ratio * found.reference_ms)
    assert (found.statistic, found.clock, found.processes) == ("median", "thread CPU time", 1)
    assert found.status in ("RESOLVED", "UNRESOLVED")
    assert found.rounds >= 8
    wanted = {"versions", "threads", "preempted_share", "faults_per_call", "duplicate_ratio"}
    assert wanted <= set(found.conditions)
    assert sum(found.conditions["calls"]["counts"]) > 0
    assert Latency.from_json(found.to_json()) == found


def test_the_reference_and_its_hidden_duplicate_are_equally_fast(instrument):
    found = instrument.measure(network(6))
    assert found.conditions["duplicate_ratio"] == pytest.approx(1.0, abs=0.2)


def test_a_lost_process_is_started_again_without_a_word(instrument):
    before = instrument.pids
    os.kill(before[0], signal.SIGKILL)
    assert instrument.measure(network(12)).ratio > 1.5
    assert instrument.pids != before


def test_no_file_of_a_candidate_is_left_anywhere(instrument, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    instrument.measure(network(7))
    left = [name for _, _, names in os.walk(tmp_path) for name in names]
    assert [name for name in left if not name.startswith("cpu.")] == []  # the lease's locks


@pytest.mark.slow
def test_the_tail_is_measured_by_the_wall():
    with Instrument(
        target_of(TargetSettings()), reference=network(1), statistic="p95"
    ) as instrument:
        found = instrument.measure(network(24))
    assert found.ratio > 1.5
    assert (found.statistic, found.clock) == ("p95", "wall")


def test_an_unknown_statistic_is_refused():
    with pytest.raises(SettingsError, match=r"latency_statistic: .* allowed: median, p95"):
        Instrument(target_of(TargetSettings()), reference=REFERENCE, statistic="mean")


def test_a_clear_case_is_settled_by_one_process(instrument):
    found = instrument.settle(network(16), Bound(ratio=EQUAL))
    assert found.conditions["verdict"] == "broken"
    assert found.processes == 1
    assert instrument.settle(network(16), Bound(ms=1e6)).conditions["verdict"] == "kept"


def test_a_close_case_is_measured_no_longer_than_it_is_worth(instrument, monkeypatch):
    monkeypatch.setattr(instrument, "most_seconds", 0.0)
    rough = instrument.measure(network(7))
    found = instrument.settle(network(7), Bound(ratio=rough.ratio))
    assert (found.processes, found.conditions["verdict"]) == (1, "unresolved")


def test_the_reference_is_settled_by_definition(instrument):
    found = instrument.settle(REFERENCE, Bound(ratio=EQUAL))
    assert (found.ratio, found.conditions["verdict"]) == (1.0, "kept")
    near = instrument.settle(REFERENCE, Bound(ms=found.ms))  # in the middle of its interval
    assert (near.ratio, near.conditions["verdict"]) == (1.0, "unresolved")
    assert near.conditions["beyond_measuring"]


@pytest.mark.slow
def test_a_close_case_is_measured_further_and_then_called_what_it_is():
    target = target_of(TargetSettings())
    with Instrument(target, reference=network(6), second=network(1)) as instrument:
        rough = instrument.measure(network(7))
        found = instrument.settle(network(7), Bound(ratio=rough.ratio))
    assert found.processes in (3, 5)  # by three where the rough measurement was far off
    assert found.conditions["verdict"] in ("kept", "broken", "unresolved")
    assert found.rounds >= 8
    assert abs(found.conditions["second_reference_drift"]) < 0.5
    assert instrument.regime.first.ratio < 1  # network(1) beside network(6)
    assert found.ratio == pytest.approx(rough.ratio, rel=0.3)


@pytest.mark.slow
def test_a_later_instrument_starts_from_what_is_stored(tmp_path):
    target = target_of(TargetSettings())
    networks = [network(depth, width=32) for depth in (1, 2, 3, 4, 5)]
    with Instrument(target, reference=REFERENCE, folder=tmp_path) as first:
        measured = first.measure_many(networks)
        assert first.measure(networks[0]).seconds == 0  # known by now
    with Instrument(target, reference=REFERENCE, folder=tmp_path) as later:
        found = [later.measure(one) for one in networks]
        # Else the machine is not what it was, and that was said.
        if not any("no longer hold" in note for note in later.notes):
            assert [one.seconds > 0 for one in found] == [True] * 3 + [False] * 2
            assert found[4].ratio == measured[4].ratio
            assert found[4].ms == pytest.approx(found[4].ratio * found[4].reference_ms)


@pytest.fixture(scope="module")
def eager():
    target = target_of(TargetSettings(runtime="eager"))
    with Instrument(target, reference=network(1)) as instrument:
        yield instrument


def test_eager_torch_is_measured_too(eager):
    assert eager.measure(network(12)).ratio > 1.5


def test_any_torch_module_is_measured(eager):
    found = eager.measure(Subject("plain", (1, 8, 8), lambda: nn.Conv2d(1, 4, 3)))
    assert 0 < found.ratio < 1


def test_a_network_that_gives_other_outputs_is_refused_before_it_is_timed(eager):
    with pytest.raises(MeasurementError, match="network lying: outputs must be eager's"):
        eager.measure(Subject("lying", (1, 8, 8), Lying))


@pytest.mark.slow
def test_a_network_that_kills_its_process_is_told_after_one_more_try(eager):
    with pytest.raises(MeasurementError, match=r"measuring process: .*exit status 3"):
        eager.measure(Subject("crashing", (1, 8, 8), Crashing))
    assert eager.measure(network(12)).ratio > 1.5


@pytest.mark.slow
def test_a_network_that_kills_its_process_once_is_measured(eager, tmp_path):
    path = tmp_path / "crashed"
    assert eager.measure(Subject("once", (1, 8, 8), lambda: CrashingOnce(str(path)))).ratio > 0
    assert path.exists()


def test_an_operator_without_an_onnx_form_is_named(instrument):
    class Odd(nn.Module):
        def forward(self, x):
            return torch.linalg.eigvals(x).real

    with pytest.raises(MeasurementError, match=r"every operator must have an ONNX form.*eig"):
        instrument.measure(Subject("odd", (1, 8, 8), Odd))
