"""Which memory format and precision train a network faster here: tried, not believed."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional

from nas.architecture import Architecture
from nas.latency.lease import exclusive
from nas.network import build
from nas.settings import TrainingSettings
from nas.threads import threads
from nas.training.inputs import LOW, MEMORY_FORMATS
from nas.training.kernels import fast_kernels
from nas.training.machine import resolve

BATCH = 32
ROUNDS = 5
SECONDS = 10.0
SHARE = 0.1
"""No further round is begun after so many, or after this share of the steps of one training."""
HOPELESS = 1.5
"""Whose quickest step takes this many times the usual's is not tried again."""
MARGIN = 1.1
"""Another choice than the usual one must be faster by as much, so that noise does not decide."""


def probed(
    settings: TrainingSettings, architecture: Architecture, *, steps: float = math.inf
) -> TrainingSettings:
    """The settings of this machine, the automatic ones by passes of this network.

    The candidates take turns; of each the quickest step counts. A training has so many `steps`.

    Raises:
        SettingsError: the device is not there, or cannot do that.
    """
    usual = resolve(settings)
    candidates = [
        replace(usual, memory_format=f, precision=p) for f, p in _choices(settings, usual)
    ]
    if len(candidates) == 1:
        return usual
    seconds: dict[TrainingSettings, list[float]] = {one: [] for one in candidates}
    with exclusive(usual.device), threads(usual.threads), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        tried = {one: _Step(architecture, one) for one in candidates}
        began = time.perf_counter()
        for _ in range(1 + ROUNDS):
            for one in candidates:
                seconds[one].append(tried[one]())
            candidates = hopeful(seconds, usual=usual)
            done = sum(map(len, seconds.values()))
            late = done > SHARE * steps or time.perf_counter() - began > SECONDS
            if len(candidates) == 1 or (late and len(seconds[usual]) > 1):
                break
    return quickest(seconds, usual=usual)


def hopeful(
    seconds: Mapping[TrainingSettings, Sequence[float]], *, usual: TrainingSettings
) -> list[TrainingSettings]:
    """The settings that may still turn out the quickest; the first step of each sets things up.

    Units:
        seconds: of each step, in order.
    """
    least = min(seconds[usual])
    return [one for one, steps in seconds.items() if min(steps) < HOPELESS * least or one == usual]


def quickest(
    seconds: Mapping[TrainingSettings, Sequence[float]], *, usual: TrainingSettings
) -> TrainingSettings:
    """The settings whose quickest step is the quickest, if clearly so; the first of each sets
    things up and does not count, nor do those that were tried no second time.

    Units:
        seconds: of each step, in order.
    """
    least = {one: min(steps[1:]) for one, steps in seconds.items() if len(steps) > 1}
    best = min(least, key=lambda one: least[one], default=usual)
    return best if best != usual and least[best] * MARGIN < least[usual] else usual


def _choices(settings: TrainingSettings, usual: TrainingSettings) -> list[tuple[str, str]]:
    formats = [usual.memory_format]
    if settings.memory_format == "auto" and usual.device != "mps":
        formats += ["contiguous"]
    precisions = [usual.precision]
    if settings.precision == "auto" and usual.device == "cpu":
        precisions += ["bfloat16"]
    return [(f, p) for f in formats for p in precisions]


class _Step:
    """A pass forward and back over random images, again and again; seconds it took.

    Without the update of the weights, which costs the same in every format; torch's optimizers
    bring its compiler along, whose import took longer than all that is tried here.
    """

    def __init__(self, architecture: Architecture, settings: TrainingSettings) -> None:
        format = MEMORY_FORMATS[settings.memory_format]
        count = min(BATCH, settings.batch_size)
        self._settings = settings
        self._module: nn.Module = build(architecture).to(settings.device)
        self._module.to(memory_format=format)  # type: ignore[call-overload]
        images = torch.randn(count, *architecture.input, device=settings.device)
        self._images = images.contiguous(memory_format=format)
        self._labels = torch.arange(count, device=settings.device) % architecture.classes

    def __call__(self) -> float:
        settings = self._settings
        # On one thread of a CPU what others have of the core is left out: it would decide instead.
        alone = (settings.device, settings.threads) == ("cpu", 1)
        clock = time.thread_time if alone else time.perf_counter
        started = clock()
        low = LOW.get(settings.precision)
        with fast_kernels(self._module, settings):
            with torch.autocast(settings.device, dtype=low, enabled=low is not None):
                logits = self._module(self._images).float()
            self._module.zero_grad(set_to_none=True)
            functional.cross_entropy(logits, self._labels).backward()  # type: ignore[no-untyped-call]
        if settings.device == "cuda":
            torch.cuda.synchronize()
        return clock() - started
