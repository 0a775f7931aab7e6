"""Several processes that train one network together, each on its part of every batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

TIMEOUT = timedelta(minutes=30)


@dataclass(frozen=True)
class Group:
    """This process is number `rank` of `processes`; they meet at the file `store`, a new one."""

    rank: int = 0
    processes: int = 1
    store: Path | None = None

    @property
    def first(self) -> bool:
        """Whether this process judges, reports and keeps checkpoints for all."""
        return self.rank == 0

    def part(self, batch: torch.Tensor) -> torch.Tensor:
        """This process's part of a batch; parts differ by one image at most."""
        return batch.tensor_split(self.processes)[self.rank]

    def seed(self, seed: int, epoch: int) -> int:
        """Another one for each process and epoch, so that nothing of it has to be kept."""
        return ((seed * 1_000_003 + epoch) * 1_009 + self.rank + 1) % 2**63


ALONE = Group()


@contextmanager
def joined(group: Group, device: str) -> Iterator[None]:
    """The processes know one another in here; NCCL on GPUs, one each, else gloo."""
    if group.processes == 1:
        yield
        return
    if device == "cuda":
        torch.cuda.set_device(group.rank)
    distributed.init_process_group(
        "nccl" if device == "cuda" else "gloo",
        init_method=f"file://{group.store}",
        rank=group.rank,
        world_size=group.processes,
        timeout=TIMEOUT,
    )
    try:
        yield
    finally:
        distributed.destroy_process_group()


def parallel(module: nn.Module, group: Group) -> nn.Module:
    """The module with gradients averaged over the processes; alone it is as it was.

    Statistics of batch normalisation are those of the first process, on its part of a batch.
    """
    return module if group.processes == 1 else DistributedDataParallel(module)


def summed(values: torch.Tensor, group: Group) -> torch.Tensor:
    """The sum over the processes."""
    if group.processes > 1:
        distributed.all_reduce(values)
    return values


def wait(group: Group) -> None:
    """Until all processes are here."""
    if group.processes > 1:
        distributed.barrier()
