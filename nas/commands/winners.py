"""nas train: one network, a study's winner, or those a person marked, trained to the end."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.commands.words import DEFAULT_FOLDER, FOLDER, command, divided
from nas.errors import InputError, NasError

if TYPE_CHECKING:
    from nas.full_training import Task
    from nas.outcome import EpochResult
    from nas.tracking import TrainingRun
    from nas.trained import TrainedNetwork

FAILED = 1
SIGNALLED = 128


def only_network(verb: str, words: list[str]) -> tuple[str, Path, list[str]]:
    """The one network a verb is about, the folder of runs, and the overrides.

    Raises:
        InputError: none, or several.
    """
    names, folder, overrides = divided(words)
    if len(names) != 1:
        raise InputError(
            f"nas {verb}: takes one network; got {' and '.join(names) or 'none'}; allowed: "
            f"nas {verb} STUDY, nas {verb} STUDY:TRIAL, nas {verb} shufflenet_v2_x0_5"
        )
    return names[0], folder, overrides


def train(arguments: Namespace) -> int:
    """Train one network to the end, or all that were marked; where they are, what to type next."""
    from nas.terminal import console, show_json

    trained: list[dict[str, Any]] = []
    if arguments.tag is None:
        word, folder, overrides = only_network("train", arguments.overrides)
        status = _train(word, folder, overrides, arguments, trained)
        if trained and arguments.json:
            show_json(trained[0])
        return status
    words, folder, overrides = _marked(arguments.tag, arguments.overrides)
    say, failed = console(errors=True).print, 0
    for number, word in enumerate(words, 1):
        say(f"network {number} of {len(words)}: {word}", soft_wrap=True)
        try:
            status = _train(word, folder, overrides, arguments, trained)
        except NasError as error:
            # It leaves the others their chance.
            say(f"network {number} of {len(words)} failed: {error}", soft_wrap=True)
            failed = FAILED
            continue
        if status:
            return status
    if arguments.json:
        show_json(trained)
    return failed


def _marked(tag: str, given: list[str]) -> tuple[list[str], Path, list[str]]:
    """The networks that a person marked in the MLflow UI, the folder of runs, and the overrides.

    Raises:
        InputError: the tag is none, or a network is named too.
        TrackingError: no trial's run carries the tag.
    """
    from nas.tracking import trials_tagged
    from nas.trained import word_of

    key, equals, value = tag.partition("=")
    names, folder, overrides = divided(given)
    if not (key and equals and value):
        raise InputError(
            f"--tag: must be KEY=VALUE, as it was set in the MLflow UI; got {tag!r}; allowed: for "
            "example --tag pick=yes"
        )
    if names:
        raise InputError(
            f"nas train --tag: takes the runs that carry the tag; got {' and '.join(names)} "
            "besides; allowed: one of both"
        )
    uris = [one.partition("=")[2] for one in overrides if one.startswith("tracking.uri=")]
    uri = uris[-1] if uris else None
    runs = trials_tagged(key, value, runs=folder, uri=uri)
    return [word_of(run, folder, uri=uri) for run in runs], folder, overrides


def _train(
    word: str,
    folder: Path,
    overrides: list[str],
    arguments: Namespace,
    trained: list[dict[str, Any]],
) -> int:
    """Train one network; what came out goes into `trained`, and is shown unless as JSON."""
    from nas.full_training import plan, train_task
    from nas.study.signals import StopSignals
    from nas.terminal import console

    task = plan(
        word,
        overrides,
        folder=folder,
        config_dir=arguments.config_dir,
        weights=arguments.weights,
        processes=_processes(arguments.processes),
        command=arguments.command,
    )
    told = _Told(task, console(errors=arguments.json).print)
    with StopSignals() as signals:
        try:
            record, path = train_task(task, begun=told.begun, report=told.epoch, stop=signals.stop)
        except BaseException as error:
            stopped = signals.number is not None
            problems = told.ended(None, status="KILLED" if stopped else "FAILED")
            if not stopped or not isinstance(error, NasError):
                if told.epochs:
                    error.add_note(f"its epochs are kept; go on with: {arguments.command}")
                raise
            told.say(f"stopped by a signal; go on with: {arguments.command}")
            for problem in problems:
                told.say(f"beside the training: {problem}")
            return SIGNALLED + int(signals.number or 0)
        problems = told.ended(record, status="FINISHED")
    trained.append({**record.to_json(), "folder": str(path), "problems": problems})
    if not arguments.json:
        _show(record, path, folder, problems)
    return 0


def _processes(number: int) -> int:
    if number < 1:
        raise InputError(
            f"--processes: must be how many processes train together; got {number}; allowed from 1 "
            "on, one a GPU"
        )
    return number


class _Told:
    """Says how a training goes, here and in MLflow."""

    def __init__(self, task: Task, say: Callable[..., None]) -> None:
        self.epochs = 0
        self._task = task
        self._print = say
        self._record = task.record
        self._run: TrainingRun | None = None
        self._seconds = 0.0

    def say(self, line: str) -> None:
        self._print(line, soft_wrap=True)

    def begun(self, record: TrainedNetwork, path: Path) -> None:
        self._record = record
        for note in record.notes:
            self.say(note)
        if record.evaluation is not None:
            self.say(f"{record.name}: trained already, by the very same recipe")
            return
        resumed = (path / "checkpoint" / "state.json").exists()
        self.say(
            f"{record.name}: {record.source} on {record.data_name}, {record.training.epochs} "
            f"epochs{', goes on where it stopped' if resumed else ''}"
        )
        if self._task.settings.tracking.enabled:
            from nas.tracking import TrainingRun

            uri = self._task.settings.tracking.uri
            self._run = TrainingRun(uri, runs=self._task.folder, record=record)

    def epoch(self, result: EpochResult, of: int) -> None:
        from nas.tables import percent, span

        self.epochs += 1
        self._seconds += result.seconds
        left = self._seconds / self.epochs * (of - result.epoch)
        line = f"epoch {result.epoch} of {of}: {percent(result.accuracy)} validation, loss "
        line += f"{result.loss:.4f}"
        self.say(line + (f"; about {span(max(1, left))} left" if left else ""))
        if self._run is not None:
            self._run.epoch(result)

    def ended(self, record: TrainedNetwork | None, *, status: str) -> list[str]:
        """What went wrong with MLflow."""
        if self._run is None:
            return []
        self._run.ended(record or self._record, status=status)
        return self._run.problems


def _show(record: TrainedNetwork, path: Path, folder: Path, problems: list[str]) -> None:
    from nas.tables import facts, following, forms, percent, span
    from nas.terminal import show

    found = record.evaluation
    assert found is not None  # it came to its end
    start = found.conditions
    loaded = ""
    if "init" in start:
        loaded = f"{start['init']}: {', '.join(start['loaded']) or 'nothing'} taken"
        if start["left"]:
            loaded += f"; drawn anew: {', '.join(start['left'])}"
    tested = f"{percent(record.test_accuracy)} of {record.test_images} images"
    rows = [
        ("network", record.source),
        ("data", f"{record.data_name} ({record.data_hash})"),
        ("started from", loaded or "weights drawn at random"),
        ("validation", percent(found.accuracy)),
        ("test", tested),
        ("trained", f"{len(found.epochs)} epochs in {span(found.seconds)}, one seed"),
        ("weights", str(path / "model.safetensors")),
    ]
    show("", facts(rows), "", forms([(record.name, record.architecture.text)]))
    for problem in problems:
        show(f"beside the training: {problem}")
    to = str(Path("exported", record.name))
    deploy = (command("export", record.name, folder, "--to", to), "files to deploy, checked")
    show(following([deploy, (ui_of(folder), "its run in the MLflow UI")]))


def ui_of(folder: Path) -> str:
    """The command that shows everything in a folder of runs."""
    where = [f"{FOLDER}={folder}"] if str(folder) != DEFAULT_FOLDER else []
    return shlex.join(["nas", "ui", *where])
