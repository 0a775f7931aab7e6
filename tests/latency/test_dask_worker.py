"""Latency measured by the worker of a Dask cluster that has the device."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from architectures import network
from dask_cluster import Worker, one_core, scheduled, there, wait
from leases import waits_for_the_device

from nas.cluster import Cluster
from nas.composition import compose_parts
from nas.errors import SettingsError, TargetError
from nas.evaluation import table
from nas.events import Waiting
from nas.identity import facts_of
from nas.latency import lease
from nas.latency.instrument import Instrument
from nas.latency.runtimes import prepare
from nas.latency.seat import Patience, Seat
from nas.latency.subject import subject
from nas.latency.target import Target, cores, target_of
from nas.session import _resumed
from nas.settings import TargetSettings
from nas.settings.compose import compose
from nas.settings.stored import write
from nas.study.storage import StudyStorage


def test_the_scheduler_that_trains_is_the_one_that_measures_unless_another_is_named() -> None:
    words = ["execution=dask", "execution.scheduler=tcp://a:1", "target.where=dask"]
    assert compose(words).target.scheduler == "tcp://a:1"
    assert compose([*words, "target.scheduler=tcp://b:1"]).target.scheduler == "tcp://b:1"


def test_a_cluster_without_a_scheduler_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"target\.scheduler: .* got None; .*tcp://HOST:8786"):
        TargetSettings(where="dask")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Worker]]:
    with scheduled(tmp_path_factory.mktemp("cluster")) as (address, worker):
        trains = worker("--name", "trains")
        with closing(Cluster(address)):  # it is there
            yield address, worker
        assert trains.poll() is None


def asked(address: str) -> TargetSettings:
    return TargetSettings(where="dask", scheduler=address)


@pytest.mark.slow
def test_a_cluster_without_a_worker_that_measures_is_told(cluster: tuple[str, Worker]) -> None:
    address, _ = cluster
    with pytest.raises(TargetError, match=r"with the resource latency; got none; .*latency=1"):
        target_of(asked(address))


@pytest.fixture(scope="module")
def measures(cluster: tuple[str, Worker]) -> subprocess.Popen[bytes]:
    address, worker = cluster
    return offered(address, worker)


def offered(address: str, worker: Worker) -> subprocess.Popen[bytes]:
    """A worker that measures, once the scheduler knows it."""
    found = worker("--name", "measures", "--resources", "latency=1", "--nthreads", "2")

    def known() -> bool:
        try:
            target_of(asked(address))
        except TargetError:
            return False
        return True

    wait(known)
    return found


@pytest.mark.slow
def test_the_worker_that_offers_it_measures_and_nobody_else(
    cluster: tuple[str, Worker], measures: subprocess.Popen[bytes]
) -> None:
    target, here = target_of(asked(cluster[0])), target_of(TargetSettings())
    assert target.key == here.key.replace("local", "dask", 1)
    own = psutil.Process().children()
    with Instrument(target, reference=network(2)) as instrument:
        found = instrument.measure(network(12))
        assert children(measures.pid)
        assert psutil.Process().children() == own
    assert found.ratio > 1.5
    assert found.target == target.key
    ports = {c.laddr.port for c in psutil.Process(measures.pid).net_connections() if c.laddr}
    port = found.conditions["worker"].partition(" ")[0].rpartition(":")[2]
    assert int(port) in ports
    wait(lambda: not children(measures.pid))


def children(pid: int) -> set[int]:
    return {child.pid for child in psutil.Process(pid).children(recursive=True)}


def seat_on(target: Target, patience: Patience | None = None) -> Seat:
    return Seat(target, {"reference": prepare(subject(network(1)), target)}, patience=patience)


def timed(seat: Seat) -> int:
    return len(seat.time({}, [["reference"]], {"reference": 1})[0])


@pytest.mark.slow
@pytest.mark.parametrize("begun", [True, False])
def test_one_measures_there_at_a_time_and_waiting_is_no_measuring(
    cluster: tuple[str, Worker], measures: subprocess.Popen[bytes], tmp_path: Path, begun: bool
) -> None:
    seat = seat_on(target_of(asked(cluster[0])))
    assert timed(seat) == 1 if begun else seat.pid is None
    held = tmp_path / "held"
    with closing(Cluster(cluster[0])) as other:
        taken = other.client.submit(
            exec, f"import pathlib, time\nwhile not pathlib.Path({str(held)!r}).exists():"
            " time.sleep(0.05)", resources={"latency": 1}, pure=False,
        )  # fmt: skip
        wait(lambda: any(other.client.processing().values()))
        answered = threading.Thread(target=timed, args=(seat,))
        answered.start()
        answered.join(2)
        assert answered.is_alive()
        held.touch()
        answered.join(60)
        assert not answered.is_alive()
        taken.result()
    assert seat.away > 1.5
    seat.close()


@pytest.mark.slow
@pytest.mark.parametrize("cold", [False, True])
def test_a_network_is_loaded_there_beside_a_training_but_where_its_first_call_counts(
    cluster: tuple[str, Worker], measures: subprocess.Popen[bytes], cold: bool
) -> None:
    seat = seat_on(target_of(asked(cluster[0])))
    loading = threading.Thread(target=seat.load, args=({},), kwargs={"cold": cold})
    with lease.shared("cpu"):  # a batch of a training on the worker's machine
        loading.start()
        if cold:
            wait(waits_for_the_device)
        else:
            loading.join(60)
        assert set(seat.first_ns) == (set() if cold else {"reference"})
    loading.join(60)
    assert set(seat.first_ns) == {"reference"}
    seat.close()


@pytest.mark.slow
def test_a_worker_that_measures_trains_nothing_while_another_is_there(
    cluster: tuple[str, Worker], measures: subprocess.Popen[bytes]
) -> None:
    with closing(Cluster(cluster[0])) as found:
        assert found.number == 1  # of three threads
        for _ in range(4):
            found.run(table.wait, {"seconds": 0.1})
        assert not children(measures.pid)  # where it ran a process waits for the next


@pytest.mark.slow
def test_with_gpus_too_a_worker_that_measures_trains_nothing_while_another_is_there(
    tmp_path: Path,
) -> None:
    with scheduled(tmp_path) as (address, worker):
        measures = worker("--resources", "GPU=1 latency=1")
        trains = worker("--resources", "GPU=1")
        there(address, 2)
        with closing(Cluster(address, gpus=("of a worker",))) as found:
            assert found.number == 1
            for _ in range(4):
                found.run(table.wait, {"seconds": 0.1})
            assert not children(measures.pid)
            trains.kill()
            there(address, 1)
            found.run(table.wait, {"seconds": 0.1})  # nobody else is left
            assert children(measures.pid)


@pytest.mark.slow
def test_a_worker_that_trains_and_measures_keeps_a_thread_for_measuring(tmp_path: Path) -> None:
    with scheduled(tmp_path) as (address, worker):
        worker("--resources", "latency=1", "--nthreads", "3")
        with closing(Cluster(address)) as found:
            assert found.number == 2


@pytest.mark.slow
# The other kind of machine is this one held to one core: with one core there is none.
@pytest.mark.skipif(cores() < 2, reason="a machine of one core has no other kind in it")
def test_a_study_that_goes_on_is_measured_by_a_worker_on_its_kind_of_machine(
    tmp_path: Path,
) -> None:
    with scheduled(tmp_path) as (address, worker):
        worker("--resources", "latency=1")
        with one_core():
            worker("--resources", "latency=1")
        there(address, 2)
        large = target_of(TargetSettings()).machine
        small = large.rpartition("-")[0] + "-1c"
        words = ["target.where=dask", f"target.scheduler={address}"]
        parts = compose_parts(compose(words), resolved={}, target=f"dask/{large}")
        assert parts.target.split("/")[1] == large
        storage = StudyStorage.create(
            tmp_path / "runs" / "one",
            parts.objective.directions,
            facts_of(parts),
            fill=lambda folder: write(parts.settings, folder / "settings.yaml"),
        )
        with closing(storage):
            # Of several the one that measured last goes on, but for this study.
            assert target_of(asked(address), machine=small).machine == small
            assert target_of(asked(address)).machine == small
            resumed = _resumed(storage, [], folder=str(tmp_path / "runs"))
        assert resumed.target == parts.target


@pytest.mark.slow
def test_processes_of_a_killed_driver_end(
    cluster: tuple[str, Worker], measures: subprocess.Popen[bytes]
) -> None:
    script = (
        "import sys, time\n"
        "from nas.latency.process import start\n"
        "from nas.latency.target import Reach\n"
        "found = start(Reach('dask', scheduler=sys.argv[1]), threads=1, device='cpu', pin=False)\n"
        "print(found.facts, flush=True)\n"
        "time.sleep(100)\n"
    )
    command = [sys.executable, "-c", script, cluster[0]]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline()
        assert children(measures.pid)
        driver.kill()
    wait(lambda: not children(measures.pid))


@pytest.mark.slow
def test_a_worker_that_is_killed_is_waited_for_and_that_is_counted_once(
    cluster: tuple[str, Worker], measures: subprocess.Popen[bytes]
) -> None:
    address, worker = cluster
    told: list[Waiting] = []
    back: list[float] = []
    seat = seat_on(
        target_of(asked(address)),
        Patience(told.append, lambda _: back.append(time.time()), first_pause=0.5),
    )
    assert timed(seat) == 1
    before = seat.away
    measures.send_signal(signal.SIGSTOP)  # in the middle of an answer
    found: list[int] = []
    waits = threading.Thread(target=lambda: found.append(timed(seat)))
    waits.start()
    time.sleep(1)
    left = children(measures.pid)
    measures.kill()
    wait(lambda: told)
    assert "with the resource latency" in told[0].reason
    with lease.exclusive("cpu"):  # somebody else's measurement, on the worker's machine
        again = offered(address, worker)
        wait(lambda: children(again.pid))
        time.sleep(3)
        assert not back
    waits.join(120)
    assert found == [1]
    assert children(again.pid)
    # The seconds until the other had measured are among those in which it was gone, not beside.
    assert seat.away - before == pytest.approx(back[0] - told[0].since, abs=2)
    seat.close()
    wait(lambda: not any(map(psutil.pid_exists, left)))
