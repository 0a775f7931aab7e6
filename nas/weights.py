"""Weights of a network as a safetensors file: never a pickle, which could run code when read."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from nas.architecture import Architecture
from nas.errors import DataError, StudyError
from nas.network import build

FINGERPRINT = "fingerprint"
HEAD = "head.classifier."
"""What the tensors of the classifier are called, the only ones that depend on the classes."""
COUNTER = "num_batches_tracked"
"""What normalisation counts, and nothing hangs on; files of other tools may lack it."""


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


@dataclass(frozen=True)
class Initialised:
    """Names of the tensors that were taken from a file and of those left as they were drawn.

    Without any `loaded` the training is one from scratch.
    """

    loaded: tuple[str, ...]
    left: tuple[str, ...]

    @property
    def missing(self) -> list[str]:
        """What was left but for counters."""
        return [name for name in self.left if not name.endswith(COUNTER)]

    @property
    def parts_loaded(self) -> list[str]:
        """What was taken, for people: modules that were taken whole, else single tensors."""
        return _folded(self.loaded, self.left)

    @property
    def parts_left(self) -> list[str]:
        """What was left as it was drawn, in the same way."""
        return _folded(self.left, self.loaded)


def _folded(names: Sequence[str], others: Sequence[str]) -> list[str]:
    """Each name shortened to the largest module that holds none of the others.

    >>> _folded(["stem.conv.weight", "stem.norm.weight", "head.a"], ["head.b"])
    ['stem', 'head.a']
    """
    others = [name for name in others if not name.endswith(COUNTER)]
    mixed = {prefix for name in others for prefix in _prefixes(name)}
    found = [
        next((prefix for prefix in _prefixes(name) if prefix not in mixed), name)
        for name in names
        if not name.endswith(COUNTER)
    ]
    return list(dict.fromkeys(found))


def _prefixes(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: n + 1]) for n in range(len(parts))]


def initialise(module: nn.Module, path: Path) -> Initialised:
    """Give a module the weights of a file wherever name and shape match.

    The file is safetensors, or a `.pth` or `.pt` that is read without running code from it. The
    head for another number of classes, and units that differ, keep the weights they were drawn.

    Raises:
        DataError: the file is missing or damaged.
    """
    stored, current = _stored(path), module.state_dict()
    loaded = _matching(current, stored)
    with torch.no_grad():
        for name in loaded:
            current[name].copy_(stored[name])
    return Initialised(tuple(loaded), tuple(name for name in current if name not in set(loaded)))


def _stored(path: Path) -> dict[str, torch.Tensor]:
    return _read_torch(path) if path.suffix in (".pth", ".pt") else _read(path)[0]


def _matching(current: Mapping[str, torch.Tensor], stored: Mapping[str, torch.Tensor]) -> list[str]:
    """Names of equal shape; none where no convolution or matrix is among them, for normalisation
    fits any layer of its width and says nothing alone."""
    names = [n for n, value in current.items() if n in stored and stored[n].shape == value.shape]
    return names if any(current[name].ndim > 1 for name in names) else []


def check_some(networks: Sequence[Architecture], path: Path) -> None:
    """Raise unless a file holds weights that one of these networks can start from.

    Raises:
        DataError: the file is missing or damaged, or nothing in it matches any of them.
    """
    stored = _stored(path)
    for network in networks:
        current = build(network).state_dict()
        if _matching(current, stored):
            return
    raise DataError(
        f"training.init: {path} must hold weights of such networks; got "
        f"{', '.join(list(stored)[:3])}, of which none match; allowed: names and shapes like "
        f"{next(iter(current))}"
    )


def check_whole(architecture: Architecture, path: Path) -> None:
    """Raise unless a file holds all weights of an architecture, its classifier perhaps excepted.

    Raises:
        DataError: the file is missing, damaged, or of another architecture.
    """
    module = build(architecture)
    missing = [name for name in initialise(module, path).missing if not name.startswith(HEAD)]
    if missing:
        raise DataError(
            f"--weights: {path} must be of the network asked for, but for its classes; got "
            f"{len(missing)} tensors that are not in it or have another shape, such as "
            f"{missing[0]}; allowed: weights of {architecture.text}, or training.init={path} to "
            "take what matches"
        )


def _read_torch(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise DataError(f"weights: no such file; got {str(path)!r}; allowed: .safetensors or .pth")
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise DataError(
            f"weights: {path} cannot be read as plain tensors, it is damaged or holds code; got "
            f"{type(error).__name__}; allowed: torch.save(module.state_dict(), path)"
        ) from error
    if isinstance(value, dict) and isinstance(value.get("state_dict"), dict):
        value = value["state_dict"]
    if not isinstance(value, dict):
        raise DataError(
            f"weights: {path} must hold named tensors; got {type(value).__name__}; allowed: "
            "torch.save(module.state_dict(), path)"
        )
    tensors = {str(k): v for k, v in value.items() if isinstance(v, torch.Tensor)}
    # What torch.nn.DataParallel puts in front of every name.
    return {name.removeprefix("module."): value for name, value in tensors.items()}


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors and notes of a safetensors file."""
    if not path.is_file():
        raise DataError(f"weights: no such file; got {str(path)!r}; allowed: a .safetensors file")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"weights: {path} cannot be read as safetensors, it is damaged or something else; got "
            f"{error}; allowed: a whole .safetensors file"
        ) from error


def load(architecture: Architecture, path: Path) -> nn.Module:
    """The module of an architecture with the weights of a file, in evaluation mode.

    Raises:
        DataError: the file is missing, damaged, or holds weights of another architecture.
    """
    tensors, notes = _read(path)
    found = notes.get(FINGERPRINT)
    if found != architecture.fingerprint:
        raise DataError(
            f"weights: {path} must be of the architecture asked for; got weights of "
            f"{found or 'an unnamed one'}; allowed: of {architecture.fingerprint}, that is "
            f"{architecture.text}"
        )
    module = build(architecture)
    module.load_state_dict(tensors)
    return module.eval()
