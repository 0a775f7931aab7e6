"""What of this machine a training uses."""

from __future__ import annotations

import os
from dataclasses import replace

import torch

from nas.errors import SettingsError
from nas.settings import TrainingSettings

DEVICES = ("cpu", "cuda", "mps")


def resolve(settings: TrainingSettings) -> TrainingSettings:
    """The settings with everything automatic replaced by what is used on this machine.

    What only a trial can tell (`nas.training.probe`) is here what it mostly tells.

    Raises:
        SettingsError: the device is not there, or cannot do that.
    """
    device = settings.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if not _present(device):
        raise SettingsError(
            f"training.device: must be there; got {device!r}, which this torch does not see; "
            f"allowed: {', '.join(d for d in DEVICES if _present(d))}, auto"
        )
    if device == "mps" and settings.precision not in ("auto", "float32"):
        raise SettingsError(
            f"training.precision: device mps trains in float32 alone; got {settings.precision!r}; "
            "allowed: float32, auto"
        )
    memory_format = settings.memory_format
    if memory_format == "auto":
        memory_format = "contiguous" if device == "mps" else "channels_last"
    # A second thread saves a tenth on small images, and threads that wait for one another by
    # spinning take forty times as long where somebody else uses the cores.
    return replace(
        settings,
        device=device,
        threads=settings.threads or 1,
        memory_format=memory_format,
        precision=_precision(device) if settings.precision == "auto" else settings.precision,
    )


def _present(device: str) -> bool:
    if device == "cuda":
        return torch.cuda.is_available()
    return device == "cpu" or torch.backends.mps.is_available()


def _precision(device: str) -> str:
    """What the device computes fast in; on a CPU bfloat16 took 1.4 to 1.7 times as long."""
    if device != "cuda":
        return "float32"
    return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"


def conditions(settings: TrainingSettings) -> dict[str, str | int]:
    """What is written down beside an accuracy."""
    return {
        "device": settings.device,
        "threads": settings.threads,
        "memory_format": settings.memory_format,
        "precision": settings.precision,
        "torch": torch.__version__,
    }


def gpus() -> list[str]:
    """The GPUs this process sees, as CUDA_VISIBLE_DEVICES names each for a process of its own."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    number = torch.cuda.device_count()
    return (chosen.split(",") if chosen else [str(index) for index in range(number)])[:number]
