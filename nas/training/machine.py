"""What of this machine a training uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from nas.errors import SettingsError
from nas.settings import TrainingSettings


def resolve(settings: TrainingSettings) -> TrainingSettings:
    """The settings with everything automatic replaced by what is used on this machine.

    Raises:
        SettingsError: the device is not there.
    """
    cuda = torch.cuda.is_available()
    if settings.device == "cuda" and not cuda:
        raise SettingsError(
            "training.device: must be there; got 'cuda', which this torch does not see; "
            "allowed: cpu, auto"
        )
    device = ("cuda" if cuda else "cpu") if settings.device == "auto" else settings.device
    # A second thread saves a tenth on small images, and threads that wait for one another by
    # spinning take forty times as long where somebody else uses the cores.
    return replace(
        settings,
        device=device,
        threads=settings.threads or 1,
        precision=_precision(device) if settings.precision == "auto" else settings.precision,
    )


def _precision(device: str) -> str:
    """bfloat16 where the device computes in it; on a CPU it took 1.4 to 1.7 times as long."""
    return "bfloat16" if device == "cuda" and torch.cuda.is_bf16_supported() else "float32"


def conditions(settings: TrainingSettings) -> dict[str, str | int]:
    """What is written down beside an accuracy."""
    return {
        "device": settings.device,
        "threads": settings.threads,
        "memory_format": settings.memory_format,
        "precision": settings.precision,
        "torch": torch.__version__,
    }


@contextmanager
def threads(number: int) -> Iterator[None]:
    """So many threads of torch in here, as many as before behind."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
