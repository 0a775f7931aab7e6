"""What was measured stays, also beside damage; later studies start from it and check it."""

import json
import math
import sqlite3
import zlib
from contextlib import closing
from dataclasses import replace

import pytest

from nas.errors import MeasurementError
from nas.latency.deviation import Invocations, Spread
from nas.latency.levels import SCREEN
from nas.latency.measuring import Run
from nas.latency.memory import CHECKS, Memory
from nas.latency.protocol import Group, Sample
from nas.latency.store import Store
from nas.outcome import Latency

VERSIONS = {"runtime": "onnxruntime 1"}
FIRST, OTHER = "0123456789abcdef", "fedcba9876543210"
"""Fingerprints of reference networks."""


def latency(ratio=1.5, target="t", reference="r"):
    return Latency(
        ms=ratio, low=ratio / 1.04, high=ratio * 1.04, ratio=ratio, ratio_low=ratio / 1.04,
        ratio_high=ratio * 1.04, statistic="median", clock="wall", status="RESOLVED",
        target=target, reference=reference, reference_ms=1.0, rounds=8, processes=1, seconds=1.0,
        conditions={"threads": 1},
    )  # fmt: skip


def samples(ratio=1.5, count=10, name="a"):
    reference = Group((100.0, 100.0), 0, 1, (90.0, 110.0))
    candidate = Group((100.0 * ratio,), 1, 0, (150.0,))
    return [Sample(name, reference, (candidate, candidate), reference)] * count


def add(store, found, network="a", versions=VERSIONS):
    store.add(found, network=network, level="screen", versions=versions, samples=[samples()])


def latest(store, network="a", target="t", reference="r", versions=VERSIONS):
    return store.latest(
        target=target, network=network, reference=reference, statistic="median", versions=versions
    )


def test_a_measurement_comes_back_with_its_raw_times(tmp_path):
    add(Store(tmp_path), latency())
    again = Store(tmp_path)
    assert latest(again).latency == latency()
    assert again.raw(target="t", network="a") == [samples()]


def test_the_states_of_the_machine_stay_beside_the_raw_times(tmp_path):
    state = {"celsius": 61.5, "governor": "schedutil"}
    measured = replace(run(1.5, "a"), states=(state,))
    Memory("t", "r", "median", tmp_path).keep(latency(), "a", measured, VERSIONS)
    with closing(sqlite3.connect(tmp_path / "latency.db")) as connection:
        (raw,) = connection.execute("SELECT raw FROM measurements").fetchone()
    assert json.loads(zlib.decompress(raw))["states"] == [state]


def test_the_newest_counts(tmp_path):
    store = Store(tmp_path)
    add(store, latency(1.5))
    add(store, latency(1.6))
    assert latest(store).latency.ratio == 1.6


@pytest.mark.parametrize(
    "other",
    [
        {"target": "u"},
        {"network": "b"},
        {"reference": "s"},
        {"versions": {"runtime": "onnxruntime 2"}},
    ],
)
def test_numbers_of_other_circumstances_are_not_mixed(tmp_path, other):
    store = Store(tmp_path)
    add(store, latency())
    assert latest(store, **other) is None


def test_spreads_of_a_target_add_up(tmp_path):
    store = Store(tmp_path)
    for _ in range(6):
        store.add_spread("t", Spread(0.004, 0.001, 4))
    store.add_spread("u", Spread(1.0, 0.0, 4))
    found = store.spread("t")
    assert found.freedom == 24
    assert found.deviation == pytest.approx((6 * 0.003 / 24) ** 0.5)


@pytest.fixture
def began(tmp_path, monkeypatch):
    """Writes down the reference of an invocation that began at a time, in seconds."""
    store = Store(tmp_path)

    def begin(at, ms, *, gated=True, target="t", reference=FIRST, network="", versions=VERSIONS):
        monkeypatch.setattr("nas.latency.store.time.time", lambda: at)
        found = replace(
            latency(1.0, target=target, reference=reference),
            reference_ms=ms,
            conditions={"gated": gated},
        )
        add(store, found, network=network or reference, versions=versions)

    return begin


def test_invocations_tell_how_far_the_milliseconds_of_the_reference_move(tmp_path, began):
    began(0.0, 1.0)
    began(1000.0, math.e**0.1, gated=False)
    began(2000.0, math.e**0.2)
    began(0.0, 10.0, reference=OTHER)  # of another network, about its own mean
    began(1000.0, 10.0, reference=OTHER)
    began(0.0, 10.0, versions={"runtime": "onnxruntime 2"})
    began(0.0, 10.0, target="u")
    began(9000.0, 7.0, network="a")  # no reference
    found = Store(tmp_path).invocations("t", "median")
    assert found.squares == pytest.approx(0.1**2 + 0.0**2 + 0.1**2)
    assert (found.freedom, found.number, found.disturbed) == (2 + 1 + 0, 6, 1)
    assert Memory("t", "r", "median", tmp_path).spread.invocations == found
    assert Store(tmp_path).invocations("t", "p95").number == 0


@pytest.mark.parametrize("word", ["own.py:make", "own.py:make@3x8x8", "0123456789abcdeg"])
def test_a_word_that_may_mean_another_network_tomorrow_tells_nothing_of_invocations(
    tmp_path, began, word
):
    began(0.0, 1.0, reference=word)
    began(1000.0, 100.0, reference=word)
    assert Store(tmp_path).invocations("t", "median") == Invocations()


def test_invocations_right_after_each_other_count_once(tmp_path, began):
    for minute in range(12):
        began(60.0 * minute, 1.0 + minute)
    # At 0, 5 and 10 minutes.
    assert Store(tmp_path).invocations("t", "median").number == 3


def test_a_damaged_store_is_kept_aside_told_and_begun_anew(tmp_path):
    add(Store(tmp_path), latency())
    path = tmp_path / "latency.db"
    path.write_bytes(b"not a database at all" * 100)
    store = Store(tmp_path)
    assert store.count() == 0
    (aside,) = tmp_path.glob("latency.db.damaged-*")
    assert aside.read_bytes().startswith(b"not a database")
    assert "was damaged" in store.notes[0]
    assert aside.name in store.notes[0]


def test_a_store_with_a_broken_page_is_damaged_too(tmp_path):
    store = Store(tmp_path)
    for number in range(50):
        add(store, latency(), network=f"n{number}")
    path = tmp_path / "latency.db"
    content = bytearray(path.read_bytes())
    content[4096 : 4096 * 6] = b"\xff" * (4096 * 5)
    path.write_bytes(bytes(content))
    assert Store(tmp_path).notes


def test_a_store_of_a_newer_version_is_left_alone(tmp_path):
    Store(tmp_path)
    with sqlite3.connect(tmp_path / "latency.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(MeasurementError, match="this version reads format 1; got 99"):
        Store(tmp_path)
    assert not list(tmp_path.glob("*.damaged*"))


def test_a_folder_that_cannot_hold_a_store_is_told(tmp_path):
    (tmp_path / "latency.db").mkdir()
    with pytest.raises(MeasurementError, match=r"allowed: another study.folder"):
        Store(tmp_path)


def run(ratio, name):
    return Run(
        level=SCREEN, samples=(tuple(samples(ratio, name=name)),), floors=(50.0,),
        reference_ns=(1e6,), states=(), waited=0.0, seconds=1.0, statistic="median",
    )  # fmt: skip


@pytest.fixture
def known(tmp_path):
    """The folder of an earlier study that measured ten networks."""
    memory = Memory("t", "r", "median", tmp_path)
    for number in range(10):
        memory.keep(latency(), f"n{number}", run(1.5, f"n{number}"), VERSIONS)
    return tmp_path


def asked(memory, ratio):
    """Measure what the memory does not answer; how many of ten it answered."""
    answered = 0
    for number in range(10):
        found = memory.recall(f"n{number}", VERSIONS)
        if found is None:
            memory.keep(latency(ratio), f"n{number}", run(ratio, f"n{number}"), VERSIONS)
        else:
            assert found.ratio == 1.5
            assert found.conditions["measured_at"] > 0
            answered += 1
    return answered


def test_a_later_study_checks_a_few_and_believes_the_rest(known):
    told = []
    memory = Memory("t", "r", "median", known, told=told.append)
    assert asked(memory, 1.51) == 10 - CHECKS
    assert memory.notes == told
    assert told == ["3 stored latencies were checked and hold: the others are used"]


def test_a_later_study_that_finds_others_measures_all_again_and_says_so(known):
    memory = Memory("t", "r", "median", known)
    assert asked(memory, 2.0) == 0
    told = [note for note in memory.notes if "all are measured again" in note]
    assert told == ["stored latencies no longer hold here: all are measured again"]
    assert memory.notes[0].startswith("n0: measured again as a check, its ratio is 2.000; stored:")


def test_one_check_outside_its_interval_is_enough_to_measure_all_again(known):
    memory = Memory("t", "r", "median", known)
    for name, ratio in (("n0", 1.5), ("n1", 1.6), ("n2", 1.5)):
        assert memory.recall(name, VERSIONS) is None
        memory.keep(latency(ratio), name, run(ratio, name), VERSIONS)
    assert memory.recall("n3", VERSIONS) is None
    assert memory.recall("n0", VERSIONS) is not None  # measured by this study


def test_a_study_begins_by_telling_what_is_known_and_how_the_reference_drifted(known):
    reference = replace(latency(1.0, reference="r"), ms=0.2)
    first = Memory("t", "r", "median", known)
    first.begin(reference, run(1.0, "duplicate"), "duplicate", VERSIONS)
    assert [note.split(";")[0] for note in first.notes] == [
        "latencies of 10 networks are known from earlier studies"
    ]
    later = Memory("t", "r", "median", known)
    later.begin(replace(reference, ms=0.25), run(1.0, "duplicate"), "duplicate", VERSIONS)
    assert "of 10 networks" in later.notes[0]
    assert "takes 0.25 ms" in later.notes[1]
    assert later.notes[1].endswith("0.2 ms (+25 %)")


def test_the_first_study_of_a_target_has_nothing_to_tell(tmp_path):
    memory = Memory("t", "r", "median", tmp_path)
    memory.begin(latency(1.0), run(1.0, "duplicate"), "duplicate", VERSIONS)
    assert memory.notes == []
    assert Store(tmp_path).count() == 1  # the reference itself


def test_who_recalls_nothing_writes_everything_down(known):
    before = Store(known).count()
    memory = Memory("t", "r", "median", known, recalls=False)
    memory.begin(latency(1.0), run(1.0, "duplicate"), "duplicate", VERSIONS)
    assert asked(memory, 2.0) == 0
    assert memory.notes == []
    assert Store(known).count() == before + 11


def test_a_disk_that_is_full_ends_no_measurement_and_is_told_once(tmp_path):
    told = []
    memory = Memory("t", "r", "median", tmp_path, told=told.append)
    with closing(sqlite3.connect(tmp_path / "latency.db")) as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON measurements BEGIN "
            "SELECT RAISE(ABORT, 'database or disk is full'); END"
        )
        for name in ("a", "b"):
            memory.keep(latency(), name, run(1.5, name), VERSIONS)
        connection.execute("DROP TRIGGER full")
    memory.keep(latency(), "c", run(1.5, "c"), VERSIONS)
    (message,) = told
    assert message.startswith("measurements cannot be written down, and the study goes on: ")
    assert "got database or disk is full" in message
    assert Store(tmp_path).count() == 1  # there is room again


def test_a_study_without_a_folder_remembers_nothing():
    memory = Memory("t", "r", "median", None)
    memory.keep(latency(), "a", run(1.5, "a"), VERSIONS)
    assert memory.recall("a", VERSIONS) is None
