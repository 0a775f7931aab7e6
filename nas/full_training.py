"""A network, or a study's winner, trained to the end: what `nas train` does."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.architecture import Architecture
from nas.errors import SettingsError, StudyError
from nas.execution import WorkerProcess
from nas.names import resolve
from nas.outcome import EpochResult
from nas.samplers import seed_of
from nas.settings import Settings
from nas.settings.compose import compose, override
from nas.study.folder import DriverLock, check_folder
from nas.trained import (
    CHECKPOINT,
    FOLDER,
    WEIGHTS,
    TrainedNetwork,
    place_for,
    read,
    settings_of,
    trial_of,
    write,
)

if TYPE_CHECKING:
    from nas.data import DataSet
    from nas.evaluation.to_end import Finished

Report = Callable[[EpochResult, int], None]
LONGER = 3
"""A winner is trained for so many times the epochs its search gave each candidate."""
OPTION = "full"
"""The option of `training` for a network that comes from no study."""


@dataclass(frozen=True)
class Task:
    """A network and the recipe it is to be trained by."""

    record: TrainedNetwork
    folder: Path
    settings: Settings
    stem: str


def plan(
    word: str,
    overrides: Sequence[str] = (),
    *,
    folder: str | Path = "runs",
    config_dir: Path | None = None,
    weights: Path | None = None,
    processes: int = 1,
    command: str = "",
) -> Task:
    """What `nas train WORD` is to do.

    A study's network is trained on the study's images by its recipe, but for three times as many
    epochs; any other by `training=full`. `overrides` change both. `weights` of the same network,
    its classifier perhaps excepted, are what it starts from.

    Raises:
        InputError: the word means no network, or a setting is wrong.
        DataError: images or weights are missing, damaged or of something else.
        StudyError: the study or its trial is not there.
    """
    from nas import data as images

    folder = Path(folder)
    study, trial = trial_of(word, folder)
    if study:
        settings = _of_study(study, overrides, folder, config_dir)
        word = f"{study}:{trial}"
    else:
        chosen = any(re.match(r"\+{0,2}training=", one) for one in overrides)
        lines = overrides if chosen else [f"training={OPTION}", *overrides]
        settings = compose(lines, config_dir=config_dir)
    loaded = images.load(settings.data)
    architecture, notes = _network(word, loaded, folder, other_classes=bool(study or weights))
    training = settings.training
    if weights is not None:
        if training.init is not None:
            raise SettingsError(
                f"nas train: starts from one file; got --weights {weights} and training.init="
                f"{training.init}; allowed: one of them"
            )
        from nas.weights import check_whole

        check_whole(architecture, weights)
        training = replace(training, init=str(weights))
    elif training.init is not None:
        from nas.weights import check_some

        check_some([architecture], Path(training.init))
    from nas.training import check_batch
    from nas.training import resolve as resolve_training

    resolve_training(training)  # a device that is not there is told at once
    check_batch(training, loaded)
    record = TrainedNetwork(
        name="",
        source=word,
        architecture=architecture,
        data=settings.data,
        training=training,
        processes=processes,
        seed=seed_of(settings.study.seed, architecture.fingerprint),
        data_name=loaded.name,
        data_hash=loaded.hash,
        study=study,
        trial=trial,
        command=command,
        notes=notes,
    )
    stem = f"{study}-{trial}" if study else f"{_stem(word, architecture)}-{loaded.name}"
    return Task(record, folder, settings, re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-."))


def _of_study(
    study: str, overrides: Sequence[str], folder: Path, config_dir: Path | None
) -> Settings:
    settings = settings_of(study, folder)
    longer = replace(settings.training, epochs=LONGER * settings.training.epochs)
    settings = replace(settings, training=longer)
    if settings.evaluation.name == "table":
        raise StudyError(
            f"study {study}: must have images to train on; got evaluation=table; allowed: a "
            "network by its text form, with data=..."
        )
    return override(settings, overrides, config_dir=config_dir) if overrides else settings


def _network(
    word: str, data: DataSet, folder: Path, *, other_classes: bool
) -> tuple[Architecture, tuple[str, ...]]:
    """The network a word names, for these images; with a head of other size where that may be."""
    from search_spaces.published import PUBLISHED

    if word in PUBLISHED:
        return resolve(word, input=data.input, classes=data.classes, folder=folder), ()
    found = resolve(word, folder=folder)
    notes = []
    if found.input[0] != data.input[0]:
        raise SettingsError(
            f"network {word}: must take the channels of the images; got {found.input[0]}; allowed: "
            f"{data.input[0]}, those of {data.name} (data.channels)"
        )
    if found.input != data.input:
        notes.append(
            f"images are resized from {_size(data.input)} to the network's {_size(found.input)}"
        )
    if found.classes != data.classes:
        if not other_classes:
            raise SettingsError(
                f"network {word}: must fit the data; got {found.classes} classes; allowed: "
                f"{data.classes}, those of {data.name}; --weights FILE replaces the head"
            )
        notes.append(f"the head for {found.classes} classes is replaced by one for {data.classes}")
        found = replace(found, classes=data.classes)
    return found, tuple(notes)


def _size(input: tuple[int, ...]) -> str:
    return "x".join(map(str, input[1:]))


def _stem(word: str, architecture: Architecture) -> str:
    if re.fullmatch(r"[A-Za-z0-9_]+", word):
        return word
    return Path(word).stem if word.endswith(".json") else architecture.fingerprint[:12]


def train_task(
    task: Task,
    *,
    begun: Callable[[TrainedNetwork, Path], None] = lambda *_: None,
    report: Report = lambda *_: None,
    stop: Callable[[], bool] = lambda: False,
) -> tuple[TrainedNetwork, Path]:
    """Do it, in a process of its own; one that was stopped goes on, one that ended is read.

    Raises:
        StoppedError: `stop()` became true; the last whole epoch is kept.
        CrashError: the process ended in the middle; the last whole epoch is kept.
        TrainingError, DataError, StudyError: see `nas.evaluation.to_end.train_to_end`.
    """
    check_folder(task.folder)
    path = place_for(task.record, task.folder, stem=task.stem)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(
            f"folder {task.folder / FOLDER}: must be writable; got {error.strerror}; allowed: "
            "study.folder=DIR"
        ) from error
    with ExitStack() as stack:
        lock = DriverLock(path)
        lock.acquire()
        stack.callback(lock.release)
        record = read(path) if (path / "trained.json").exists() else task.record
        record = replace(record, name=path.name, notes=task.record.notes)
        begun(record, path)
        if record.evaluation is not None and (path / WEIGHTS).exists():
            return record, path
        if not record.resolved:
            record = replace(record, resolved=_resolved(record))
        write(path, record)
        arguments = {
            "architecture": record.architecture,
            "data": record.data,
            "training": replace(record.training, **record.resolved),
            "seed": record.seed,
            "weights": path / WEIGHTS,
            "checkpoint": path / CHECKPOINT,
        }
        found = _trained(arguments, record.processes, report=report, stop=stop)
        record = replace(
            record,
            evaluation=found.evaluation,
            test_accuracy=found.test_accuracy,
            test_images=found.test_images,
        )
        write(path, record)
        return record, path


def _resolved(record: TrainedNetwork) -> dict[str, Any]:
    from nas.training import probed

    found = asdict(probed(record.training, record.architecture))
    return {name: v for name, v in found.items() if v != getattr(record.training, name)}


def _trained(
    arguments: dict[str, Any], processes: int, *, report: Report, stop: Callable[[], bool]
) -> Finished:
    """Train in so many processes; the first failure ends them all and is the one that is told."""
    from nas.evaluation.to_end import train_to_end
    from nas.training.group import Group

    failures: list[BaseException] = []

    def ends() -> bool:
        return stop() or bool(failures)

    def run(rank: int, store: Path) -> Finished | None:
        worker = WorkerProcess()
        try:
            with_group = {**arguments, "group": Group(rank, processes, store)}
            found: Finished = worker.run(
                train_to_end, with_group, report=report if rank == 0 else _silent, stop=ends
            )
        except BaseException as error:
            failures.append(error)
            return None
        finally:
            worker.close()
        return found

    with (
        tempfile.TemporaryDirectory(prefix="nas-") as meeting,
        ThreadPoolExecutor(processes) as pool,
    ):
        # A file that must not be there yet: the processes find one another by it.
        store = Path(meeting, "processes")
        futures = [pool.submit(run, rank, store) for rank in range(1, processes)]
        found = run(0, store)
        for future in futures:
            future.result()
    if failures:
        raise failures[0]
    assert found is not None  # else there is a failure
    return found


def _silent(*_: object) -> None:
    """The first process reports for all."""
