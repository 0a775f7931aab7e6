from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest

from nas.errors import SettingsError
from nas.execution import HungError, StoppedError
from nas.session import search
from nas.settings import ExecutionSettings
from nas.workers import Plan, Workers, plan

TASKS = """
import os, time
from pathlib import Path

def meet(own, other, report):
    Path(own).touch()
    deadline = time.monotonic() + 60
    while not Path(other).exists():
        assert time.monotonic() < deadline, "the other one never came"
        time.sleep(0.01)
    return os.getpid()

def work(times, seconds, report):
    for number in range(times):
        time.sleep(seconds)
        report(number, os.getpid())
    return os.getpid()

def variables(report):
    return dict(os.environ)
"""


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "tasks_of_workers.py").write_text(TASKS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    import tasks_of_workers  # type: ignore[import-not-found]

    yield tasks_of_workers
    del sys.modules["tasks_of_workers"]


def test_two_workers_work_at_the_same_time(tasks: ModuleType, tmp_path: Path) -> None:
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    workers = Workers(2)
    first = workers.submit(workers.run, tasks.meet, {"own": one, "other": two})
    second = workers.submit(workers.run, tasks.meet, {"own": two, "other": one})
    assert len({first.result(), second.result(), os.getpid()}) == 3
    workers.close()


def test_a_worker_has_its_threads_and_its_gpu(tasks: ModuleType) -> None:
    workers = Workers(2, threads=3, gpus=["4", "7"])
    found = [workers.run(tasks.variables, {})]
    taken = workers._idle.get()
    found.append(workers.run(tasks.variables, {}))
    workers._idle.put(taken)
    workers.close()
    assert [one["OMP_NUM_THREADS"] for one in found] == ["3", "3"]
    assert {one["CUDA_VISIBLE_DEVICES"] for one in found} == {"4", "7"}


@pytest.mark.slow
def test_a_task_that_hangs_is_ended_and_one_that_reports_is_not(tasks: ModuleType) -> None:
    workers = Workers(timeout=20)
    pid = workers.run(tasks.work, {"times": 1, "seconds": 0})
    workers.close()
    workers = Workers(timeout=3)
    # Six seconds in all, but never three without a word.
    assert workers.run(tasks.work, {"times": 12, "seconds": 0.5}) != pid
    started: list[int] = []
    workers.run(tasks.work, {"times": 1, "seconds": 0}, report=lambda _, pid: started.append(pid))
    with pytest.raises(HungError, match=r"execution\.timeout; got none for 3 s"):
        workers.run(tasks.work, {"times": 1, "seconds": 60})
    assert not Path(f"/proc/{started[0]}").exists()
    workers.close()


def test_what_is_queued_behind_a_stop_starts_no_process(tasks: ModuleType, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    (tmp_path / "sitecustomize.py").write_text(f"open({str(begun)!r}, 'w').close()")
    stop = False
    workers = Workers(stop=lambda: stop)
    assert workers.run(tasks.work, {"times": 0, "seconds": 0}) != os.getpid()
    assert begun.exists()  # so that the file tells of every process
    workers.close()
    begun.unlink()
    stop = True
    with closing(Workers(stop=lambda: stop)) as workers, pytest.raises(StoppedError):
        workers.run(tasks.work, {"times": 0, "seconds": 0})
    assert not begun.exists()


def test_closing_gives_up_what_runs(tasks: ModuleType) -> None:
    workers, started = Workers(2), list[int]()
    futures = [
        workers.submit(
            workers.run,
            tasks.work,
            {"times": 600, "seconds": 0.1},
            report=lambda _, pid: started.append(pid),
        )
        for _ in range(2)
    ]
    deadline = time.monotonic() + 60
    while len(set(started)) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    workers.close()
    for future in futures:
        assert isinstance(future.exception(), StoppedError)
    assert not any(Path(f"/proc/{pid}").exists() for pid in started)


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (ExecutionSettings("serial"), Plan(workers=1, ahead=0)),
        (ExecutionSettings("processes", workers=1), Plan(workers=1, ahead=1)),
        (ExecutionSettings("processes", workers=6), Plan(workers=6, ahead=1)),
        (ExecutionSettings("auto", workers=3), Plan(workers=3, ahead=1)),
    ],
)
def test_as_many_workers_as_asked_for(settings: ExecutionSettings, wanted: Plan) -> None:
    assert plan(settings, trials=20) == wanted


def test_a_worker_for_each_core_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    auto, cores = ExecutionSettings(), set(range(16))
    monkeypatch.setattr("os.sched_getaffinity", lambda _: cores)
    monkeypatch.setattr("nas.workers.GIB_PER_WORKER", 1e-6)
    assert plan(auto, trials=1000).workers == 16
    assert plan(auto, trials=1000, threads=4).workers == 4
    assert plan(auto, trials=1000, gpus=3).workers == 3
    # Twenty candidates in five rounds.
    assert plan(auto, trials=20).workers == 4
    assert plan(auto, trials=20, trained=False) == Plan(workers=1, ahead=0)
    cores.difference_update(range(1, 16))
    assert plan(auto, trials=1000) == Plan(workers=1, ahead=0)


def test_the_next_candidate_is_measured_while_one_gpu_trains(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    auto = ExecutionSettings()
    monkeypatch.setattr("nas.workers.GIB_PER_WORKER", 1e-6)
    assert plan(auto, trials=1000, gpus=1) == Plan(workers=1, ahead=1)
    # On another device too, while the only core trains.
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    assert plan(auto, trials=1000, elsewhere=True) == Plan(workers=1, ahead=1)
    assert plan(auto, trials=1000) == Plan(workers=1, ahead=0)
    assert plan(auto, trials=1000, gpus=1, trained=False) == Plan(workers=1, ahead=0)


def test_memory_bounds_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)))
    monkeypatch.setattr("nas.workers.GIB_PER_WORKER", 1e6)
    assert plan(ExecutionSettings("processes"), trials=1000).workers == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "serial", "workers": 2}, "execution=serial has one worker"),
        ({"workers": 0}, "execution.workers"),
        ({"timeout": 0.0}, "execution.timeout"),
        ({"name": "process"}, "execution.name"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        ExecutionSettings(**values)  # type: ignore[arg-type]


def test_fewer_gpus_than_asked_for_are_told_before_there_is_a_study(tmp_path: Path) -> None:
    message = r"execution\.gpus: .*; got 2, while training\.device=cpu has 0; .*; allowed: null"
    with pytest.raises(SettingsError, match=message):
        search("execution.gpus=2", "training.device=cpu", f"study.folder={tmp_path / 'runs'}")
    assert not (tmp_path / "runs").exists()
