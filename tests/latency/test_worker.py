"""The measuring process: alone, without torch, and never longer than its parent."""

import base64
import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto, helper

from nas.errors import MeasurementError, TargetError
from nas.latency import process
from nas.latency.process import WorkerLostError, start
from nas.latency.target import Reach
from nas.latency.worker import state

SHAPE = (1, 3, 4, 4)
WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3, 1, 1)


def pointwise(copies=1):
    """A network of a 1x1 convolution, written by hand (and repeated after ReLUs)."""
    nodes, name = [], "image"
    weights = [helper.make_tensor("w", TensorProto.FLOAT, WEIGHT.shape, WEIGHT.ravel())]
    nodes.append(helper.make_node("Conv", [name, "w"], ["y0"]))
    for number in range(1, copies):
        nodes.append(helper.make_node("Relu", [f"y{number - 1}"], [f"y{number}"]))
    graph = helper.make_graph(
        nodes,
        "pointwise",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info(f"y{copies - 1}", TensorProto.FLOAT, (1, 2, 4, 4))],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model.SerializeToString()


def load(worker, name="one", content=None, **more):
    request = {"do": "load", "name": name, "runtime": "onnxruntime", "shape": SHAPE, "seed": 0}
    return worker.ask({**request, **more}, content=content or pointwise(), seconds=60)


def start_here():
    return start(Reach(), threads=1, device="cpu", pin=True)


@pytest.mark.slow
def test_float32_of_torch_is_float32_on_every_device():
    code = (
        "from nas.latency import worker; worker.OPTIONS.update(threads=1, device='cpu'); "
        "backends = worker._torch().backends; "
        "print(backends.cudnn.allow_tf32, backends.cuda.matmul.allow_tf32)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


@pytest.fixture
def worker():
    worker = start_here()
    yield worker
    worker.close()


@pytest.fixture
def no_torch(tmp_path, monkeypatch):
    """Children that import torch, or anything of this project, fail."""
    for name in ("torch", "nas"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('kept out by the test')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    blocked = subprocess.run([sys.executable, "-c", "import torch"], capture_output=True)
    assert blocked.returncode == 1


def test_it_runs_an_onnx_network_without_torch_and_from_any_folder(no_torch, tmp_path, monkeypatch):
    alone = tmp_path / "elsewhere.py"
    shutil.copy(process.WORKER, alone)
    monkeypatch.setattr(process, "WORKER", alone)
    worker = start_here()
    (output,) = load(worker)["outputs"]
    worker.close()
    image = np.random.RandomState(0).standard_normal(SHAPE).astype(np.float32)
    expected = np.einsum("oi,bihw->bohw", WEIGHT[:, :, 0, 0], image)
    got = np.frombuffer(base64.b64decode(output["data"]), np.float32).reshape(output["shape"])
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_a_turn_holds_the_reference_on_either_side_and_two_timed_groups(worker):
    load(worker, "reference")
    load(worker, "a", pointwise(4))
    reply = worker.ask(
        {
            "do": "time",
            "schedule": [["a"], ["a", "reference"]],
            "reference": "reference",
            "repeats": {"a": 3, "reference": 5},
            "untimed": {"a": 2, "reference": 1},
            "shared": False,
        },
        seconds=60,
    )
    assert [(turn[0], turn[1]) for turn in reply["samples"]] == [
        (0, "a"),
        (1, "a"),
        (1, "reference"),
    ]
    _, _, before, calls, after = reply["samples"][0]
    assert [len(group[3]) for group in (before, *calls, after)] == [5, 3, 3, 5]
    for cpus, switches, faults, walls in (before, *calls, after):
        assert len(cpus) == len(walls)
        assert min(cpus) > 0
        assert min(walls) > 0
        assert switches >= 0
        assert faults >= 0
    assert len(reply["states"]) == 2


@pytest.mark.parametrize("shared", [True, False])
def test_a_reference_call_between_two_turns_is_of_both_where_it_is_shared(worker, shared):
    load(worker, "reference")
    load(worker, "a", pointwise(4))
    request = {
        "do": "time", "schedule": [["a"] * 2] * 2, "reference": "reference", "shared": shared,
        "repeats": {"a": 1, "reference": 1}, "untimed": {"a": 1, "reference": 1},
    }  # fmt: skip
    turns = worker.ask(request, seconds=60)["samples"]
    # Nanoseconds by two clocks: those of two calls are not equal by chance.
    same = [one[4] == next_one[2] for one, next_one in pairwise(turns)]
    assert same == [shared] * 3


@pytest.fixture
def system(tmp_path):
    """Writes files as the kernel shows them under /sys."""

    def write(files):
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text + "\n")
        return str(tmp_path)

    return write


def test_heat_clocks_and_throttling_are_told_as_the_system_tells_them(system):
    cpus, thermal = "devices/system/cpu", "class/thermal"
    found = state(
        system(
            {
                f"{cpus}/cpu0/cpufreq/scaling_cur_freq": "1800000",
                f"{cpus}/cpu1/cpufreq/scaling_cur_freq": "2400000",
                f"{cpus}/cpu0/cpufreq/scaling_governor": "schedutil",
                f"{cpus}/cpu0/thermal_throttle/core_throttle_count": "3",
                f"{cpus}/cpu1/thermal_throttle/core_throttle_count": "4",
                f"{thermal}/thermal_zone0/temp": "61500",
                f"{thermal}/thermal_zone1/temp": "",  # a sensor that is asleep
                f"{thermal}/cooling_device0/cur_state": "2",
                f"{thermal}/cooling_device1/cur_state": "1",
            }
        )
    )
    assert found.pop("load") >= 0
    assert found == {
        "mhz": pytest.approx(2400),
        "celsius": pytest.approx(61.5),
        "cooling": 3,
        "throttled": 7,
        "governor": "schedutil",
    }


def test_a_system_that_tells_nothing_has_only_its_load(system):
    assert set(state(system({}))) == {"load"}


def test_a_network_that_cannot_be_loaded_is_told_and_the_process_goes_on(worker):
    with pytest.raises(MeasurementError, match=r"network .*must run every network; got failed: "):
        load(worker, content=b"nonsense")
    assert load(worker)["outputs"]


def test_a_missing_runtime_is_told(tmp_path, monkeypatch):
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('no onnxruntime here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    worker = start_here()
    with pytest.raises(TargetError, match=r"got no onnxruntime here; .*with: pip install onnxr"):
        load(worker)
    worker.close()


def test_an_unknown_runtime_names_what_there_is(worker):
    with pytest.raises(MeasurementError, match=r"unknown runtime 'abacus'.*onnxruntime"):
        load(worker, runtime="abacus")


def test_dropped_networks_are_gone(worker):
    load(worker)
    worker.ask({"do": "drop", "names": ["one"]}, seconds=60)
    with pytest.raises(MeasurementError, match="KeyError"):
        worker.ask(
            {
                "do": "time",
                "schedule": [["one"]],
                "reference": "one",
                "repeats": {"one": 1},
                "untimed": {"one": 1},
                "shared": False,
            },
            seconds=60,
        )


def test_a_process_that_hangs_is_ended_and_told(worker):
    os.kill(worker.pid, signal.SIGSTOP)
    with pytest.raises(WorkerLostError, match="it did not answer within 1 s"):
        worker.ask({"do": "drop", "names": []}, seconds=1)
    assert not psutil.pid_exists(worker.pid)


def test_a_process_that_dies_is_told_with_its_last_words(worker):
    # The library's own crash, not an exception it could tell.
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(WorkerLostError, match=r"got it .* \(exit status -9\)"):
        worker.ask({"do": "drop", "names": []}, seconds=60)


def test_output_of_a_library_does_not_stand_between_replies(tmp_path, monkeypatch):
    (tmp_path / "onnxruntime.py").write_text(
        "import os; os.write(1, b'chatter'); raise ImportError('quiet')"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    worker = start_here()
    with pytest.raises(TargetError, match="quiet"):
        load(worker)
    worker.close()


def test_its_environment_keeps_memory_and_threads(worker):
    with open(f"/proc/{worker.pid}/environ", "rb") as file:
        found = file.read().split(b"\0")
    assert b"MALLOC_TRIM_THRESHOLD_=4294967296" in found
    assert b"OMP_NUM_THREADS=1" in found


PARENT = """
import sys, threading, time
from nas.latency.process import start
from nas.latency.target import Reach

def here():
    worker = start(Reach(), threads=1, device="cpu", pin=False)
    print(worker.pid, flush=True)
    return worker

def beside():
    kept = []
    thread = threading.Thread(target=lambda: kept.append(here()))
    thread.start()
    thread.join()
    return kept

kept = {"main": here, "thread": beside}[sys.argv[1]]()
time.sleep(60)
"""


def gone(pid, seconds=10.0):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def parent():
    started = []

    def start(where):
        running = subprocess.Popen(
            [sys.executable, "-c", PARENT, where], stdout=subprocess.PIPE, text=True
        )
        started.append(running)
        return running, int(running.stdout.readline())

    yield start
    for running in started:
        running.kill()
        running.wait()
        running.stdout.close()


@pytest.mark.parametrize("where", ["main", "thread"])
def test_it_ends_with_a_killed_parent(parent, where):
    running, pid = parent(where)
    assert not gone(pid, 0.3)
    running.kill()
    assert gone(pid)


def test_it_ends_with_a_killed_parent_even_while_it_is_busy(parent):
    # Stopped, it cannot notice the end of its input; only the kernel's signal ends it.
    running, pid = parent("main")
    os.kill(pid, signal.SIGSTOP)
    running.kill()
    assert gone(pid)


def test_it_outlives_the_thread_that_started_it(parent):
    _, pid = parent("thread")
    assert not gone(pid, 0.5)


class GivenUpError(Exception):
    pass


@pytest.mark.parametrize("size", [10, 10_000_000], ids=["that says nothing", "that reads nothing"])
def test_a_process_is_given_up_when_that_is_asked(size):
    asked = []

    def check():
        asked.append(time.monotonic())
        if len(asked) == 3:
            raise GivenUpError

    deaf = process.Worker([sys.executable, "-c", "import time; time.sleep(600)"], check=check)
    child = psutil.Process(deaf.pid)
    with pytest.raises(GivenUpError):
        deaf.ask({"do": "hello"}, content=b"x" * size, seconds=60)
    assert asked[-1] - asked[0] < 20  # polled, not once in a minute
    assert not child.is_running()
    deaf.close()  # a second time does nothing
