"""What exactly is measured, where: the key of every measured number."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from nas.errors import TargetError
from nas.latency.runtimes import require, runtime_of
from nas.settings import TargetSettings


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
    machine: str

    @property
    def key(self) -> str:
        """The target as one word."""
        return "/".join(
            (
                self.where,
                self.machine,
                self.device,
                self.runtime,
                f"t{self.threads}",
                self.dtype,
                self.memory_format,
                f"b{self.batch_size}",
            )
        )

    @property
    def clock(self) -> str:
        """The clock of ratios; milliseconds are wall clock whatever it is.

        CPU time of the thread leaves out what other processes took, but sees one thread only.
        """
        if self.device.startswith("cuda"):
            return "cuda events"
        return "thread CPU time" if self.threads == 1 else "wall"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, the key among them."""
        return {**asdict(self), "key": self.key}


def target_of(settings: TargetSettings) -> Target:
    """The target these settings mean on this machine.

    Raises:
        TargetError: its runtime is absent or cannot do that, its device is absent, or it has fewer
            cores than threads.
    """
    runtime = runtime_of(settings.runtime)
    require(runtime)
    for name, value, allowed in (
        ("device", settings.device, runtime.devices),
        ("memory_format", settings.memory_format, runtime.memory_formats),
    ):
        if value not in allowed:
            raise TargetError(
                f"target.{name}: must be one {runtime.name} has; got {value!r}; "
                f"allowed: {', '.join(allowed)}"
            )
    if settings.threads > cores():
        raise TargetError(
            f"target.threads: must not be more than the cores; got {settings.threads}; "
            f"allowed: 1 to {cores()}"
        )
    machine = gpu() if settings.device == "cuda" else processor()
    return Target(
        where=settings.where,
        runtime=settings.runtime,
        device=settings.device,
        threads=settings.threads,
        dtype=settings.dtype,
        memory_format=settings.memory_format,
        batch_size=settings.batch_size,
        machine=machine,
    )


def cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def processor() -> str:
    """The processor's name and the number of cores, as one word."""
    name = platform.processor() or platform.machine()
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""  # not Linux: what Python knows has to do
    found = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", text, re.MULTILINE)
    return f"{_word(found.group(1) if found else name)}-{os.cpu_count()}c"


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


def _word(text: str) -> str:
    plain = re.sub(r"\((?:R|TM|tm)\)|\bCPU\b|@", " ", text)
    return re.sub(r"[^A-Za-z0-9.]+", "-", plain).strip("-")
