"""What a measured number's key says, and what a target refuses."""

import pytest

from nas.errors import TargetError
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
