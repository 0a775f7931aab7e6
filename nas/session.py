"""A study from its settings to its result: what `nas.search` and the verbs call."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from nas.composition import UNMEASURED_MS, Parts, compose_parts, make_examiner
from nas.errors import SettingsError, StudyError
from nas.events import Counts, Listener
from nas.execution import StoppedError, WorkerProcess
from nas.finalists import finalists
from nas.identity import check_same, facts_of, info_of
from nas.outcome import Outcome
from nas.result import SearchResult
from nas.settings import Settings
from nas.settings.compose import compose, override
from nas.settings.stored import changes_meaning, read, write
from nas.study.candidates import Examiner
from nas.study.folder import DriverLock, check_folder, next_name
from nas.study.log import EventLog
from nas.study.loop import Budget, Stopped, StudyLoop
from nas.study.proposals import Proposer
from nas.study.signals import StopSignals
from nas.study.storage import StudyStorage
from nas.study.weights import BestWeights

if TYPE_CHECKING:
    from nas.latency.instrument import Instrument
    from nas.tracking import MlflowMirror


def search(*overrides: str, config_dir: str | Path | None = None) -> SearchResult:
    """Search for the best network within the limits; what the command `nas search` does.

    `overrides` are those of the command: `nas.search("data=digits", "study.trials=5")`.

    Returns:
        The study's name and folder, counts, winners and the reference network.

    Raises:
        NasError: one message; whatever was found stays in the study's folder.
    """
    settings = compose(overrides, config_dir=Path(config_dir) if config_dir else None)
    return start(settings, command=f"nas.search({', '.join(map(repr, overrides))})")


def start(settings: Settings, *, command: str, listeners: Sequence[Listener] = ()) -> SearchResult:
    """Start a new study and run it to its end.

    Raises:
        NasError: see `search`.
    """
    began = time.perf_counter()
    folder = Path(settings.study.folder)
    check_folder(folder)
    name = settings.study.name
    if name is not None and (folder / name).exists():
        raise StudyError(
            f"study.name: a new study needs a new name; got {name!r}, which exists in {folder}; "
            f"allowed: another name, or nas resume {name}"
        )
    with StopSignals() as signals:
        parts = compose_parts(settings)
        space = settings.space.name if settings.space.source is None else parts.space.name
        name = name or next_name(folder, f"{parts.facts.name}-{space}")
        settings = replace(settings, study=replace(settings.study, name=name))
        parts = replace(parts, settings=settings)
        storage = StudyStorage.create(
            folder / name,
            parts.objective.directions,
            {**facts_of(parts), "nas.command": command, "nas.identity": uuid4().hex},
            fill=lambda made: write(settings, made / "settings.yaml"),
        )
        return _run(
            parts, storage, command=command, listeners=listeners, signals=signals, began=began
        )


def resume(
    study: str,
    overrides: Sequence[str] = (),
    *,
    folder: str | Path = "runs",
    command: str,
    listeners: Sequence[Listener] = (),
) -> SearchResult:
    """Go on with a study: unfinished trials first, then until its budget is used.

    `overrides` may change how long it goes on (`study.trials=40`), tracking and execution.

    Raises:
        StudyError: no such study, another process runs it, or it is damaged.
        SettingsError: an override changes what a trial means; the readable difference.
    """
    began = time.perf_counter()
    storage = StudyStorage.open(Path(folder) / study)
    old = read(storage.path / "settings.yaml")
    # Where the study lies is not what it was told: a folder may have been moved or renamed.
    old = replace(old, study=replace(old.study, name=study, folder=str(folder)))
    new = override(old, overrides) if overrides else old
    if changed := changes_meaning(old, new):
        raise SettingsError(
            f"nas resume {study}: a resume keeps what a trial means; got {'; '.join(changed)}; "
            "allowed: study.trials, study.max_proposals, study.hours, tracking, execution, or a "
            "new study"
        )
    with StopSignals() as signals:
        parts = compose_parts(new)
        check_same(storage, facts_of(parts))
        parts = replace(parts, resolved=storage.get("nas.resolved") or {})
        write(new, storage.path / "settings.yaml")
        return _run(
            parts, storage, command=command, listeners=listeners, signals=signals, began=began
        )


def _run(
    parts: Parts,
    storage: StudyStorage,
    *,
    command: str,
    listeners: Sequence[Listener],
    signals: StopSignals,
    began: float,
) -> SearchResult:
    """Run a stored study to the end of its budget and say what it found."""
    with ExitStack() as stack:
        stack.callback(storage.close)
        lock = DriverLock(storage.path)
        lock.acquire()
        stack.callback(lock.release)
        log = EventLog(storage.path / "log.jsonl")
        stack.callback(log.close)
        mirror = _mirror(parts, storage)
        told: list[Listener] = [log, *([mirror] if mirror else []), *listeners]
        past = storage.records()
        info = info_of(parts, storage, command=command, resumed=bool(past))
        for listener in told:
            listener.started(info, past)
        worker = WorkerProcess()
        stack.callback(worker.close)
        checkpoints = storage.path / "checkpoints"
        checkpoints.mkdir(exist_ok=True)
        stopped, reference = Stopped("error", "", Counts()), None
        try:
            instrument = instrument_of(parts, stack)
            examiner = make_examiner(parts, instrument, worker, checkpoints, stop=signals.stop)
            reference = _reference(parts, storage, examiner, told)
            stopped = _loop(parts, storage, examiner, reference, told, signals.stop)
        except StoppedError:
            stopped = Stopped("signal", "stopped by a signal", Counts())
        except BaseException as error:
            stopped = Stopped("error", str(error) or type(error).__name__, Counts())
            raise
        finally:
            for listener in told:
                listener.stopped(stopped.reason, stopped.message, stopped.counts)
        return finalists(
            parts,
            storage,
            stopped,
            reference=reference,
            worker=None if stopped.reason == "signal" or parts.table else worker,
            seconds=lambda: time.perf_counter() - began,
            signal=signals.number,
            problems=tuple(mirror.problems) if mirror else (),
        )


def _loop(
    parts: Parts,
    storage: StudyStorage,
    examiner: Examiner,
    reference: Outcome | None,
    listeners: Sequence[Listener],
    stop: Callable[[], bool],
) -> Stopped:
    settings = parts.settings
    keeper = BestWeights(storage.path / "checkpoints", reference=reference)
    for trial in storage.records():
        keeper.add(trial)
    measured = reference.latency if reference else None
    loop = StudyLoop(
        storage,
        parts.space,
        Proposer(
            parts.space.genes,
            parts.objective.directions,
            sampler=settings.sampler,
            seed=settings.study.seed,
            start=parts.start,
            past=storage.trials,
        ),
        examiner,
        chance=parts.facts.chance,
        unmeasured_ms=2 * measured.ms if measured else UNMEASURED_MS,
        reference=reference,
        listeners=listeners,
        finished=keeper.add,
        stop=stop,
    )
    trials = settings.study.trials
    hours = settings.study.hours
    return loop.run(
        Budget(
            trials=trials,
            max_proposals=settings.study.max_proposals or 20 * trials,
            seconds=None if hours is None else 3600 * hours,
        )
    )


def _reference(
    parts: Parts, storage: StudyStorage, examiner: Examiner, listeners: Sequence[Listener]
) -> Outcome | None:
    """The reference network, counted, measured and trained once per study."""
    if parts.reference is None:
        return None
    written = storage.get("nas.reference")
    if written is not None:
        outcome = Outcome.from_json(written)
    else:
        outcome = examiner.examine(
            parts.reference,
            {},
            enter=lambda stage: _tell_all(listeners, lambda one: one.stage(None, stage)),
            report=lambda result, of: _tell_all(listeners, lambda one: one.epoch(None, result, of)),
            refuse=False,
        )
        if outcome.kind == "failed":
            raise StudyError(
                f"the reference network {parts.settings.objective.reference}: must be measured and "
                f"trained before candidates; got {outcome.reason}; allowed: another "
                "objective.reference, or mend the cause"
            )
        storage.set("nas.reference", outcome.to_json())
    for listener in listeners:
        listener.reference_known(parts.settings.objective.reference, outcome)
    return outcome


def _tell_all(listeners: Sequence[Listener], say: Callable[[Listener], None]) -> None:
    for listener in listeners:
        say(listener)


def instrument_of(parts: Parts, stack: ExitStack) -> Instrument | None:
    """The instrument of this study's target, closed with `stack`; None where nothing is measured.

    Raises:
        TargetError: the target cannot be used.
    """
    if parts.table is not None or parts.yardstick is None:
        return None
    from nas.latency.instrument import Instrument
    from nas.latency.target import target_of

    target = target_of(parts.settings.target)
    return stack.enter_context(Instrument(target, reference=parts.yardstick))


def _mirror(parts: Parts, storage: StudyStorage) -> MlflowMirror | None:
    if not parts.settings.tracking.enabled:
        return None
    from nas.tracking import MlflowMirror

    return MlflowMirror(parts.settings.tracking.uri, runs=storage.path.parent, study=storage.name)
