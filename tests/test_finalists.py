"""The order of the finalists, and what is said of it."""

from __future__ import annotations

import threading
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import psutil
import pytest
import tiny
from sklearn.datasets import load_digits
from tracked_studies import latency

from nas.architecture import Architecture
from nas.composition import Parts, compose_parts
from nas.evaluation.full import evaluate_full
from nas.events import Counts
from nas.finalists import Entry, finalists, ranked, training_seconds, warnings_of
from nas.outcome import Costs, Evaluation, Latency, Outcome, TrialRecord
from nas.result import Finalist, SearchResult, SeedResult
from nas.samplers import seed_of
from nas.seeds import Job
from nas.settings.compose import compose
from nas.study.budget import Stopped
from nas.study.signals import StopSignals
from nas.study.storage import StudyStorage
from nas.workers import Workers

TINY = Architecture.from_text("in1x8x8+stem8-s1+sandglass:16-s2+head0+out10")


def finalist(trial: int, *, validation: list[float], test: list[float], ms: float) -> Finalist:
    """With as many seeds as values; the first is the search's own training."""
    latency = Latency(
        ms=ms, low=ms, high=ms, ratio=ms, ratio_low=ms, ratio_high=ms, statistic="median",
        clock="wall", status="RESOLVED", target="here", reference="x", reference_ms=1.0, rounds=3,
        processes=1, seconds=1.0,
    )  # fmt: skip
    outcome = Outcome(
        kind="evaluated",
        architecture=TINY,
        costs=Costs(1000, 100, 3),
        latency=latency,
        evaluation=Evaluation(accuracy=validation[0], loss=0.1, seconds=1.0, seed=0),
        feasible=True,
    )
    seeds = tuple(SeedResult(n, *both) for n, both in enumerate(zip(validation, test, strict=True)))
    return Finalist(f"trial {trial}", trial, outcome, sum(test) / len(test), seeds=seeds)


def test_the_mean_of_the_seeds_decides_and_not_the_training_that_the_search_saw() -> None:
    lucky = finalist(1, validation=[0.96, 0.90, 0.90], test=[0.9] * 3, ms=1)
    steady = finalist(2, validation=[0.95, 0.95, 0.95], test=[0.9] * 3, ms=2)
    assert [one.trial for one in ranked([lucky, steady], noise=0.005)] == [2, 1]


def test_of_equal_means_within_the_noise_the_faster_is_first() -> None:
    slow = finalist(1, validation=[0.951, 0.951], test=[0.9] * 2, ms=2)
    fast = finalist(2, validation=[0.950, 0.950], test=[0.9] * 2, ms=1)
    assert [one.trial for one in ranked([slow, fast], noise=0.005)] == [2, 1]
    assert [one.trial for one in ranked([slow, fast], noise=0.0005)] == [1, 2]


def test_a_mean_is_not_compared_with_a_single_training() -> None:
    several = finalist(1, validation=[0.96, 0.90, 0.90], test=[0.9] * 3, ms=1)
    single = finalist(2, validation=[0.95], test=[0.9], ms=1)
    assert ranked([several, single], noise=0.001) == [several, single]


def test_a_rank_that_test_images_turn_round_is_told_with_both_names() -> None:
    one = finalist(1, validation=[0.95], test=[0.91], ms=1)
    other = finalist(2, validation=[0.93], test=[0.92], ms=1)
    third = finalist(3, validation=[0.90], test=[0.90], ms=1)
    (told,) = warnings_of([third, other, one])
    assert "rank the finalists differently (trial 1 against trial 2)" in told
    assert warnings_of([one, third]) == ()


def misleading(architecture: Architecture, epochs: int) -> Evaluation:
    """The smaller a network, the better it is told to be: the greatest ends on the lowest rung."""
    return Evaluation(1 - tiny.size(architecture) / 1000 - 0.1 / epochs, 0.0, 1.0 * epochs, seed=5)


class Watch(threading.Thread):
    """The most training processes of this one that were alive at a time, and their threads."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 0
        self.threads: set[str] = set()
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.05):
            found = []
            for process in psutil.Process().children():
                with suppress(psutil.Error):
                    if "nas.execution" in process.cmdline():
                        found.append(process.environ()["OMP_NUM_THREADS"])
            self.most = max(self.most, len(found))
            self.threads |= set(found)


@dataclass(frozen=True)
class Ended:
    """A study in rungs behind its end, and what was seen of its processes."""

    result: SearchResult
    records: list[TrialRecord]
    parts: Parts
    seeds: dict[str, dict[str, Any]]
    watch: Watch


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """The end of a study whose networks are the slower the greater they are, on sixty digits."""
    folder = tmp_path_factory.mktemp("ended")
    digits = load_digits()
    few = np.concatenate([np.flatnonzero(digits.target == n)[:6] for n in range(10)])
    images = (digits.images[few] * 15).astype(np.uint8)
    np.savez(folder / "few.npz", images=images, labels=digits.target[few])
    overrides = [
        "data=arrays", f"data.path={folder / 'few.npz'}", f"space.source={tiny.__file__}:Tiny",
        "evaluation=rungs", "evaluation.seeds=2", f"training.epochs={tiny.EPOCHS}",
        "training.batch_size=16", "objective.multiply_adds=500",
    ]  # fmt: skip
    parts = compose_parts(compose(overrides), resolved={"device": "cpu", "threads": 1})
    told = {"train": misleading, "measure": lambda a: latency(tiny.size(a) / 1000)}
    tiny.run(folder / "one", proposals=12, **told)
    storage, watch = StudyStorage.open(folder / "one"), Watch()
    watch.start()
    try:
        with closing(Workers()) as worker, StopSignals() as signals:
            stopped = Stopped("finished", "", Counts())
            result = finalists(parts, storage, stopped, worker=worker, signals=signals)
        return Ended(result, storage.records(), parts, storage.get("nas.seeds"), watch)
    finally:
        watch.over.set()
        watch.join()
        storage.close()


@pytest.mark.slow
def test_two_processes_train_the_other_seeds_with_a_thread_each(ended: Ended) -> None:
    assert ended.result.problems == ()
    assert (ended.watch.most, ended.watch.threads) == (2, {"1"})
    assert {len(one.seeds) for one in ended.result.winners} == {2}
    # A seed gives the bits that this process gets from it.
    architecture, settings = ended.result.winners[0].outcome.architecture, ended.parts.settings
    here = evaluate_full(
        architecture,
        data=settings.data,
        training=replace(settings.training, **ended.parts.resolved),
        seed=seed_of(settings.study.seed, architecture.fingerprint, 1),
    )
    found = Evaluation.from_json(ended.seeds[architecture.fingerprint]["1"])
    assert (found.loss, found.accuracy) == (here.loss, here.accuracy)
    assert found.conditions["threads"] == 1


@pytest.mark.slow
def test_what_costs_alone_would_have_chosen_is_trained_on_the_whole_budget(ended: Ended) -> None:
    feasible = [r for r in ended.records if r.outcome and r.outcome.feasible]
    greatest = max(feasible, key=lambda r: tiny.size(r.architecture))
    assert greatest.outcome is not None
    assert greatest.outcome.evaluation is not None
    assert greatest.outcome.evaluation.rung == 0  # the search gave it one epoch of nine
    name = f"trial {greatest.number}"
    assert [one.name for one in ended.result.by_costs] == [
        f"most FLOPs: {name}",
        f"slowest: {name}",
    ]
    for one in ended.result.by_costs:
        assert one.outcome.evaluation is not None
        assert one.outcome.evaluation.whole
        assert one.test_accuracy is not None
    trained = Evaluation.from_json(ended.seeds[greatest.architecture.fingerprint]["0"])
    assert trained.accuracy == ended.result.by_costs[0].validation


def test_further_trainings_are_told_to_take_what_those_of_the_search_took() -> None:
    other = Architecture.from_text("in1x8x8+stem8-s1+sandglass:24-s2+head0+out10")

    def took(architecture: Architecture, seconds: float) -> Outcome:
        return Outcome("evaluated", architecture, seconds={"training": seconds, "measuring": 9.0})

    entries = [
        Entry("winner", "trial 4", 4, took(TINY, 10.0), 3),
        # The reference is trial 0, too, which was answered from memory.
        Entry("winner", "trial 0", 0, took(other, 0.0), 3),
        Entry("reference", "x", None, took(other, 12.0), 3),
    ]
    jobs = [Job(TINY, 1), Job(TINY, 2), Job(other, 1), Job(other, 2)]
    # Two at a time: half of 10 + 10 + 12 + 12.
    assert training_seconds(entries, jobs) == 22.0
