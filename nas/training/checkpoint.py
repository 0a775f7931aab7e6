"""A training that can go on where it was stopped: tensors as safetensors, the rest as JSON.

    state.json        which epoch ended, its results, which file holds the tensors; written last
    epoch-3.safetensors

A training that is killed while it writes leaves the earlier pair as it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from nas.errors import DataError, StudyError
from nas.outcome import EpochResult

FORMAT = 1
STATE = "state.json"


@dataclass(frozen=True, eq=False)
class Running:
    """Everything that changes while a network is trained."""

    module: nn.Module
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    average: dict[str, torch.Tensor] | None
    initial: dict[str, Any] = field(default_factory=dict)
    """What it was started from, as it is written down; nothing where weights were drawn."""
    scaler: torch.amp.GradScaler = field(
        default_factory=lambda: torch.amp.GradScaler("cpu", enabled=False)
    )
    """Keeps small gradients of float16 from vanishing; idle in other precisions."""
    parallel: nn.Module | None = None
    """The module as several processes call it together."""


def write(
    folder: Path, running: Running, results: list[EpochResult], *, identity: Mapping[str, Any]
) -> None:
    """Store a training behind the last of `results`; `identity` says which training it is.

    Raises:
        StudyError: the folder cannot be written; an earlier checkpoint stays.
    """
    name = f"epoch-{results[-1].epoch}.safetensors"
    state = {
        "format": FORMAT,
        "identity": dict(identity),
        "tensors": name,
        "results": [asdict(result) for result in results],
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f".unfinished.{os.getpid()}"
        try:
            save_file(_tensors(running), unfinished)
            unfinished.replace(folder / name)
            unfinished.write_text(json.dumps(state), encoding="utf-8")
            unfinished.replace(folder / STATE)
        finally:
            unfinished.unlink(missing_ok=True)
        for old in folder.glob("epoch-*.safetensors"):
            if old.name != name:
                old.unlink(missing_ok=True)
    except (OSError, SafetensorError) as error:
        raise StudyError(
            f"checkpoint: must be written to {folder}; {error}; allowed: a folder that can be "
            "written to, on a disk with room"
        ) from error


def read(folder: Path, running: Running, *, identity: Mapping[str, Any]) -> list[EpochResult]:
    """Bring `running` to where the checkpoint left off; the results so far, none without one.

    Raises:
        DataError: the checkpoint is damaged, or of another training.
    """
    path = folder / STATE
    if not path.exists():
        return []
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        format, found = state["format"], state["identity"]
        results = [EpochResult(**result) for result in state["results"]]
        tensors = load_file(folder / state["tensors"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise DataError(
            f"checkpoint: {folder} is damaged; got {type(error).__name__}: {error}; allowed: "
            "remove it to train from the start"
        ) from error
    wanted = {"format": FORMAT, **json.loads(json.dumps(dict(identity)))}
    for key, value in {"format": format, **found}.items():
        if wanted.get(key) != value:
            raise DataError(
                f"checkpoint: {folder} must be of the same training; got {key} {value!r}; allowed: "
                f"{wanted.get(key)!r}, or another folder"
            )
    try:
        _restore(running, tensors)
    except (KeyError, RuntimeError) as error:
        raise DataError(
            f"checkpoint: {folder} must hold this network; got {error}; allowed: remove it to "
            "train from the start"
        ) from error
    return results


def _tensors(running: Running) -> dict[str, torch.Tensor]:
    tensors = {f"module.{name}": value for name, value in running.module.state_dict().items()}
    for name, value in (running.average or {}).items():
        tensors[f"average.{name}"] = value
    for index, parameter in enumerate(_parameters(running.optimizer)):
        for key, value in running.optimizer.state[parameter].items():
            if isinstance(value, torch.Tensor):
                tensors[f"optimizer.{index}.{key}"] = value
    for key, value in running.scaler.state_dict().items():
        tensors[f"scaler.{key}"] = torch.tensor(float(value), dtype=torch.float64)
    tensors["random.generator"] = running.generator.get_state()
    tensors["random.global"] = torch.get_rng_state()
    if running.generator.device.type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}


def _parameters(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _restore(running: Running, tensors: Mapping[str, torch.Tensor]) -> None:
    current = running.module.state_dict()
    with torch.no_grad():
        for name, value in current.items():
            value.copy_(_fitting(tensors[f"module.{name}"], value, name))
        for name, value in (running.average or {}).items():
            value.copy_(_fitting(tensors[f"average.{name}"], value, name))
        for index, parameter in enumerate(_parameters(running.optimizer)):
            prefix = f"optimizer.{index}."
            for name in filter(lambda name: name.startswith(prefix), tensors):
                stored = tensors[name]
                # Laid out as the parameter is: the fused step walks both in one order.
                kept = torch.empty_like(parameter) if stored.ndim else stored.clone()
                if stored.ndim:
                    kept.copy_(_fitting(stored, parameter, name))
                running.optimizer.state[parameter][name.removeprefix(prefix)] = kept.to(
                    parameter.device
                )
    if running.scaler.is_enabled():
        kinds = {key: type(value) for key, value in running.scaler.state_dict().items()}
        running.scaler.load_state_dict(
            {key: kind(tensors[f"scaler.{key}"].item()) for key, kind in kinds.items()}
        )
    running.generator.set_state(tensors["random.generator"])
    torch.set_rng_state(tensors["random.global"])
    if "random.cuda" in tensors and running.generator.device.type == "cuda":
        torch.cuda.set_rng_state(tensors["random.cuda"])


def _fitting(stored: torch.Tensor, wanted: torch.Tensor, name: str) -> torch.Tensor:
    if stored.shape != wanted.shape:
        raise KeyError(f"{name} of shape {tuple(stored.shape)}, wanted {tuple(wanted.shape)}")
    return stored
