"""A machine that trains while it measures: the lease."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from latency_parts.accuracy import here
from latency_parts.conditions import beside, fresh, train
from latency_parts.invocations import short
from latency_parts.networks import networks, reference

from nas.latency import lease
from nas.latency.instrument import Instrument
from nas.latency.levels import DECIDE

BATCHES = (32, 48)
HOLDERS = (0.10, 0.13, 0.17)
"""Seconds of a batch of each of three overlapping shared holders."""

TRIES = 30
NETWORKS = 8


def training(number: int | None = None) -> Iterator[dict[str, Any]]:
    """Networks measured idle, and beside two training processes."""
    while True:
        idle = fresh(_measured, number or NETWORKS)
        with beside(train, *((batch,) for batch in BATCHES)):
            trained = fresh(_measured, number or NETWORKS)
        yield {"idle": idle, "beside": trained}


def _measured(number: int) -> dict[str, Any]:
    wanted = networks(number)
    with Instrument(here(), reference=reference(), level=DECIDE) as instrument:
        found = instrument.measure_many(list(wanted.values()))
    return {name: short(one) for name, one in zip(wanted, found, strict=True)}


def waiting(number: int | None = None) -> Iterator[dict[str, Any]]:
    """Seconds until an exclusive waiter gets in past three holders that always overlap."""
    while True:
        waited = []
        with beside(hold, *((seconds,) for seconds in HOLDERS)):
            for _ in range(number or TRIES):
                with lease.exclusive("benchmark") as seconds:
                    waited.append(seconds)
                time.sleep(2 * max(HOLDERS))
        yield {"waited": waited, "batch": max(HOLDERS)}


def hold(seconds: float) -> None:
    """Batch after batch under a shared lease, without a pause."""
    while True:
        with lease.shared("benchmark"):
            time.sleep(seconds)
