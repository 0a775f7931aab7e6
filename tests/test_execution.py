from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nas.errors import DataError, MemoryRanOutError, TrainingError
from nas.execution import CrashError, StoppedError, WorkerProcess

TASKS = """
import os, signal, time
from nas.errors import DataError

def echo(value, report):
    report("half", value)
    return value, os.getpid()

def fail(report):
    raise DataError("data: damaged")

def divide(report):
    return 1 / 0

def fill(report):
    import torch
    torch.empty(1 << 60)

def die(report):
    os.kill(os.getpid(), signal.SIGKILL)

def sleep(report):
    report("asleep", os.getpid())
    time.sleep(60)
"""


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    (tmp_path / "tasks_of_a_test.py").write_text(TASKS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    import tasks_of_a_test  # type: ignore[import-not-found]

    yield tasks_of_a_test
    del sys.modules["tasks_of_a_test"]


@pytest.fixture
def worker() -> object:
    worker = WorkerProcess()
    yield worker
    worker.close()


def test_a_task_runs_in_one_other_process_that_stays(worker, tasks) -> None:  # type: ignore[no-untyped-def]
    reports: list[object] = []
    value, first = worker.run(tasks.echo, {"value": 3}, report=lambda *r: reports.append(r))
    _, second = worker.run(tasks.echo, {"value": 4})
    assert value == 3
    assert reports == [("half", 3)]
    assert first == second != os.getpid()


def test_our_errors_cross_as_they_are_and_others_say_where(worker, tasks) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match="data: damaged"):
        worker.run(tasks.fail, {})
    with pytest.raises(TrainingError, match=r"ZeroDivisionError.*tasks_of_a_test.py:13"):
        worker.run(tasks.divide, {})


def test_memory_that_ran_out_is_told_apart(worker, tasks) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(MemoryRanOutError, match="memory ran out"):
        worker.run(tasks.fill, {})


def test_a_killed_process_is_a_crash_and_the_next_task_runs(worker, tasks) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(CrashError, match="SIGKILL"):
        worker.run(tasks.die, {})
    assert worker.run(tasks.echo, {"value": 1})[0] == 1


def test_a_task_is_given_up_when_the_study_stops(worker, tasks) -> None:  # type: ignore[no-untyped-def]
    started: list[int] = []
    with pytest.raises(StoppedError):
        worker.run(
            tasks.sleep, {}, report=lambda _, pid: started.append(pid), stop=lambda: bool(started)
        )
    with pytest.raises(ProcessLookupError):
        os.kill(started[0], 0)


def test_files_of_the_user_that_are_named_as_ours_are_not_imported(  # type: ignore[no-untyped-def]
    worker, tasks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    for name in ("torch", "nas", "numpy"):
        (here / f"{name}.py").write_text("raise SystemExit('the file of the user was imported')")
    monkeypatch.chdir(here)
    assert worker.run(tasks.echo, {"value": 3})[0] == 3


def test_the_child_ends_when_its_parent_is_killed(tasks, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    script = (
        "import tasks_of_a_test as t\n"
        "from nas.execution import WorkerProcess\n"
        "WorkerProcess().run(t.sleep, {}, report=lambda *r: print(*r, flush=True))\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline().split()[1])
        parent.kill()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if not Path(f"/proc/{child}").exists():
            return
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    raise AssertionError("the child outlived its parent by 30 s")
