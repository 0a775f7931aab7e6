"""Several candidates at a time: the same promises as of one, but for the order of tells."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from tiny import CONSTRAINED, PARETO, examiner, formula, run

from nas.architecture import Architecture
from nas.errors import DataError, MeasurementError, StudyError
from nas.events import Counts, Listener, Stage
from nas.execution import CrashError, StoppedError
from nas.objective import Objective
from nas.outcome import EpochResult, Evaluation, TrialRecord
from nas.study.budget import worked
from nas.study.candidates import Examiner, Report
from nas.study.loop import StudyLoop
from nas.study.storage import StudyStorage
from nas.workers import Workers

ROOMY = Objective("constrained")


def trials(path: Path) -> list[TrialRecord]:
    storage = StudyStorage.open(path)
    try:
        return storage.records()
    finally:
        storage.close()


def words(path: Path) -> list[tuple[int, tuple[object, ...], str]]:
    return [
        (t.number, tuple(t.genes.values()), t.outcome.kind if t.outcome else "running")
        for t in trials(path)
    ]


def slow(objective: Objective, trained: list[str] | None = None, *, longest: float) -> Examiner:
    """Answers by formula after a random time; notes in `trained` what it was asked."""
    lock = threading.Lock()
    rng = random.Random()

    def evaluate(architecture: Architecture, genes: object, report: object) -> Evaluation:
        with lock:
            if trained is not None:
                trained.append(architecture.fingerprint)
            seconds = rng.uniform(0, longest)
        time.sleep(seconds)
        return Evaluation(formula(architecture), 0.0, 0.0, 0)

    return replace(examiner(objective), evaluate=evaluate)


@pytest.mark.parametrize("sampler", [pytest.param("tpe", marks=pytest.mark.slow), "nsga2"])
def test_one_worker_with_a_candidate_ready_is_exactly_repeatable(
    tmp_path: Path, sampler: str
) -> None:
    # Whole, with trainings that take their time, and ended at three points: each generation of six
    # has members that were drawn before the one that completed it was told.
    run(tmp_path / "whole", proposals=22, sampler=sampler, objective=PARETO, ahead=1)
    run(tmp_path / "late", proposals=22, sampler=sampler, objective=PARETO, ahead=1,
        examiner=slow(PARETO, longest=0.05))  # fmt: skip
    for asked in (9, 23, 31, 1000):
        left = iter(range(asked))
        run(tmp_path / "parts", proposals=22, sampler=sampler, objective=PARETO, ahead=1,
            stop=lambda left=left: next(left, None) is None)  # fmt: skip
    assert "running" not in [kind for _, _, kind in words(tmp_path / "whole")]
    assert words(tmp_path / "late") == words(tmp_path / "whole")
    assert words(tmp_path / "parts") == words(tmp_path / "whole")


@pytest.mark.parametrize("sampler", ["nsga2", pytest.param("tpe", marks=pytest.mark.slow)])
def test_four_workers_evaluate_no_network_twice(tmp_path: Path, sampler: str) -> None:
    trained: list[str] = []
    stopped = run(tmp_path / "s", proposals=1000, trials=20, sampler=sampler, objective=ROOMY,
                  examiner=slow(ROOMY, trained, longest=0.03), workers=4, ahead=1)  # fmt: skip
    assert stopped.reason == "finished"
    assert len(trained) == len(set(trained)) == 20
    kinds = Counter(kind for _, _, kind in words(tmp_path / "s"))
    assert kinds["evaluated"] == 20
    assert kinds["running"] == 0
    assert kinds["repeated"] == stopped.counts.repeated


def test_a_network_that_is_under_way_is_answered_when_it_ends(tmp_path: Path) -> None:
    # The gene `idle` is without effect: a proposal may be the network of one in training.
    found = tmp_path / "s"
    run(found, proposals=40, sampler="nsga2", objective=ROOMY, workers=4, ahead=1,
        examiner=slow(ROOMY, longest=0.05))  # fmt: skip
    by_number = {trial.number: trial for trial in trials(found)}
    repeats = [t.outcome for t in by_number.values() if t.outcome and t.outcome.kind == "repeated"]
    assert repeats
    for outcome in repeats:
        assert outcome.repeats is not None
        assert by_number[outcome.repeats].architecture == outcome.architecture
        assert outcome.seconds == {}


def test_four_workers_keep_to_the_number_of_proposals(tmp_path: Path) -> None:
    stopped = run(tmp_path / "s", proposals=25, sampler="random", workers=4, ahead=1,
                  examiner=slow(CONSTRAINED, longest=0.02))  # fmt: skip
    assert stopped.reason == "proposals"
    assert stopped.counts.proposals == len(trials(tmp_path / "s")) == 25


def test_all_that_was_under_way_is_taken_up(tmp_path: Path) -> None:
    trained: list[str] = []
    begun = threading.Barrier(4, timeout=60)
    stop = threading.Event()

    def evaluate(architecture: Architecture, genes: object, report: object) -> Evaluation:
        trained.append(architecture.fingerprint)
        begun.wait()
        stop.set()
        raise CrashError("training process: ended in the middle; got SIGKILL")

    stopped = run(tmp_path / "s", proposals=1000, trials=12, sampler="random", objective=ROOMY,
                  examiner=replace(examiner(ROOMY), evaluate=evaluate, retries=0),
                  stop=stop.is_set, workers=4, ahead=1)  # fmt: skip
    assert stopped.reason == "signal"
    running = [t for t in trials(tmp_path / "s") if t.outcome is None]
    assert {t.architecture.fingerprint for t in running} >= set(trained)
    again: list[str] = []
    stopped = run(tmp_path / "s", proposals=1000, trials=12, sampler="random", objective=ROOMY,
                  examiner=slow(ROOMY, again, longest=0.02), workers=4, ahead=1)  # fmt: skip
    assert stopped.reason == "finished"
    assert stopped.counts.evaluated == 12
    assert set(trained) <= set(again)
    assert len(again) == len(set(again))


def test_a_free_worker_begins_with_what_is_ready_before_the_result_is_written(
    tmp_path: Path,
) -> None:
    told: list[tuple[str, int]] = []

    class Told(Listener):
        def stage(self, number: int | None, stage: Stage) -> None:
            if stage == "training" and number is not None:
                told.append(("begun", number))

        def trial_finished(self, trial: TrialRecord, counts: Counts) -> None:
            told.append(("ended", trial.number))

    run(tmp_path / "s", proposals=4, sampler="qmc", objective=ROOMY, ahead=1, listeners=[Told()])
    begun = [number for what, number in told if what == "begun"]
    assert begun == [0, 1, 2, 3]
    for early, late in pairwise(begun):
        assert told.index(("begun", late)) < told.index(("ended", early))


@pytest.mark.parametrize("workers", [1, 2])
def test_what_ended_while_the_device_was_waited_for_is_kept_by_a_stop(
    tmp_path: Path, workers: int
) -> None:
    trained: list[str] = []
    begun = threading.Event()

    def evaluate(architecture: Architecture, genes: object, report: object) -> Evaluation:
        trained.append(architecture.fingerprint)
        begun.set()
        return Evaluation(formula(architecture), 0.0, 0.0, 0)

    measured = 0

    def measure(architecture: Architecture, genes: object) -> None:
        nonlocal measured
        measured += 1
        if measured > workers:
            assert begun.wait(60)
            raise StoppedError("measuring: given up because the study is to stop")

    stopped = run(tmp_path / "s", proposals=1000, trials=6, sampler="random", objective=ROOMY,
                  examiner=replace(examiner(ROOMY), evaluate=evaluate, measure=measure),
                  workers=workers, ahead=1)  # fmt: skip
    assert stopped.reason == "signal"
    ended = [t for t in trials(tmp_path / "s") if t.outcome and t.outcome.kind == "evaluated"]
    assert trained
    assert {t.architecture.fingerprint for t in ended} == set(trained)
    again: list[str] = []
    stopped = run(tmp_path / "s", proposals=1000, trials=6, sampler="random", objective=ROOMY,
                  examiner=slow(ROOMY, again, longest=0.01), workers=workers, ahead=1)  # fmt: skip
    assert stopped.counts.evaluated == 6
    assert not set(again) & set(trained)


def test_what_ends_while_the_device_is_waited_for_is_told_at_once(tmp_path: Path) -> None:
    loops: list[StudyLoop] = []
    waits = 0

    def measure(architecture: Architecture, genes: object) -> None:
        nonlocal waits
        waits += 1
        if waits == 3:  # two are trained
            deadline = time.monotonic() + 60
            while loops[0].counts.evaluated < 2:
                assert time.monotonic() < deadline, "it was not told"
                loops[0].meanwhile()
                time.sleep(0.01)

    def evaluate(architecture: Architecture, genes: object, report: Report) -> Evaluation:
        report(EpochResult(1, 0.5, 1.0, 0.1), 1)
        return Evaluation(formula(architecture), 0.0, 0.0, 0)

    stopped = run(tmp_path / "s", proposals=1000, trials=6, sampler="random", objective=ROOMY,
                  examiner=replace(examiner(ROOMY), evaluate=evaluate, measure=measure),
                  made=loops.append, workers=2, ahead=1)  # fmt: skip
    assert stopped.counts.evaluated == 6
    assert waits >= 3


def test_what_keeps_one_result_from_being_written_costs_no_other(tmp_path: Path) -> None:
    loops: list[StudyLoop] = []
    away = threading.Event()
    measured = 0

    class Full(Listener):
        def trial_finished(self, trial: TrialRecord, counts: Counts) -> None:
            if counts.evaluated == 1:
                raise StudyError("the disk is full")

    def measure(architecture: Architecture, genes: object) -> None:
        nonlocal measured
        measured += 1
        if measured == 3:  # two trainings end while the device is waited for
            away.set()
            deadline = time.monotonic() + 60
            while loops[0]._training._events.qsize() < 2:
                assert time.monotonic() < deadline, "they do not end"
                time.sleep(0.01)
            loops[0].meanwhile()

    def evaluate(architecture: Architecture, genes: object, report: object) -> Evaluation:
        assert away.wait(60)
        return Evaluation(formula(architecture), 0.0, 0.0, 0)

    with pytest.raises(StudyError, match="the disk is full"):
        run(tmp_path / "s", proposals=9, trials=6, sampler="qmc", objective=ROOMY,
            examiner=replace(examiner(ROOMY), evaluate=evaluate, measure=measure),
            made=loops.append, listeners=[Full()], workers=2, ahead=1)  # fmt: skip
    kinds = [kind for _, _, kind in words(tmp_path / "s")]
    assert kinds.count("evaluated") == 2


def test_one_worker_proposes_the_same_where_its_device_was_away(tmp_path: Path) -> None:
    # A third fails once it was waited for: the next one is proposed before the result of the
    # training beside it may be known. Stopped in the middle of it, several times, and resumed.
    begun = threading.Semaphore(0)

    def evaluate(architecture: Architecture, genes: object, report: object) -> Evaluation:
        begun.release()
        return Evaluation(formula(architecture), 0.0, 0.0, 0)

    loops: list[StudyLoop] = []
    measured = 0

    def fail(architecture: Architecture, genes: object) -> None:
        if architecture.fingerprint[0] in "01234":
            raise MeasurementError("measuring process: must answer; got nothing")

    def measure(architecture: Architecture, genes: object, *, last: int) -> None:
        nonlocal measured
        measured += 1
        if measured > 1:
            begun.acquire(timeout=0.2)
            time.sleep(0.05)
            loops[-1].meanwhile()
        if measured == last:
            raise StoppedError("measuring: given up because the study is to stop")
        fail(architecture, genes)

    run(tmp_path / "whole", proposals=22, sampler="mutation", objective=PARETO, ahead=1,
        examiner=replace(examiner(PARETO), measure=fail))  # fmt: skip
    for last in (3, 3, 3, 4, 1000):
        measured, begun = 0, threading.Semaphore(0)
        away = replace(examiner(PARETO), evaluate=evaluate, measure=partial(measure, last=last))
        run(tmp_path / "away", proposals=22, sampler="mutation", objective=PARETO, ahead=1,
            examiner=away, made=loops.append)  # fmt: skip
    assert words(tmp_path / "away") == words(tmp_path / "whole")


def test_images_that_are_gone_end_the_study_and_every_training(tmp_path: Path) -> None:
    given_up = threading.Event()
    workers = Workers(2)

    def evaluate(architecture: Architecture, genes: object, report: object) -> Evaluation:
        if not given_up.is_set():
            given_up.set()
            raise DataError("data.path: must be there; got nothing; allowed: a file")
        while not workers.stopping:
            time.sleep(0.01)
        raise AssertionError("told nobody")

    try:
        with pytest.raises(DataError, match=r"data\.path"):
            run(tmp_path / "s", proposals=50, sampler="random", objective=ROOMY,
                examiner=replace(examiner(ROOMY), evaluate=evaluate),
                executor=workers, workers=2, ahead=1)  # fmt: skip
    finally:
        workers.close()
    # Neither is an end of the candidate.
    assert [kind for _, _, kind in words(tmp_path / "s")].count("running") >= 1
    assert "failed" not in [kind for _, _, kind in words(tmp_path / "s")]


def test_hours_are_those_at_work_whatever_the_number_of_workers(tmp_path: Path) -> None:
    run(tmp_path / "s", proposals=1, sampler="random", objective=ROOMY)
    (one,) = trials(tmp_path / "s")
    assert one.outcome is not None

    def trial(finished: float, seconds: float) -> TrialRecord:
        outcome = replace(one.outcome, seconds={"counting": 1.0, "training": seconds - 1})  # type: ignore[type-var]
        return replace(one, started=0.0, finished=finished, outcome=outcome)

    # 0-10 and 5-15 overlap; 100-104 lies in 90-110; nothing between 15 and 90; one still runs.
    found = [
        trial(10, 10),
        trial(15, 10),
        trial(110, 20),
        trial(104, 4),
        replace(one, finished=None),
    ]
    assert worked(found) == pytest.approx(15 + 20)


@pytest.mark.slow
def test_workers_are_hardly_ever_idle(tmp_path: Path) -> None:
    # Evaluations of a second by four workers on any number of cores: they sleep. 0.95 is what a
    # quiet machine is asked for; without the candidate drawn ahead each would wait for a proposal
    # of its own, and one worker at a time would be busy a quarter of the time.
    assert busy(tmp_path, trials=40) >= 0.75


def slept(seconds: float) -> Examiner:
    """Answers by formula after so many seconds."""

    def evaluate(architecture: Architecture, genes: object, report: object) -> Evaluation:
        time.sleep(seconds)
        return Evaluation(formula(architecture), 0.0, seconds, 0)

    return replace(examiner(ROOMY), evaluate=evaluate)


def busy(path: Path, *, trials: int) -> float:
    """The share of its time that a worker works, from the first begun to the last."""
    from nas.evaluation.table import wait

    number, workers, spans, trained = 4, Workers(4), [], set()

    def evaluate(architecture: Architecture, genes: object, report: object) -> Evaluation:
        trained.add(architecture.fingerprint)
        began = time.monotonic()
        workers.run(wait, {"seconds": 1.0})
        spans.append((began, time.monotonic()))
        return Evaluation(formula(architecture), 0.0, 1.0, 0)

    # The processes start before the clock does.
    for future in [workers.submit(workers.run, wait, {"seconds": 2.0}) for _ in range(number)]:
        future.result()
    try:
        run(path, proposals=100 * trials, trials=trials, executor=workers, workers=number, ahead=1,
            examiner=replace(examiner(ROOMY), evaluate=evaluate), objective=ROOMY)  # fmt: skip
    finally:
        workers.close()
    assert len(spans) == len(trained) == trials  # none twice
    return share(spans, number)


def share(spans: Sequence[tuple[float, float]], number: int) -> float:
    """The share of their time that so many workers work, from begin to end of each evaluation."""
    # Every worker has begun from here on, and none is without work up to there.
    start, end = sorted(s for s, _ in spans)[number - 1], max(s for s, _ in spans)
    worked_seconds = sum(max(0.0, min(e, end) - max(s, start)) for s, e in spans)
    return worked_seconds / (number * (end - start))
