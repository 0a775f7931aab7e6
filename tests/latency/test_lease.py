"""Who may disturb whom, with real locks and real processes."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from types import SimpleNamespace

import pytest
import torch

from nas.errors import MeasurementError
from nas.latency import lease

HOLD = """
import sys, time
from nas.latency import lease
with getattr(lease, sys.argv[1])("cpu"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Other tests and studies on this machine hold leases of their own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


@pytest.fixture
def holder():
    """A process that holds the lease until it is killed."""
    started = []

    def start(mode):
        process = subprocess.Popen([sys.executable, "-c", HOLD, mode], stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def entered(mode, seconds, device="cpu"):
    """Whether another thread gets the lease within `seconds`; it gives it back at once."""
    inside = threading.Event()

    def enter():
        with getattr(lease, mode)(device):
            inside.set()

    thread = threading.Thread(target=enter, daemon=True)
    thread.start()
    return inside.wait(seconds), thread


def test_training_batches_overlap():
    with lease.shared():
        assert entered("shared", 10)[0]


@pytest.mark.parametrize(
    ("first", "second"),
    [("shared", "exclusive"), ("exclusive", "shared"), ("exclusive", "exclusive")],
)
def test_a_measurement_and_anything_else_wait_for_each_other(first, second):
    with getattr(lease, first)():
        got, thread = entered(second, 0.3)
        assert not got
    thread.join(10)
    assert not thread.is_alive()


def test_another_process_is_waited_for_and_its_end_frees_the_device(holder):
    process = holder("exclusive")
    got, thread = entered("shared", 0.3)
    assert not got
    process.send_signal(signal.SIGKILL)
    thread.join(10)
    assert not thread.is_alive()


def test_other_devices_are_not_waited_for():
    with lease.exclusive("cuda:0"):
        assert entered("exclusive", 10)[0]


def test_every_gpu_of_the_machine_has_a_lease_of_its_own(monkeypatch, request):
    lease._uuid.cache_clear()
    request.addfinalizer(lease._uuid.cache_clear)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)  # a number is all there is
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    with lease.shared("cuda"):
        # By another name it is the same one: this thread would wait for itself.
        with pytest.raises(AssertionError, match="cuda:3"), lease.exclusive("cuda:3"):
            pass
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
        assert entered("exclusive", 10, "cuda")[0]
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
        assert entered("exclusive", 10, "cuda:0")[0]
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
        got, thread = entered("exclusive", 0.3, "cuda")
        assert not got
    thread.join(10)
    assert not thread.is_alive()


def test_a_gpu_is_one_whatever_a_process_calls_it(monkeypatch, request):
    request.addfinalizer(lease._uuid.cache_clear)
    found = SimpleNamespace(uuid="8f3c-77")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: found)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    with lease.shared("cuda"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-8f3c-77,0")
        got, thread = entered("exclusive", 0.3, "cuda")
        assert not got
    thread.join(10)
    assert not thread.is_alive()


def test_the_seconds_waited_are_given(holder):
    process = holder("exclusive")
    timer = threading.Timer(1.0, process.kill)
    timer.start()
    with lease.exclusive() as waited:
        assert 0.2 < waited < 30
    # Next to nothing where nobody holds it; what a busy machine adds comes once in a while.
    free = []
    for _ in range(5):
        with lease.exclusive() as again:
            free.append(again)
    assert min(free) < waited / 5


def test_overlapping_training_does_not_starve_a_measurement():
    batch, stop, began = 0.2, threading.Event(), []

    def train(offset):
        time.sleep(offset)
        while not stop.is_set():
            with lease.shared():
                began.append(time.monotonic())
                time.sleep(batch)

    threads = [threading.Thread(target=train, args=(i * batch / 3,)) for i in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(3 * batch)
    timer = threading.Timer(20 * batch, stop.set)  # whom they starve gets in then
    timer.start()
    asked = time.monotonic()
    with lease.exclusive():
        later = [t for t in began if t > asked]
    timer.cancel()
    stop.set()
    for thread in threads:
        thread.join()
    # Every trainer may have begun one more batch before the gate closed; on a busy machine that may
    # take until it would begin yet another. Starved, one waits for about sixty.
    assert len(later) <= 6


def test_a_child_forked_inside_a_batch_does_not_keep_the_lease():
    with lease.shared():
        child = os.fork()
        if child == 0:
            time.sleep(30)
            os._exit(0)
    try:
        got, _ = entered("exclusive", 10)
        assert got
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_child_forked_inside_a_batch_does_not_outlive_its_killed_parent(tmp_path):
    code = """
import os, sys, time
from nas.latency import lease
with lease.shared("cpu"):
    child = os.fork()
    if child:
        print(child, flush=True)
    time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    child = int(parent.stdout.readline())
    time.sleep(0.3)  # for the child's own start
    parent.kill()
    parent.wait()
    parent.stdout.close()
    try:
        assert entered("exclusive", 10)[0]
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_batch_inside_a_batch_passes_a_waiting_measurement():
    with lease.shared():
        got, thread = entered("exclusive", 0.3)
        assert not got
        with lease.shared() as waited:
            assert waited == 0
    thread.join(10)
    assert not thread.is_alive()


def test_a_measurement_inside_ones_own_batch_is_a_bug_not_a_deadlock():
    with lease.shared(), pytest.raises(AssertionError), lease.exclusive():
        pass


def test_lock_files_that_cannot_be_made_are_told(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setattr(tempfile, "tempdir", str(blocked))
    told = pytest.raises(MeasurementError, match=r"lease: its lock files .* another TMPDIR")
    with told, lease.shared():
        pass
