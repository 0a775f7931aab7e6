"""Weights of a network as a safetensors file: never a pickle, which could run code when read."""

from __future__ import annotations

import os
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from nas.architecture import Architecture
from nas.errors import DataError, StudyError
from nas.network import build

FINGERPRINT = "fingerprint"


def save(module: nn.Module, path: Path, *, architecture: Architecture) -> None:
    """Write the module's weights; a file of that name is replaced whole or stays as it was.

    Raises:
        StudyError: the file cannot be written.
    """
    tensors = {
        name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()
    }
    # One name a process: two that write the same file end with one of the two, never a mixture.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            save_file(tensors, unfinished, metadata={FINGERPRINT: architecture.fingerprint})
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except (OSError, SafetensorError) as error:
        raise StudyError(
            f"weights: must be written to {path}; {error}; allowed: a folder that can be written "
            "to, on a disk with room"
        ) from error


def load(architecture: Architecture, path: Path) -> nn.Module:
    """The module of an architecture with the weights of a file, in evaluation mode.

    Raises:
        DataError: the file is missing, damaged, or holds weights of another architecture.
    """
    if not path.is_file():
        raise DataError(f"weights: no such file; got {str(path)!r}; allowed: a .safetensors file")
    try:
        with safe_open(path, framework="pt") as file:
            found = (file.metadata() or {}).get(FINGERPRINT)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"weights: {path} cannot be read as safetensors, it is damaged or something else; "
            f"{error}"
        ) from error
    if found != architecture.fingerprint:
        raise DataError(
            f"weights: {path} must be of the architecture asked for; got weights of "
            f"{found or 'an unnamed one'}; allowed: of {architecture.fingerprint}, that is "
            f"{architecture.text}"
        )
    module = build(architecture)
    module.load_state_dict(tensors)
    return module.eval()
