"""The contract every runtime keeps: eager's outputs, a time for each call, a clear refusal."""

import importlib.util
import shutil
import subprocess
import sys
import threading

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from nas.architecture import Architecture, HeadSpec, StemSpec, UnitSpec
from nas.errors import MeasurementError
from nas.latency import serialise
from nas.latency.instrument import Instrument
from nas.latency.runtimes import RUNTIMES, prepare
from nas.latency.seat import Seat
from nas.latency.serialise import fold
from nas.latency.subject import Subject, module_of, subject
from nas.latency.target import target_of
from nas.settings import RUNTIMES as NAMED
from nas.settings import TargetSettings

NETWORK = Architecture(
    input=(3, 16, 16),
    stem=StemSpec(24, stride=1, pool=False),
    units=(
        UnitSpec("shuffle_v1", 48, stride=2, groups=3, expansion=4),
        UnitSpec("shuffle_v2", 96, stride=2),
        UnitSpec("sandglass", 96, expansion=6),
    ),
    head=HeadSpec(32),
    classes=10,
)


def available(name):
    if name == "compile":
        return shutil.which("g++") is not None
    return importlib.util.find_spec(RUNTIMES[name].package) is not None


SLOW = {"compile", "jit"}
RUNS = [
    pytest.param(
        name,
        marks=[
            pytest.mark.skipif(not available(name), reason=f"{name} is not installed"),
            *([pytest.mark.slow] if name in SLOW else []),
        ],
    )
    for name in RUNTIMES
]


@pytest.fixture
def seats():
    made = []

    def make(network, **settings):
        target = target_of(TargetSettings(**settings))
        made.append(Seat(target, {"reference": prepare(subject(network), target)}))
        return made[-1]

    yield make
    for seat in made:
        seat.close()


def test_every_runtime_a_setting_may_name_is_there():
    assert set(RUNTIMES) == set(NAMED)


@pytest.mark.parametrize("name", RUNS)
def test_it_gives_eagers_outputs_and_a_time_for_every_call(name, seats):
    seat = seats(NETWORK, runtime=name)
    seat.load({})  # raises unless the outputs are eager's
    samples, _ = seat.time({}, [["reference"]] * 3, {"reference": 2})
    assert len(samples) == 3
    for sample in samples:
        for group in (sample.before, *sample.calls, sample.after):
            assert min(group.clocks) > 0
            assert len(group.clocks) == len(group.walls) == 2
    assert seat.facts["versions"]["runtime"].split()[1][0].isdigit()


@pytest.mark.parametrize("name", RUNS)
def test_its_clock_sees_the_work(name):
    # A clock that looks at another thread than the one that works sees next to nothing.
    square = Subject("square", (64, 32, 32), lambda: nn.Conv2d(64, 64, 5, padding=2))
    point = Subject("point", (64, 32, 32), lambda: nn.Conv2d(64, 64, 1))
    with Instrument(target_of(TargetSettings(runtime=name)), reference=point) as instrument:
        assert instrument.measure(square).ratio > 3  # 25 times the multiply-adds


# What is told without a GPU is tested in test_target.py; times of one need one.
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("runtime", ["eager", "jit", "compile"])
@pytest.mark.parametrize("graphs", [False, True], ids=["launched", "as a graph"])
def test_on_a_gpu_the_time_is_that_between_two_events(runtime, graphs):
    settings = TargetSettings(runtime=runtime, device="cuda", cuda_graphs=graphs)
    square = Subject("square", (256, 64, 64), lambda: nn.Conv2d(256, 256, 5, padding=2))
    point = Subject("point", (256, 64, 64), lambda: nn.Conv2d(256, 256, 1))
    with Instrument(target_of(settings), reference=point) as instrument:
        found = instrument.measure(square)
    assert found.clock == "cuda events"
    assert found.ratio > 3  # 25 times the multiply-adds


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"runtime": "eager", "memory_format": "channels_last"},
        {"runtime": "eager", "folded": True},
        {"runtime": "eager", "dtype": "bfloat16"},
        {"runtime": "jit", "memory_format": "channels_last"},
        {"runtime": "onnxruntime", "batch_size": 3},
    ],
)
def test_every_form_of_a_network_gives_eagers_outputs(settings, seats):
    seats(NETWORK, **settings).load({})


@pytest.mark.parametrize("pool", [nn.AdaptiveMaxPool2d(6), nn.AdaptiveAvgPool2d((None, 4))])
@pytest.mark.parametrize("size", [(13, 13), (12, 8), (3, 7)])
def test_pooling_into_cells_of_any_size_runs_under_onnx(pool, size):
    module = nn.Sequential(nn.Conv2d(3, 4, 1), pool).eval()
    images = torch.randn(1, 3, *size)
    content = serialise.to_onnx(module, images)
    session = onnxruntime.InferenceSession(content)
    with torch.no_grad():
        expected = module(images).numpy()
    np.testing.assert_allclose(session.run(None, {"image": images.numpy()})[0], expected, atol=1e-5)
    assert module[1] is pool


def test_folding_removes_the_normalisation_and_keeps_the_outputs():
    module = module_of(subject(NETWORK))
    image = torch.randn(1, 3, 16, 16)
    with torch.no_grad():
        expected = module(image)
        folded = fold(module)
        assert not any(isinstance(part, nn.BatchNorm2d) for part in folded.modules())
        torch.testing.assert_close(folded(image), expected, rtol=1e-3, atol=1e-4)


def test_a_module_that_no_other_process_can_be_given_is_told():
    class Locked(nn.Module):
        def __init__(self):
            super().__init__()
            self.lock = threading.Lock()

        def forward(self, x):
            return x

    with pytest.raises(MeasurementError, match="must be picklable to reach the measuring process"):
        serialise.to_pickle(Locked(), torch.zeros(1))


def test_a_class_that_cannot_be_imported_by_name_travels_as_code(tmp_path):
    class Twice(nn.Module):
        def forward(self, x):
            return 2 * x

    file = tmp_path / "module.pt"
    file.write_bytes(serialise.to_pickle(Twice(), torch.zeros(1)))
    code = f"import torch; m = torch.load({str(file)!r}, weights_only=False); print(m(21))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "42\n"


def test_a_module_that_gives_no_tensors_is_told():
    class Structured(nn.Module):
        def forward(self, x):
            return {"a": {"b": [x]}}

    target = target_of(TargetSettings(runtime="jit"))
    with pytest.raises(MeasurementError, match="must give tensors"):
        prepare(Subject("structured", (1, 4, 4), Structured), target)
