"""The time left, against searches whose end is known: one recorded, others simulated."""

from __future__ import annotations

import heapq
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tracked_studies import architecture, latency

from nas.events import Counts, StudyInfo
from nas.outcome import EpochResult, Outcome, TrialRecord
from nas.pace import Pace
from nas.progress import Progress, seconds_left

RECORDED = json.loads((Path(__file__).parent / "recorded_search.json").read_text())
"""A default search, its certificates, seeds and report included, as benchmarks/recorded_search.py
reads it from the log of a study that `nas search` left."""

LONGEST = 14.0
"""Seconds of a simulated training; what is left is known no better than to one of them."""

Event = tuple[float, str, int, list[float]]


def info(trials: int, settings: dict[str, Any]) -> StudyInfo:
    return StudyInfo(
        name="s", folder="runs/s", settings=settings, goal="", limits=(), target="", data="digits",
        space="mixed", trials=trials, resumed=False, command="",
    )  # fmt: skip


def ended(kind: str, number: int, seconds: float = 0.0) -> TrialRecord:
    found = Outcome(kind=kind, architecture=architecture(), seconds={"training": seconds})  # type: ignore[arg-type]
    return TrialRecord(number, {}, architecture(), started=0.0, finished=1.0, outcome=found)


def epoch(number: int, *, rung: int | None = None) -> EpochResult:
    return EpochResult(number, accuracy=0.5, loss=1.0, seconds=1.0, rung=rung)


def told(events: Iterator[Event], progress: Progress) -> Iterator[tuple[float, float]]:
    """The time and what was told to be left, after each proposal and at the end."""
    evaluated = 0
    for now, kind, trial, numbers in events:
        if kind == "epoch":
            done, of = map(int, numbers)
            progress.pace.epoch(trial, epoch(done), of, now)
            continue
        if kind not in ("certified", "stopped"):
            evaluated += kind == "evaluated"
            progress.pace.finished(ended(kind, trial, *numbers), now)
        counted = Progress(
            progress.info, 0.0, pace=progress.pace, counts=Counts(evaluated=evaluated),
            reference=progress.reference,
        )  # fmt: skip
        if left := seconds_left(counted, now):
            yield now, left


def recorded() -> Iterator[Event]:
    for now, kind, trial, *numbers in RECORDED["events"]:
        yield now, kind, trial, numbers


def simulated(
    seed: int, *, trials: int, workers: int, epochs: int = 10
) -> tuple[list[Event], float]:
    """A search: many random candidates are refused, then workers train, some refused between."""
    rng = random.Random(seed)
    events: list[Event] = [(20.0 + n, "refused", n, [0.0]) for n in range(20)]
    number = 20
    free = [40.0 + 2.0 * n for n in range(workers)]
    for _ in range(trials):
        start = heapq.heappop(free)
        if rng.random() < 0.4:
            start += 1.5
            events.append((start, "refused", number, [0.0]))
            number += 1
        seconds = rng.uniform(6.0, LONGEST)
        ends = [start + seconds * n / epochs for n in range(1, epochs + 1)]
        events += [
            (end, "epoch", number, [float(n), float(epochs)]) for n, end in enumerate(ends, 1)
        ]
        events.append((ends[-1], "evaluated", number, [seconds]))
        heapq.heappush(free, start + seconds)
        number += 1
    # By time alone: what happens to one candidate at one moment stays in its order.
    return sorted(events, key=lambda event: event[0]), max(free)


def test_a_recorded_search_was_told_its_end_within_30_percent_after_a_third() -> None:
    reference = Outcome(
        kind="evaluated", architecture=architecture(), latency=latency(),
        seconds={"training": RECORDED["reference_training"]},
    )  # fmt: skip
    study = info(RECORDED["trials"], RECORDED["settings"])
    progress = Progress(study, 0.0, reference=("shufflenet_v2_x0_5", reference))
    whole = RECORDED["seconds"]
    found = [(now, left) for now, left in told(recorded(), progress) if now >= whole / 3]
    assert len(found) > 20
    # Also when all candidates are there, the winners certified, and seeds and report to come.
    *_, (stopped, *_) = RECORDED["events"]
    assert found[-1][0] == stopped < 0.9 * whole
    for now, left in found:
        assert left == pytest.approx(whole - now, rel=0.3), now


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_search_of_any_number_of_workers_is_told_its_end(seed: int, workers: int) -> None:
    events, whole = simulated(seed, trials=40, workers=workers)
    # Without settings nothing is known to come after the last candidate.
    told_left = told(iter(events), Progress(info(40, {}), 0.0))
    found = [(now, left) for now, left in told_left if whole / 3 <= now < 0.9 * whole]
    assert found[0][0] < 0.45 * whole
    assert len(found) > 10
    for now, left in found:
        assert left == pytest.approx(whole - now, rel=0.3, abs=LONGEST), now


def test_nothing_is_told_before_a_candidate_was_trained() -> None:
    pace = Pace()
    assert pace.left(5, 10.0) is None
    pace.epoch(0, epoch(1), 4, 10.0)
    pace.epoch(0, epoch(2), 4, 12.0)
    assert pace.left(5, 12.0) is None


def test_a_part_of_a_candidate_counts_for_as_much() -> None:
    # Four epochs of 2 s a candidate: 8 s each; of two missing ones half of one is done.
    pace = Pace()
    for number in (0, 1):
        for n in (1, 2, 3, 4):
            pace.epoch(number, epoch(n), 4, 8.0 * number + 2.0 * n)
        pace.finished(ended("evaluated", number), 8.0 * number + 8.0)
    for n in (1, 2):
        pace.epoch(2, epoch(n), 4, 16.0 + 2.0 * n)
    assert pace.left(2, 20.0) == pytest.approx(12.0)


def test_what_was_trained_before_a_resume_is_no_work_of_this_process() -> None:
    # Taken up behind its ninth epoch of ten: one epoch a second.
    pace = Pace()
    pace.epoch(0, epoch(10), 10, 1.0)
    pace.finished(ended("evaluated", 0), 1.0)
    for n in range(1, 11):
        pace.epoch(1, epoch(n), 10, 1.0 + n)
    pace.finished(ended("evaluated", 1), 11.0)
    assert pace.left(3, 11.0) == pytest.approx(30.0)


def test_a_candidate_on_a_rung_counts_when_it_has_ended() -> None:
    pace = Pace()
    for number in range(4):
        pace.epoch(number, epoch(1, rung=0), 1, 5.0 * number + 1)
        pace.finished(ended("evaluated", number, 3.0), 5.0 * number + 5)
    assert pace.left(2, 20.0) == pytest.approx(10.0)


def test_a_training_that_failed_is_no_candidate() -> None:
    pace = Pace()
    for number in (0, 1):
        for n in (1, 2):
            pace.epoch(number, epoch(n), 2, 10.0 * number + 5.0 * n)
        pace.finished(ended("failed" if number else "evaluated", number), 10.0 * number + 10)
    assert pace.left(1, 20.0) is None


def test_the_hours_of_a_study_bound_what_is_left() -> None:
    events, _ = simulated(0, trials=10, workers=1)
    study = info(1000, {"study": {"hours": 0.05}})  # 180 s
    for now, left in told(iter(events), Progress(study, 0.0)):
        assert left <= max(0.0, 180.0 - now) + 1e-6
