"""What exactly is measured, where: the key of every measured number."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import PurePath
from typing import Any

from nas.errors import TargetError
from nas.latency.runtimes import require, runtime_of
from nas.latency.worker import processor
from nas.settings import TargetSettings


@dataclass(frozen=True)
class Reach:
    """How the device is reached; no part of what is measured.

    `kind` is local, ssh (`host`, further `options` of ssh, the device's `python`), command (the
    user's program and its arguments, and the seconds one call of it may take) or dask (the address
    of a `scheduler`; once it is known, the `machine` that its worker must be).
    """

    kind: str = "local"
    host: str = ""
    options: tuple[str, ...] = ()
    python: str = "python3"
    command: tuple[str, ...] = ()
    timeout: float | None = None
    scheduler: str = ""
    machine: str = ""

    @property
    def name(self) -> str:
        """local, ssh:HOST, command:PROGRAM or dask, without what only says how to get in."""
        if self.kind == "ssh":
            return f"ssh:{_word(self.host.rpartition('@')[2])}"
        if self.kind == "command":
            # The last word that is a file's name tells programs of one interpreter apart.
            named = [PurePath(word).name for word in self.command if not word.startswith("-")]
            return f"command:{_word(named[-1] if named else self.command[0])}"
        return self.kind


@dataclass(frozen=True)
class Target:
    """Where, under what and how a network runs. Numbers of two targets are never compared.

    `machine` names the processor (or the GPU) and its number of cores. The input size belongs to
    the network. Versions are not part of it: they are stored with each number.
    """

    where: str
    runtime: str
    device: str
    threads: int
    dtype: str
    memory_format: str
    batch_size: int
    folded: bool
    cuda_graphs: bool
    machine: str
    reach: Reach = field(default=Reach(), compare=False)

    @property
    def key(self) -> str:
        """The target as one word."""
        words = [
            self.where,
            self.machine,
            self.device,
            self.runtime,
            f"t{self.threads}",
            self.dtype,
            self.memory_format,
            f"b{self.batch_size}",
        ]
        words += ["folded"] * self.folded + ["graphs"] * self.cuda_graphs
        return "/".join(words)

    @property
    def clock(self) -> str:
        """The clock of ratios; milliseconds are wall clock whatever it is.

        CPU time of the thread leaves out what other processes took, but sees one thread only, and
        only where the runtime works in the thread that calls it.
        """
        if self.device.startswith("cuda"):
            return "cuda events"
        alone = self.threads == 1 and self.reach.kind != "command"
        return "thread CPU time" if alone and runtime_of(self.runtime).in_caller else "wall"

    @property
    def leased(self) -> bool:
        """Whether training on this machine would disturb it."""
        return self.reach.kind == "local"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, the key among them."""
        names = (
            "where", "runtime", "device", "threads", "dtype", "memory_format", "batch_size",
            "folded", "cuda_graphs", "machine", "key", "clock",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}


def machine_in(key: str) -> str:
    """The machine in a target's key; empty where that is no target's."""
    return key.partition("/")[2].partition("/")[0]


def target_of(settings: TargetSettings, *, machine: str = "") -> Target:
    """The target these settings mean: on this machine, or on a device that is asked what it is.

    Of several workers of a cluster it is one of this kind of `machine`, where that is given.

    Raises:
        TargetError: its runtime is absent or cannot do that, its device is absent or does not
            answer, or it has fewer cores than threads.
    """
    runtime = runtime_of(settings.runtime)
    for name, value, allowed in (
        ("device", settings.device, runtime.devices),
        ("memory_format", settings.memory_format, runtime.memory_formats),
    ):
        if value not in allowed:
            raise TargetError(
                f"target.{name}: must be one {runtime.name} has; got {value!r}; "
                f"allowed: {', '.join(allowed)}"
            )
    reach = Reach(
        settings.where,
        settings.host or "",
        tuple(settings.ssh_options),
        settings.python,
        tuple(settings.command),
        settings.timeout,
        settings.scheduler or "" if settings.where == "dask" else "",
        machine if settings.where == "dask" else "",
    )
    if reach.kind == "local":
        require(runtime)
        machine, number = machine_of(settings.device), cores()
    elif reach.kind == "dask":
        from nas.latency.dask_worker import seen

        machine, number = seen(reach, settings.device)
        reach = replace(reach, machine=machine)
    else:
        machine, number = _ask(reach)
    if settings.threads > number:
        raise TargetError(
            f"target.threads: must not be more than the cores; got {settings.threads}; "
            f"allowed: 1 to {number}"
        )
    return Target(
        where=reach.name,
        runtime=settings.runtime,
        device=settings.device,
        threads=settings.threads,
        dtype=settings.dtype,
        memory_format=settings.memory_format,
        batch_size=settings.batch_size,
        folded=settings.folded,
        cuda_graphs=settings.cuda_graphs,
        machine=machine,
        reach=reach,
    )


@lru_cache(maxsize=8)
def _ask(reach: Reach) -> tuple[str, int]:
    """The machine and the cores of a device elsewhere; asked once."""
    from nas.latency.process import WorkerLostError, start

    try:
        worker = start(reach, threads=1, device="cpu", pin=False)
    except WorkerLostError as error:
        raise TargetError(f"target {reach.name}: must answer; {error}") from error
    try:
        number = int(worker.facts.get("cores") or 1)
        return _machine(str(worker.facts.get("processor") or "unknown"), number), number
    finally:
        worker.close()


def cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine_of(device: str) -> str:
    """This machine by its processor, or by its GPU where that is the device.

    Raises:
        TargetError: torch sees no GPU.
    """
    return gpu() if device == "cuda" else _machine(processor(), cores())


def gpu() -> str:
    """The name of the first GPU as one word.

    Raises:
        TargetError: torch sees none.
    """
    import torch

    if not torch.cuda.is_available():
        raise TargetError(
            "target.device: must be present; got 'cuda', and torch sees no CUDA device; "
            "allowed: cpu"
        )
    return _word(torch.cuda.get_device_name(0))


def _machine(name: str, number: int) -> str:
    return f"{_word(name)}-{number}c"


def _word(text: str) -> str:
    plain = re.sub(r"\((?:R|TM|tm)\)|\bCPU\b|@", " ", text)
    return re.sub(r"[^A-Za-z0-9._]+", "-", plain).strip("-")
