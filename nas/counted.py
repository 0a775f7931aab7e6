"""What the networks of a space and the published ones cost, counted once and kept."""

from __future__ import annotations

import hashlib
import json
import os
import random
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nas
from nas.costs import count, count_module
from nas.errors import StudyError
from nas.outcome import Costs
from nas.space import SearchSpace
from nas.study.folder import check_folder
from search_spaces.published import PUBLISHED, catalogue, published

DRAWS = 1000
SEED = 0

KEPT = "counted"
"""The folder in the folder of runs; what is in it can be deleted at any time."""

Report = Callable[[int, int], None]
"""Is told how many of how many were counted."""


@dataclass(frozen=True)
class Range:
    """What uniform draws from a space need: the least, the median and the most."""

    least: int
    median: int
    most: int


@dataclass(frozen=True)
class Ranges:
    """The ranges over `draws` uniform draws."""

    draws: int
    multiply_adds: Range
    parameters: Range


def ranges(space: SearchSpace, *, folder: Path, report: Report) -> Ranges:
    """The range of multiply-adds and parameters over 1,000 draws, from the cache if it is there.

    Raises:
        StudyError: the folder of runs cannot be written.
    """
    rng = random.Random(SEED)
    drawn = [space.decode(space.sample(rng)) for _ in range(DRAWS)]
    # The space's fingerprint covers its genes; the networks, what they decode to today.
    key = _key(space.fingerprint, [architecture.fingerprint for architecture in drawn])

    def make() -> dict[str, Any]:
        costs = []
        for number, architecture in enumerate(drawn):
            report(number, DRAWS)
            costs.append(count(architecture))
        return {
            "space": space.name,
            "multiply_adds": _range([one.multiply_adds for one in costs]),
            "parameters": _range([one.parameters for one in costs]),
        }

    value = _kept(folder, key, make)
    return Ranges(DRAWS, Range(*value["multiply_adds"]), Range(*value["parameters"]))


def _range(values: list[int]) -> list[int]:
    return [min(values), round(statistics.median(values)), max(values)]


def costs_of_published(
    *, input: tuple[int, int, int], classes: int, folder: Path, report: Report
) -> dict[str, Costs]:
    """What each published network that can be built costs on these images; kept in the folder.

    Raises:
        SpaceError: the images are too small for one of them.
        StudyError: the folder of runs cannot be written.
    """
    networks = {name: published(name, input=input, classes=classes) for name in PUBLISHED}
    plain = {one.name: one for one in catalogue() if one.reference}
    prints = {name: one.fingerprint for name, one in networks.items()}
    key = _key("published", prints, sorted(plain), input, classes)

    def make() -> dict[str, Any]:
        found = {}
        for number, (name, architecture) in enumerate(networks.items()):
            report(number, len(networks) + len(plain))
            found[name] = count(architecture).to_json()
        for number, (name, one) in enumerate(plain.items(), start=len(networks)):
            report(number, len(networks) + len(plain))
            module = one.module(input=input, classes=classes)
            found[name] = count_module(module, input).to_json()
        return found

    return {name: Costs.from_json(value) for name, value in _kept(folder, key, make).items()}


def _key(*parts: object) -> str:
    text = json.dumps([nas.__version__, *parts])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _kept(folder: Path, key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The value kept under this key, made and kept if it is not there."""
    path = folder / KEPT / f"{key}.json"
    if path.is_file():
        value: dict[str, Any] = json.loads(path.read_text())
        return value
    check_folder(folder)
    value = make()
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(value))
        beside.replace(path)
    except OSError as error:
        raise StudyError(
            f"folder {folder}: must be a folder that can be written; got {error.strerror}; "
            "allowed: another study.folder, or room on the disk"
        ) from error
    return value
