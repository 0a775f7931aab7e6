from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from dask_cluster import cable, scheduled, there, wait
from hearing import nas as started
from table_of_tiny import overrides, write_table
from tiny import examiner, run

from nas.architecture import Architecture
from nas.cluster import Cluster
from nas.errors import DataError, SettingsError
from nas.evaluation.full import evaluate_full
from nas.execution import CrashError, HungError, StoppedError
from nas.objective import Objective
from nas.outcome import EpochResult, Evaluation, TrialRecord
from nas.scheduler import check_workers, facts
from nas.settings import DataSettings, ExecutionSettings, TrainingSettings
from nas.study.storage import StudyStorage

TASKS = """
import os, time
from nas.errors import DataError

def echo(value, report):
    for number in range(100):
        report(number)
    return value, os.getpid()

def fail(report):
    raise DataError("data: damaged")

def die(report):
    os.kill(os.getppid(), 9)
    time.sleep(120)

def sleep(report):
    report(os.getppid(), os.getpid())
    time.sleep(120)

def where(report):
    return os.getppid()
"""


def test_workers_of_the_drivers_version_and_python_may_work() -> None:
    check_workers({"tcp://a:1": facts(), "tcp://b:1": facts()})


@pytest.mark.parametrize(
    ("there", "message"),
    [
        ({"Python": "3.8"}, r"got Python 3\.8, here 3\.\d+ on tcp://b:1"),
        ({"latency-nas": "9.9"}, r"got latency-nas 9\.9, here .* on tcp://b:1"),
    ],
)
def test_a_worker_of_another_version_is_refused(there: dict[str, str], message: str) -> None:
    workers = {"tcp://a:1": facts(), "tcp://b:1": {**facts(), **there}}
    with pytest.raises(SettingsError, match=rf"^execution\.scheduler: every worker .*{message}"):
        check_workers(workers)
    with pytest.raises(SettingsError, match=r"^target\.scheduler: every worker "):
        check_workers(workers, setting="target.scheduler")


def test_a_worker_that_cannot_run_the_project_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"cannot run it \(ModuleNotFoundError: .*nas"):
        check_workers({"tcp://a:1": ModuleNotFoundError("No module named 'nas'")})


def test_a_scheduler_is_that_of_dask_alone() -> None:
    with pytest.raises(SettingsError, match=r"execution\.scheduler: is that of execution=dask"):
        ExecutionSettings(name="processes", scheduler="tcp://host:8786")


@pytest.mark.slow
def test_a_scheduler_that_is_absent_is_told_before_there_is_a_study(tmp_path: Path) -> None:
    words = ["execution=dask", "execution.scheduler=tcp://127.0.0.1:9"]
    search = started(tmp_path, "search", *overrides(write_table(tmp_path / "t.json")), *words)
    output = search.communicate(timeout=120)[0].decode()
    assert search.returncode == 2, output
    assert "execution.scheduler: must be the address of a Dask scheduler that answers" in output
    assert output.count("error:") == 1
    assert "Traceback" not in output
    assert not (tmp_path / "runs").exists()


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "tasks_of_a_cluster.py").write_text(TASKS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        patch.syspath_prepend(folder)
        import tasks_of_a_cluster  # type: ignore[import-not-found]

        yield tasks_of_a_cluster
        del sys.modules["tasks_of_a_cluster"]


@pytest.fixture(scope="module")
def cluster(tasks: object) -> Iterator[Cluster]:
    with closing(Cluster(number=1, timeout=20)) as found:
        yield found


@pytest.mark.slow
def test_reports_come_in_order_and_before_the_result(cluster, tasks) -> None:  # type: ignore[no-untyped-def]
    reports: list[int] = []
    value, pid = cluster.run(tasks.echo, {"value": {"a": 3}}, report=reports.append)
    assert value == {"a": 3}
    assert pid != os.getpid()
    assert reports == list(range(100))


@pytest.mark.slow
def test_errors_cross_as_they_are(cluster, tasks) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match="data: damaged"):
        cluster.run(tasks.fail, {})


@pytest.mark.slow
def test_what_nobody_waits_for_any_more_ends_on_the_worker(cluster, tasks) -> None:  # type: ignore[no-untyped-def]
    pids: list[int] = []
    with pytest.raises(StoppedError):
        cluster.run(
            tasks.sleep, {}, report=lambda _, pid: pids.append(pid), stop=lambda: pids != []
        )
    gone(pids[0])


@pytest.mark.slow
def test_a_worker_that_dies_is_a_crash_and_its_successor_works(cluster, tasks) -> None:  # type: ignore[no-untyped-def]
    pids: list[int] = []

    def kill(worker: int, pid: int) -> None:
        if not pids:
            os.kill(worker, signal.SIGKILL)
        pids.append(pid)

    with pytest.raises(CrashError, match=r"its worker must stay; got tcp://.*, which is gone"):
        cluster.run(tasks.sleep, {}, report=kill)
    gone(pids[0])
    assert cluster.run(tasks.echo, {"value": 1})[0] == 1


@pytest.mark.slow
def test_a_candidate_whose_workers_die_is_tried_again_and_then_failed_with_the_reason(  # type: ignore[no-untyped-def]
    cluster, tasks, tmp_path: Path
) -> None:
    tries: list[int] = []

    def evaluate(architecture: object, genes: object, report: object) -> Evaluation:
        tries.append(1)
        cluster.run(tasks.die, {})
        raise AssertionError("it lives")

    failing = replace(examiner(Objective("constrained")), evaluate=evaluate, retries=1)
    stopped = run(tmp_path / "s", proposals=1, examiner=failing)
    assert stopped.counts.failed == 1
    with closing(StudyStorage.open(tmp_path / "s")) as storage:
        (trial,) = storage.trials
        (record,) = storage.records()
    assert trial.state.name == "FAIL"
    assert record.outcome is not None
    assert record.outcome.reason.startswith("training: its worker must stay; got tcp://")
    assert len(tries) == 2


@pytest.mark.slow
def test_a_task_that_hangs_is_ended(cluster, tasks, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setitem(cluster._work.keywords, "timeout", 2.0)
    with pytest.raises(HungError, match=r"execution\.timeout; got none for 2 s"):
        cluster.run(tasks.sleep, {})


@pytest.mark.slow
def test_workers_of_this_machine_end_with_a_killed_driver(tasks: object) -> None:
    script = (
        "import tasks_of_a_cluster as t\n"
        "from nas.cluster import Cluster\n"
        "Cluster(number=1).run(t.sleep, {}, report=lambda *pids: print(*pids, flush=True))\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as driver:
        assert driver.stdout is not None
        pids = [int(pid) for pid in driver.stdout.readline().split()]
        pids += [child.pid for child in psutil.Process(driver.pid).children(recursive=True)]
        driver.kill()
    assert len(pids) >= 3
    for pid in pids:
        gone(pid)


def gone(pid: int) -> None:
    deadline = time.monotonic() + 120
    while psutil.pid_exists(pid):
        assert time.monotonic() < deadline, "it goes on"
        time.sleep(0.1)


@pytest.mark.slow
def test_a_training_that_needs_a_gpu_is_begun_by_no_worker_without_one(  # type: ignore[no-untyped-def]
    tasks, tmp_path: Path
) -> None:
    with scheduled(tmp_path) as (address, worker):
        measures = worker("--resources", "GPU=1 latency=1")
        trains = worker("--resources", "GPU=1")
        plain = worker("--nthreads", "4")
        there(address, 3)
        with closing(Cluster(address, gpus=("of a worker",))) as found:
            assert found.number == 1
            began: list[int] = []

            def kill(worker: int, pid: int) -> None:
                began.append(worker)
                trains.kill()
                wait(lambda: len(found.client.processing()) == 2)
                # Dask would give it to anybody if it might go to another worker than asked for.
                assert not any(found.client.processing().values())

            with pytest.raises(CrashError, match="must stay"):
                found.run(tasks.sleep, {}, report=kill)
            assert began == [trains.pid]
            there(address, 2)
            # The one that measures is the only one left that can; the other has had nothing.
            assert found.run(tasks.where, {}) == measures.pid
            assert not psutil.Process(plain.pid).children()
            measures.kill()
            there(address, 1)
            waited = time.monotonic() + 3
            with pytest.raises(StoppedError):
                found.run(tasks.where, {}, stop=lambda: time.monotonic() > waited)
            assert not psutil.Process(plain.pid).children()


@pytest.mark.slow
def test_a_training_whose_worker_is_cut_off_goes_on_elsewhere_behind_its_last_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By default five minutes; long enough for a worker that is busy importing torch.
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL", "12s")
    cut, port = threading.Event(), free_port()
    training = TrainingSettings(epochs=20_000, device="cpu", threads=1)
    arguments = {
        "architecture": Architecture.from_text("in1x8x8+stem8-s1+separable:16+head0+out10"),
        "data": DataSettings(),
        "training": training,
        "seed": 0,
        "weights": tmp_path / "weights.safetensors",
    }
    with (
        scheduled(tmp_path) as (address, worker),
        cable(int(address.rpartition(":")[2]), cut=cut) as to_scheduler,
        cable(port, cut=cut) as to_worker,
    ):
        far = tmp_path / "far.json"
        far.write_text((tmp_path / "scheduler.json").read_text().replace(
            address, f"tcp://127.0.0.1:{to_scheduler}"
        ))  # fmt: skip
        worker(
            "--scheduler-file", str(far), "--listen-address", f"tcp://127.0.0.1:{port}",
            "--contact-address", f"tcp://127.0.0.1:{to_worker}",
        )  # fmt: skip
        with closing(Cluster(address)) as found:
            told: list[int] = []
            again: list[int] = []

            def two_epochs(result: EpochResult, of: int) -> None:
                told.append(result.epoch)
                if len(told) == 2:
                    worker()
                    cut.set()

            with pytest.raises(CrashError, match=f"got tcp://127.0.0.1:{to_worker}, which is gone"):
                found.run(evaluate_full, arguments, report=two_epochs)
            with pytest.raises(StoppedError):
                found.run(
                    evaluate_full, arguments, report=lambda result, of: again.append(result.epoch),
                    stop=lambda: bool(again),
                )  # fmt: skip
    assert told[:2] == [1, 2]  # what was on its way may still arrive
    assert again[0] > told[-1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def records(folder: Path) -> list[TrialRecord]:
    with closing(StudyStorage.open(folder / "runs" / "one")) as storage:
        return storage.records()


@pytest.mark.slow
def test_a_study_on_a_scheduler_survives_one_of_two_workers_and_the_driver(tmp_path: Path) -> None:
    with scheduled(tmp_path) as (address, worker):
        one, two = worker(), worker()
        words = [
            *(w for w in overrides(write_table(tmp_path / "t.json")) if "multiply_adds" not in w),
            "objective.multiply_adds=1e9",
            "sampler=random",
            "study.trials=16",
            "evaluation.seconds=0.5",
            "execution=dask",
            "execution.workers=2",
            f"execution.scheduler={address}",
        ]
        search = started(tmp_path, "search", *words)
        wait(lambda: done(tmp_path) >= 2, search)
        one.kill()
        at = done(tmp_path)
        wait(lambda: done(tmp_path) >= at + 2, search)
        search.kill()
        search.communicate()
        resumed = started(tmp_path, "resume", "one")
        output = resumed.communicate(timeout=200)[0].decode()
        assert resumed.returncode == 0, output
        found = records(tmp_path)
        kinds = Counter(trial.outcome.kind for trial in found if trial.outcome)
        assert kinds["evaluated"] == 16
        assert set(kinds) <= {"evaluated", "repeated"}
        assert kinds.total() == len(found)
        # Neither this driver nor the killed one left a process on a worker that goes on.
        wait(lambda: not psutil.Process(two.pid).children())


def done(folder: Path) -> int:
    log = folder / "runs" / "one" / "log.jsonl"
    return log.read_text().count('"event": "outcome"') if log.exists() else 0
