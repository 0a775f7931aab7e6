"""Independent invocations under a condition, and `blocked_autorange` at equal seconds beside."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from itertools import combinations, permutations
from typing import Any

import numpy as np
from latency_parts.conditions import condition, fresh, measuring_core
from latency_parts.networks import networks, reference

from nas.latency import worker
from nas.latency.instrument import Instrument
from nas.latency.levels import DECIDE, SCREEN, Level
from nas.latency.runtimes import image_of, prepare
from nas.latency.subject import subject
from nas.latency.target import target_of
from nas.outcome import Latency
from nas.settings import TargetSettings

APART = 0.02


def invocations(
    name: str, *, runtime: str = "onnxruntime", number: int | None = None
) -> Iterator[dict[str, Any]]:
    """Measured values of invocations under a condition, one after another, without an end."""
    while True:
        with condition(name):
            one = fresh(invocation, runtime, number)
            seconds = one["decide_seconds"]
            one["autorange"] = fresh(autorange, runtime, seconds, number)
        yield one


def invocation(runtime: str, number: int | None) -> dict[str, Any]:
    """One invocation: the instrument started anew, no store."""
    wanted = networks(number)
    started = time.perf_counter()
    target = target_of(TargetSettings(runtime=runtime))
    with Instrument(target, reference=reference(), level=DECIDE) as instrument:
        start_seconds = time.perf_counter() - started
        screened, screen_seconds = _timed(instrument, wanted, SCREEN)
        decided, decide_seconds = _timed(instrument, wanted, DECIDE)
    return {
        "start_seconds": start_seconds,
        "screen_seconds": screen_seconds,
        "decide_seconds": decide_seconds,
        "screen": screened,
        "decide": decided,
    }


def _timed(instrument: Instrument, wanted: Any, level: Level) -> tuple[dict[str, Any], float]:
    started = time.perf_counter()
    found = instrument.measure_many(list(wanted.values()), level=level)
    seconds = (time.perf_counter() - started) / len(wanted)
    return {n: short(one) for n, one in zip(wanted, found, strict=True)}, seconds


def short(one: Latency) -> dict[str, Any]:
    names = ("ms", "low", "high", "ratio", "ratio_low", "ratio_high", "status", "seconds")
    kept = ("quiet_share", "gated", "preempted_share", "precision")
    return {n: getattr(one, n) for n in names} | {n: one.conditions[n] for n in kept}


def autorange(runtime: str, seconds: float, number: int | None) -> dict[str, float]:
    """ms of each network by torch's own timer, on the core where the instrument measures.

    It gets all the instrument's care but its protocol: the same loaders, eval and inference mode,
    sane activations, denormals flushed, one thread, the same image, calls before the first sample.
    """
    from torch.utils.benchmark import Timer

    os.sched_setaffinity(0, [measuring_core()])
    worker.OPTIONS.update(threads=1, device="cpu", parent=None)
    target, found = target_of(TargetSettings(runtime=runtime)), {}
    for name, architecture in networks(number).items():
        prepared = prepare(subject(architecture), target)
        request = {"dtype": "float32", "channels_last": False, "cuda_graphs": False}
        image = image_of(prepared.shape)
        call, _ = worker.LOADERS[runtime](prepared.content, image, request)
        timer = Timer("call()", globals={"call": call})
        found[name] = 1e3 * timer.blocked_autorange(min_run_time=seconds).median
    return found


def figures(values: list[dict[str, Any]], *, of: str, key: str) -> dict[str, Any]:
    """Repeatability of one kind of number over the invocations.

    `of`: screen, decide or autorange; `key`: ms or ratio.
    """
    names = list(values[0][of])
    numbers = np.array([[_number(one[of][name], key) for name in names] for one in values])
    pairs = list(combinations(range(len(values)), 2))
    apart = np.abs(np.concatenate([np.log(numbers[a] / numbers[b]) for a, b in pairs]))
    strict, clear = zip(*(_taus(numbers[a], numbers[b]) for a, b in pairs), strict=True)
    made = {
        "n": len(apart),
        "median": float(np.median(apart)),
        "p90": float(np.quantile(apart, 0.9)),
        "most": float(apart.max()),
        "tau": float(np.mean(strict)),
        "tau_2": float(np.mean(clear)),
    }
    if of != "autorange":
        low, high = ("low", "high") if key == "ms" else ("ratio_low", "ratio_high")
        inside = [
            values[a][of][name][low] <= values[b][of][name][key] <= values[a][of][name][high]
            for a, b in permutations(range(len(values)), 2)
            for name in names
        ]
        widths = [one[of][n][high] / one[of][n][low] for one in values for n in names]
        made["covered"] = float(np.mean(inside))
        made["half_width"] = float(np.median(np.sqrt(widths)) - 1)
    return made


def _number(value: Any, key: str) -> float:
    return value[key] if isinstance(value, dict) else value


def _taus(one: Any, other: Any) -> tuple[float, float]:
    """Kendall's correlation over all pairs, and over those more than 2 % apart in the mean."""
    signs, clear = [], []
    for a, b in combinations(range(len(one)), 2):
        agree = np.sign(np.log(one[a] / one[b]) * np.log(other[a] / other[b]))
        signs.append(agree)
        if abs(np.log(one[a] * other[a] / (one[b] * other[b]))) / 2 > APART:
            clear.append(agree)
    return float(np.mean(signs)), float(np.mean(clear))


def shift(loaded: list[dict[str, Any]], quiet: list[dict[str, Any]]) -> list[float]:
    """By how much the load moves the ratio of each network: log of medians over invocations."""

    def middle(values: list[dict[str, Any]], name: str) -> float:
        return float(np.median([one["decide"][name]["ratio"] for one in values]))

    return [float(np.log(middle(loaded, n) / middle(quiet, n))) for n in quiet[0]["decide"]]
