"""Wherever a network is named: one word to the network it means.

The ways, in the order they are tried: a trial of a study (`STUDY:17`) or its best network
(`STUDY`), the id of its run in MLflow, a published name, a JSON file, `file.py:Name` or
`module:function`, the text form. A word that means several networks is refused.
"""

from __future__ import annotations

import difflib
import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.architecture import Architecture
from nas.errors import ArchitectureError, InputError, StudyError, nearest
from nas.user_file import load
from search_spaces.published import PUBLISHED, catalogue, published

Size = tuple[int, int, int]

WAYS = (
    "STUDY or STUDY:TRIAL, an MLflow run id, a published name (nas networks lists them), "
    "FILE.json, file.py:Name or module:function, or the text form "
    "in...+stem...+UNITS+head...+out..."
)
_BESIDE = {one.name: one for one in catalogue() if one.name not in PUBLISHED}
"""Networks that the papers name and that have no architecture."""

_OBJECT = re.compile(r"(?P<module>.+\.py|[A-Za-z_]\w*(\.[A-Za-z_]\w*)*):(?P<name>[A-Za-z_]\w*)")
_TRIAL = re.compile(r"(?P<study>[^:]+?)(:(?P<trial>\d+))?")
RUN = re.compile(r"[0-9a-f]{32}")
"""The id of a run in MLflow."""

_TEXT = re.compile(r"in\d+x\d+x\d+\+.*")


@dataclass(frozen=True)
class _Way:
    """One thing a word can mean, and how to get it."""

    what: str
    find: Callable[[], object]


def resolve(
    name: str,
    *,
    input: Size | None = None,
    classes: int | None = None,
    folder: str | Path = "runs",
) -> Architecture:
    """The architecture a word means.

    A published network is made for `input` and `classes` (224x224 and 1,000 where they are not
    given); any other network has its own, which have to agree with those given.

    Raises:
        ArchitectureError: the word means nothing, two things, no architecture, or a network for
            other images or classes.
        StudyError: the study or its trial is not there or cannot be read.
    """
    found = locate(name, input=input, classes=classes, folder=folder)
    if not isinstance(found, Architecture):
        raise ArchitectureError(
            f"network {name}: must be an Architecture here; got {_kind(found)}; allowed: {WAYS}"
        )
    for what, has, wanted in (
        ("images of", found.input, input),
        ("classes:", found.classes, classes),
    ):
        if wanted is not None and has != wanted:
            raise ArchitectureError(
                f"network {name}: must fit the data; got a network for {what} {has}; allowed: "
                f"{wanted}, or a published name, which fits any"
            )
    return found


def locate(
    name: str,
    *,
    input: Size | None = None,
    classes: int | None = None,
    folder: str | Path = "runs",
) -> object:
    """What a word means: an Architecture, or whatever a user's own function gives.

    Raises:
        InputError: the word means nothing or two things.
        StudyError: the study or its trial is not there or cannot be read.
    """
    ways = list(_ways(name, input=input, classes=classes, folder=Path(folder)))
    if not ways:
        near = _closest(name, Path(folder))
        gone = ", and there is no such file" if name.endswith(".json") else ""
        raise ArchitectureError(
            f"network: must be named in a known way; got {name!r}{gone}; allowed: {near}{WAYS}"
        )
    if len(ways) > 1:
        raise ArchitectureError(
            f"network: a name must mean one thing; got {name!r}, which is "
            f"{' and '.join(way.what for way in ways)}; allowed: STUDY:TRIAL for a trial, "
            "./FILE.json for a file"
        )
    return ways[0].find()


def _ways(name: str, *, input: Size | None, classes: int | None, folder: Path) -> Iterator[_Way]:
    if (found := _TRIAL.fullmatch(name)) and _is_study(folder / found["study"]):
        trial = None if found["trial"] is None else int(found["trial"])
        study = folder / found["study"]
        yield _Way(f"a study in {folder}", lambda: _of_study(study, trial))
    if RUN.fullmatch(name):
        yield _Way("the id of a run in MLflow", lambda: _of_run(name, folder))
    if name in PUBLISHED:
        size, outputs = input or (3, 224, 224), 1000 if classes is None else classes
        yield _Way("a published name", lambda: published(name, input=size, classes=outputs))
    elif (one := _BESIDE.get(name)) is not None:
        size, outputs = input or (3, 224, 224), 1000 if classes is None else classes
        # A reference such as AlexNet is a plain module; the others say why they cannot be built.
        make = one.module if one.reference else one.architecture
        yield _Way("a published name", lambda: make(input=size, classes=outputs))
    if name.endswith(".json") and Path(name).is_file():
        yield _Way("a JSON file", lambda: _of_file(Path(name)))
    if _OBJECT.fullmatch(name):
        yield _Way("an object in a Python file or module", lambda: _given_by(load_object(name)))
    if _TEXT.fullmatch(name):
        yield _Way("a text form", lambda: Architecture.from_text(name))


def _closest(name: str, folder: Path) -> str:
    """The names that a mistyped one is near to, as the start of a list."""
    from nas.study.folder import studies

    word = name.partition(":")[0]
    near = difflib.get_close_matches(word, [*studies(folder), *PUBLISHED], n=3, cutoff=0.6)
    return "".join(f"{one}, " for one in near) + ("or " if near else "")


def _is_study(path: Path) -> bool:
    from nas.study.folder import is_study

    return is_study(path)


def _of_run(run: str, folder: Path) -> Architecture:
    """The network of a trial, by the run that mirrors it in the folder's store."""
    from nas.tracking import trial_of

    return trial_of(run, runs=folder).architecture


def _of_study(path: Path, trial: int | None) -> Architecture:
    """The network of one trial, or of the best one."""
    if trial is None:
        from nas.status import status

        best = status(path.parent, path.name)[0].best
        if best is None:
            raise StudyError(
                f"study {path.name}: has no winner; got no evaluated network that keeps the "
                f"limits; allowed: {path.name}:TRIAL"
            )
        return best.architecture
    from nas.study.storage import StudyStorage

    storage = StudyStorage.open(path)
    try:
        records = {record.number: record for record in storage.records()}
    finally:
        storage.close()
    if trial not in records:
        raise StudyError(
            f"study {path.name}: has no such trial; got {trial}; allowed: "
            f"{f'0 to {max(records)}' if records else 'none, it has no trials yet'}"
        )
    return records[trial].architecture


def _of_file(path: Path) -> Architecture:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArchitectureError(
            f"{path}: must be an architecture's JSON; got {error}; allowed: what "
            "Architecture.to_json gives"
        ) from error
    try:
        return Architecture.from_json(value)
    except ArchitectureError as error:
        raise ArchitectureError(f"{path}, {error}") from error


def _given_by(found: object) -> object:
    """The value itself, or what a function without arguments gives."""
    if isinstance(found, Architecture) or not callable(found):
        return found
    try:
        return found()
    except Exception as error:  # the user's own function may raise anything
        raise InputError(
            f"{getattr(found, '__qualname__', found)}: must give a network when called without "
            f"arguments; got {type(error).__name__}: {error}; allowed: a function of yours that "
            "returns an Architecture or a torch module"
        ) from error


def _kind(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def load_object(source: str) -> Any:
    """What `file.py:Name` or `module:name` names.

    Raises:
        InputError: no such file, module or name, or the file raises.
    """
    match = _OBJECT.fullmatch(source)
    if match is None:
        raise InputError(
            f"source: must name an object in a file or module; got {source!r}; allowed: "
            "path/to/file.py:Name or package.module:Name"
        )
    if match["module"].endswith(".py"):
        return load(source)
    try:
        with _current_folder_on_path():
            module = importlib.import_module(match["module"])
    except Exception as error:  # a user's module may raise anything
        raise InputError(
            f"source {source}: must be importable; got {type(error).__name__}: {error}; allowed: "
            "a module that Python imports without an error"
        ) from error
    if not hasattr(module, match["name"]):
        public = [name for name in vars(module) if not name.startswith("_")]
        raise InputError(
            f"source {source}: has no such name; got {match['name']!r}; "
            f"allowed: {nearest(match['name'], public) or 'none'}"
        )
    return getattr(module, match["name"])


@contextmanager
def _current_folder_on_path() -> Iterator[None]:
    """A console command does not look for modules in the current folder, `python -m` does."""
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
