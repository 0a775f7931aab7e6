"""What else the machine does while something is measured."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

CONDITIONS = ("as-found", "other-core", "same-core")
SPAWN = multiprocessing.get_context("spawn")
SETTLE = 3.0


def measuring_core() -> int:
    """The core to which the instrument pins its processes."""
    return max(os.sched_getaffinity(0))


def fresh(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function gives in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=SPAWN) as pool:
        return pool.submit(function, *arguments).result()


@contextmanager
def beside(work: Callable[..., None], *arguments: tuple[Any, ...]) -> Iterator[None]:
    """Processes, one for each tuple of arguments, that run until the end of the block."""
    processes = [SPAWN.Process(target=work, args=one, daemon=True) for one in arguments]
    for process in processes:
        process.start()
    try:
        if processes:
            time.sleep(SETTLE)
        yield
        assert all(process.is_alive() for process in processes), "the load ended by itself"
    finally:
        for process in processes:
            process.terminate()
            process.join()


def multiply(core: int) -> None:
    """Matrix products on one core, as long as who asked for them lives."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    os.sched_setaffinity(0, [core])
    a = np.random.default_rng(0).standard_normal((512, 512)).astype(np.float32)
    parent = os.getppid()
    with threadpool_limits(1):
        while os.getppid() == parent:
            a @ a


def condition(name: str) -> Any:
    """The load of a condition, as a block to measure in."""
    core = measuring_core()
    if name == "as-found":
        return beside(multiply)
    other = min(os.sched_getaffinity(0))
    assert other != core, "needs two cores"
    return beside(multiply, (core if name == "same-core" else other,))


def train(batch: int) -> None:
    """Training steps without an end, each under a shared lease, as `nas.training.loop` takes it."""
    import torch
    from torch.nn.functional import cross_entropy

    from nas import build, published
    from nas.latency import lease

    torch.set_num_threads(1)
    torch.manual_seed(batch)
    model = build(published("shufflenet_v2_x0_5", input=(3, 64, 64), classes=10)).train()
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    images, labels = torch.randn(batch, 3, 64, 64), torch.randint(10, (batch,))
    parent = os.getppid()
    while os.getppid() == parent:
        with lease.shared("cpu"):
            optimiser.zero_grad()
            cross_entropy(model(images), labels).backward()
            optimiser.step()
