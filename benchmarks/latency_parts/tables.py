"""The block table of a runtime on networks that it was not calibrated on."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from latency_parts.conditions import fresh
from latency_parts.networks import networks, reference

from nas.costs import count
from nas.latency.instrument import Instrument
from nas.latency.table import build_table
from nas.latency.target import target_of
from nas.settings import TargetSettings

RUNTIMES = ("jit", "eager", "onnxruntime")
PREDICTIONS = 200


def table(runtime: str, number: int | None = None) -> Iterator[dict[str, Any]]:
    while True:
        yield fresh(_table, runtime, number)


def _table(runtime: str, number: int | None) -> dict[str, Any]:
    wanted = list(networks(number).values())
    random.Random(0).shuffle(wanted)  # so that the calibration has some of every family
    started = time.perf_counter()
    with Instrument(target_of(TargetSettings(runtime=runtime)), reference=reference()) as one:
        made = build_table(one, wanted, multiply_adds=[count(n).multiply_adds for n in wanted])
    seconds = time.perf_counter() - started
    began = time.process_time()
    for number_ in range(PREDICTIONS):
        made.predict(wanted[number_ % len(wanted)])
    return {
        "accuracy": asdict(made.accuracy),
        "blocks": len(made.blocks),
        "build_seconds": seconds,
        "predict_ms": 1e3 * (time.process_time() - began) / PREDICTIONS,
        "factors": made.factors,
    }
