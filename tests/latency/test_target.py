"""What a measured number's key says, and what a target refuses."""

import pytest
import torch

from nas.errors import SettingsError, TargetError
from nas.latency import target
from nas.latency.runtimes import Runtime, require, to_onnx
from nas.settings import TargetSettings


def test_every_choice_is_in_the_key():
    keys = {
        target.target_of(settings).key
        for settings in (
            TargetSettings(),
            TargetSettings(runtime="eager"),
            TargetSettings(batch_size=2),
            TargetSettings(runtime="eager", memory_format="channels_last"),
        )
    }
    assert len(keys) == 4


def test_the_key_is_one_word_and_names_the_machine():
    found = target.target_of(TargetSettings())
    assert " " not in found.key
    assert found.machine in found.key


def test_more_threads_than_cores_are_refused():
    with pytest.raises(TargetError, match=r"target.threads: .* got 4096; allowed: 1 to \d+"):
        target.target_of(TargetSettings(threads=4096))


def test_a_layout_the_runtime_has_not_is_refused():
    with pytest.raises(TargetError, match=r"target.memory_format: .* allowed: contiguous"):
        target.target_of(TargetSettings(memory_format="channels_last"))


def test_a_runtime_that_is_not_installed_is_told_with_the_command():
    absent = Runtime("absent", "no_such_package", "pip install no-such-package", to_onnx)
    with pytest.raises(TargetError, match="install it with: pip install no-such-package"):
        require(absent)


def test_the_clock_is_cpu_time_for_one_thread_only():
    assert target.target_of(TargetSettings()).clock == "thread CPU time"
    if target.cores() > 1:
        assert target.target_of(TargetSettings(threads=2)).clock == "wall"


# With a GPU there is nothing to tell.
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_told():
    with pytest.raises(TargetError, match=r"target.device: .* torch sees no CUDA device; .*: cpu"):
        target.target_of(TargetSettings(runtime="eager", device="cuda"))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"runtime": "eager", "cuda_graphs": True}, "target.cuda_graphs: needs target.device=cuda"),
        ({"runtime": "openvino", "cuda_graphs": True}, "is a choice of torch's runtimes"),
        ({"device": "cuda"}, "onnxruntime is measured on the CPU"),
    ],
)
def test_events_and_graphs_of_a_gpu_are_for_torch_on_a_gpu(settings, told):
    with pytest.raises(SettingsError, match=told):
        TargetSettings(**settings)
