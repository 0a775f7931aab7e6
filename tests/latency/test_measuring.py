"""How long a measurement goes on, and what it has the device alone for."""

import random
import tempfile
import threading
import time
from dataclasses import replace

import pytest
from leases import waits_for_the_device

from nas.architecture import Architecture
from nas.latency import lease
from nas.latency.deviation import PRIOR
from nas.latency.levels import SCREEN
from nas.latency.measuring import Run, _missing, disturbance, measure
from nas.latency.protocol import FEWEST_QUIET, Group, Sample
from nas.latency.runtimes import prepare
from nas.latency.seat import DUPLICATE, REFERENCE, Seat
from nas.latency.subject import subject
from nas.latency.target import target_of
from nas.settings import TargetSettings


def turns(quiet, busy):
    def one(time):
        group = Group((time,), 0, 0, (time,))
        return Sample("a", group, (group, group), group)

    return [*[one(100.0)] * quiet, *[one(150.0)] * busy]


def test_a_network_with_enough_quiet_turns_is_not_run_again():
    assert _missing(turns(FEWEST_QUIET, 20), "a", 100.0) == 0


def test_where_most_turns_are_quiet_a_few_more_are_run():
    # one of 5 is missing and 4 of 5 are quiet: ceil(1 / 0.8)
    assert _missing(turns(FEWEST_QUIET - 1, 1), "a", 100.0) == 2


def test_where_few_turns_are_quiet_no_more_than_a_whole_schedule_is_run():
    assert _missing(turns(1, 7), "a", 100.0) == FEWEST_QUIET
    assert _missing([], "a", 100.0) == FEWEST_QUIET


def test_the_worst_of_all_rounds_is_written_beside_a_number():
    states = (
        {"mhz": 2400.0, "celsius": 50.0, "cooling": 0.0, "throttled": 7.0, "governor": "schedutil"},
        {"mhz": 1200.0, "celsius": 80.0, "cooling": 2.0, "throttled": 9.0, "governor": "powersave"},
        {"load": 1.5},
    )
    run = Run(
        level=SCREEN, samples=(tuple(turns(8, 0)),), floors=(100.0,), reference_ns=(100.0,),
        states=states, waited=0.0, seconds=1.0, statistic="median",
    )  # fmt: skip
    found = disturbance(run, "a")
    assert (found["mhz"], found["celsius"], found["cooling"], found["load"]) == (1200, 80, 2, 1.5)
    assert found["throttled"] == 2  # meanwhile, of nine since the machine was started
    assert found["governor"] == "powersave, schedutil"


def test_runs_in_different_processes_count_together_and_who_did_not_run_a_network_is_left_out():
    def run(samples, seconds):
        return Run(
            level=SCREEN, samples=(samples,), floors=(100.0,), reference_ns=(100.0,), states=(),
            waited=0.0, seconds=seconds, statistic="median",
        )  # fmt: skip

    here, there = tuple(turns(8, 0)), tuple(replace(one, name="b") for one in turns(8, 0))
    both = run(here, 1.0).beside(run((*here, *there), 2.0))
    assert [len(one) for one in both.of("a")] == [8, 8]
    assert [len(one) for one in both.of("b")] == [0, 8]
    assert (both.ratio("a", PRIOR).samples, both.ratio("b", PRIOR).samples) == (16, 8)
    assert both.seconds == 3.0
    longer = run(here, 1.0) + run(here, 2.0)
    assert [len(one) for one in longer.of("a")] == [16]


def eventually(happened):
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("cold", [False, True])
def test_a_network_is_loaded_beside_a_training_but_where_its_first_call_counts(
    tmp_path, monkeypatch, cold
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    target = target_of(TargetSettings())
    one = prepare(
        subject(Architecture.from_text("in1x8x8+stem8-s1+shuffle_v2:16-s2-n2+head0+out10")), target
    )
    seat, runs = Seat(target, {REFERENCE: one, DUPLICATE: one}), []
    level = replace(SCREEN, most_rounds=8)

    def run():
        runs.append(
            measure([seat], {}, level=level, statistic="median", rng=random.Random(0), cold=cold)
        )

    thread = threading.Thread(target=run)
    with lease.shared("cpu"):  # a training's batch
        thread.start()
        eventually(waits_for_the_device)
        assert set(seat.first_ns) == (set() if cold else {REFERENCE, DUPLICATE})
    thread.join(60)
    assert set(seat.first_ns) == {REFERENCE, DUPLICATE}
    assert runs[0].waited > 0
    seat.close()
