"""What runs on a worker of a Dask cluster: a task of the driver, in a child process of its own.

The child may crash or hang without taking the worker along, and ends when nobody waits for it any
more. What the task reports comes back as events of the scheduler, in order and before its result.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import Any

from nas.execution import WorkerProcess
from nas.scheduler import facts, given_up, unfit

_IDLE: dict[tuple[object, ...], list[WorkerProcess]] = {}
"""Of a worker: the child processes that wait for a task, each driver's apart."""


def leave() -> None:
    """What a worker does when a driver leaves: idle processes end, also those of killed drivers.

    Another driver that shares the worker starts a new one with its next task.
    """
    for idle in _IDLE.values():
        while idle:
            idle.pop().close()


def work(
    task: Callable[..., Any],
    arguments: dict[str, Any],
    *,
    here: Mapping[str, str],
    topic: str,
    variables: Mapping[str, str],
    timeout: float | None,
) -> Any:
    """What a worker does: the task in a child process, which ends when nobody waits for it."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def tell(kind: str, value: Any) -> None:
        worker.log_event(topic, pickle.dumps((key, kind, value)))

    if here != facts():
        there = ", ".join(f"{what} {number}" for what, number in facts().items())
        raise unfit(worker.address, there, kept="what was found stays")
    tell("begun", worker.address)
    idle = _IDLE.setdefault((topic, tuple(variables.items()), timeout), [])
    try:
        process = idle.pop()
    except IndexError:
        process = WorkerProcess(variables=variables, timeout=timeout)
    try:
        return process.run(
            task, arguments, report=lambda *value: tell("report", value), stop=given_up
        )
    finally:
        idle.append(process)
