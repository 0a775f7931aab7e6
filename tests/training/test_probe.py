from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nas.architecture import Architecture
from nas.errors import SettingsError
from nas.settings import TrainingSettings
from nas.training import probe, probed, resolve

NETWORK = Architecture.from_text("in1x8x8+stem8-s1+sandglass:16-s2+head0+out10")
CPU = TrainingSettings(device="cpu", threads=1)


def test_what_is_automatic_is_what_was_quickest():
    usual = replace(CPU, memory_format="channels_last", precision="float32")
    plain, low = replace(usual, memory_format="contiguous"), replace(usual, precision="bfloat16")
    seconds = {usual: [9, 2.0, 2.1], plain: [9, 3.0, 3.1], low: [9, 1.5, 1.6]}
    assert probe.quickest(seconds, usual=usual) == low
    # A twentieth is within the noise: the usual stays.
    assert probe.quickest({**seconds, low: [9, 1.9, 1.9]}, usual=usual) == usual
    # One slow step decides nothing, nor does the first one.
    assert probe.quickest({**seconds, low: [9, 5, 1.5]}, usual=usual) == low
    assert probe.quickest({usual: [9, 2.0], plain: [0.1, 3.0]}, usual=usual) == usual


def test_what_is_hopeless_is_not_tried_again_and_cannot_be_the_quickest():
    usual = replace(CPU, memory_format="channels_last", precision="float32")
    plain, low = replace(usual, memory_format="contiguous"), replace(usual, precision="bfloat16")
    assert probe.hopeful({usual: [2], plain: [2.5], low: [3.5]}, usual=usual) == [usual, plain]
    # By its quickest step, and the usual one stays whatever it takes.
    assert probe.hopeful({usual: [9, 2], plain: [9, 1], low: [9, 2.9]}, usual=usual) == [
        usual, plain, low,
    ]  # fmt: skip
    assert probe.quickest({usual: [9, 2.0], plain: [1]}, usual=usual) == usual
    assert probe.quickest({usual: [2], plain: [9]}, usual=usual) == usual


def test_a_trial_takes_no_larger_share_of_a_short_training_than_it_may(monkeypatch):
    steps, step = [], probe._Step.__call__
    monkeypatch.setattr(probe._Step, "__call__", lambda self: steps.append(self) or step(self))
    probed(CPU, NETWORK, steps=100)
    # Ten steps may be taken: by the second or third round of four that is so.
    assert 4 <= len(steps) <= 12


def test_what_was_asked_for_is_kept():
    asked = replace(CPU, memory_format="contiguous", precision="bfloat16")
    assert probed(asked, NETWORK) == asked


def test_real_steps_end_and_leave_random_numbers_and_threads_alone():
    before, number = torch.get_rng_state(), torch.get_num_threads()
    found = probed(replace(CPU, threads=1), NETWORK)
    assert found.memory_format in ("contiguous", "channels_last")
    assert found.precision in ("float32", "bfloat16")
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == number


def test_a_gpu_trains_in_what_it_computes_fast(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    found = resolve(TrainingSettings())
    assert (found.device, found.precision, found.memory_format) == (
        "cuda", "bfloat16", "channels_last",
    )  # fmt: skip
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert resolve(TrainingSettings()).precision == "float16"


def test_apples_gpu_trains_in_float32(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    found = resolve(TrainingSettings(device="mps"))
    assert (found.precision, found.memory_format) == ("float32", "contiguous")
    with pytest.raises(SettingsError, match="mps trains in float32 alone; got 'float16'"):
        resolve(TrainingSettings(device="mps", precision="float16"))


def test_a_device_that_is_not_there_names_those_that_are(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(SettingsError, match=r"got 'mps', which .*allowed: cpu"):
        resolve(TrainingSettings(device="mps"))
