"""A stored study run to the end of its budget: listeners, reference, loop, finalists."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from nas.certification import certify_best
from nas.composition import UNMEASURED_MS, Parts
from nas.device import Device
from nas.errors import StudyError
from nas.evaluation.rungs import mean_share
from nas.events import Counts, Listener
from nas.examining import make_examiner
from nas.execution import StoppedError
from nas.finalists import finalists
from nas.identity import info_of
from nas.imported import Imported, answering, read_imported
from nas.outcome import Outcome
from nas.reference import examined_reference
from nas.report.conclusion import concluded
from nas.result import SearchResult
from nas.screening import Screen, screen_of
from nas.status import counted
from nas.study.best import BestKeeper
from nas.study.budget import Budget, Stopped
from nas.study.candidates import Examiner
from nas.study.drivers import CONCLUDES
from nas.study.foreknown import COUNTED, known_of
from nas.study.ladder import Ladder
from nas.study.log import EventLog
from nas.study.loop import StudyLoop
from nas.study.proposals import Proposer
from nas.study.signals import StopSignals
from nas.study.storage import StudyStorage
from nas.workers import Workers

if TYPE_CHECKING:
    from pathlib import Path

    from nas.tracking import MlflowMirror


def run(
    parts: Parts,
    storage: StudyStorage,
    *,
    command: str,
    workers: Workers,
    listeners: Sequence[Listener],
    signals: StopSignals,
    began: float,
) -> SearchResult:
    """Run a stored study to the end of its budget and say what it found."""
    with ExitStack() as stack:
        log = EventLog(storage.path / "log.jsonl")
        stack.callback(log.close)
        mirror = _mirror(parts, storage)
        told: list[Listener] = [log, *([mirror] if mirror else []), *listeners]
        past = storage.records()
        info = info_of(parts, storage, command=command, resumed=bool(past))
        _tell_all(told, lambda one: one.started(info, past))
        if parts.facts.kept:
            log.note(f"images of {parts.facts.name}: {parts.facts.kept}")
        imported = read_imported(storage.path)
        if imported and not past:
            _tell_all(told, lambda one: one.note(imported.note))
        stopped = Stopped("error", "", Counts())
        uncertified: tuple[str, ...] = ()
        try:
            stopped, uncertified = _search(
                parts, storage, stack, workers, told, signals.stop, imported
            )
        except StoppedError:
            stopped = Stopped("signal", "stopped by a signal", _counts(storage))
        except BaseException as error:
            stopped = Stopped("error", str(error) or type(error).__name__, _counts(storage))
            raise
        finally:
            _tell_all(
                told, lambda one: one.stopped(stopped.reason, stopped.message, stopped.counts)
            )
        # Of several drivers one looks at test images and writes the report.
        left = stopped.reason == "signal" or not storage.take(CONCLUDES)
        if left and stopped.reason != "signal":
            _tell_all(told, lambda one: one.note("another driver of this study ends it"))
        if parts.settings.execution.name == "dask":
            # Weights are here; a worker may not see them.
            limit = parts.settings.execution.timeout
            workers = stack.enter_context(closing(Workers(timeout=limit, stop=signals.stop)))
        found = finalists(
            parts,
            storage,
            stopped,
            worker=None if left or parts.table else workers,
            signals=signals,
            told=lambda message: _tell_all(listeners, lambda one: one.note(message)),
        )
        page: Path | None = None
        problems: tuple[str, ...] = ()
        if found.signal is None and not left:
            page, problems = concluded(storage, found, written=parts.settings.study.report)
        if mirror and found.signal is None and not left:
            mirror.conclude(found.winners, found.reference, broken=found.broken, report=page)
        told_problems = (*log.problems, *(mirror.problems if mirror else ()), *problems)
        return replace(
            found,
            problems=(*uncertified, *found.problems, *told_problems),
            report=str(page or ""),
            seconds=time.perf_counter() - began,
        )


def _search(
    parts: Parts,
    storage: StudyStorage,
    stack: ExitStack,
    workers: Workers,
    listeners: Sequence[Listener],
    stop: Callable[[], bool],
    imported: Imported | None,
) -> tuple[Stopped, tuple[str, ...]]:
    """Reference, candidates, certificates; why it ended, and what went wrong after that.

    Raises:
        StoppedError: a signal came outside the loop of candidates.
    """
    tell = partial(_tell_all, listeners)
    checkpoints = storage.path / "checkpoints"
    checkpoints.mkdir(exist_ok=True)
    device = Device(parts, storage, stack, tell, stop)
    screen = screen_of(parts, device.instrument)
    ladder = _ladder(parts, storage)
    examiner = make_examiner(
        parts,
        device.instrument,
        workers,
        checkpoints,
        ladder=ladder,
        measure=screen.measure if screen else None,
    )
    if imported:
        examiner = answering(examiner, imported, ladder)
        parts = replace(parts, start=imported.first(parts.start))
    examiner = replace(examiner, idle=lambda: device.waited)
    reference = examined_reference(parts, storage, examiner, tell, stop)
    if device.instrument and reference and reference.evaluation:
        # Whether a candidate may be trained shall not cost more than to train it.
        share = mean_share(parts.settings.evaluation)
        device.instrument.most_seconds = share * reference.evaluation.seconds
    first = len(imported.genes) if imported else 0
    loop, budget = _loop(
        parts, storage, examiner, reference, listeners, stop, workers, first, screen
    )
    device.meanwhile = loop.meanwhile
    stopped = loop.run(budget)
    if screen:
        report = screen.report()
        tell(lambda one: one.note(report))
    if stopped.reason == "signal" or not storage.take(CONCLUDES):
        return stopped, ()
    return stopped, certify_best(parts, storage, device, tell)


def _counts(storage: StudyStorage) -> Counts:
    """What a study that broke off has; nothing is known where it cannot even be read."""
    try:
        return counted(storage.records())
    except StudyError:
        return Counts()


def _loop(
    parts: Parts,
    storage: StudyStorage,
    examiner: Examiner,
    reference: Outcome | None,
    listeners: Sequence[Listener],
    stop: Callable[[], bool],
    workers: Workers,
    first: int,
    screen: Screen | None,
) -> tuple[StudyLoop, Budget]:
    """The loop of candidates and its budget."""
    settings = parts.settings
    keeper = BestKeeper(
        objective=parts.objective,
        images=parts.facts.validation_images,
        folder=storage.path / "checkpoints",
        reference=reference.architecture.fingerprint if reference else "",
        told=lambda numbers: storage.set("nas.best", numbers),
    )
    keeper.take(storage.records())
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
            known=known_of(
                parts.space,
                examiner.count,
                parts.objective,
                most=None if parts.table else COUNTED,
                over=screen.over if screen else None,
            ),
        ),
        examiner,
        chance=parts.facts.chance,
        unmeasured_ms=2 * measured.ms if measured else UNMEASURED_MS,
        reference=reference,
        listeners=listeners,
        finished=keeper.add,
        stop=stop,
        executor=workers,
        workers=workers.number,
        ahead=workers.ahead,
    )
    trials = settings.study.trials
    hours = settings.study.hours
    return loop, Budget(
        trials=trials,
        max_proposals=settings.study.max_proposals or 20 * trials + first,
        seconds=None if hours is None else 3600 * hours,
        first=first,
    )


def _ladder(parts: Parts, storage: StudyStorage) -> Ladder | None:
    evaluation = parts.settings.evaluation
    if evaluation.name != "rungs":
        return None
    epochs = parts.settings.training.epochs
    return Ladder(
        storage,
        objective=parts.objective,
        settings=evaluation,
        epochs=epochs,
        chance=parts.facts.guess(parts.settings.objective.metric),
        images=parts.facts.validation_images,
    )


def _tell_all(listeners: Sequence[Listener], say: Callable[[Listener], None]) -> None:
    """Tell every listener, also those behind one that breaks its promise not to raise."""
    with ExitStack() as stack:
        for listener in reversed(listeners):
            stack.callback(say, listener)


def _mirror(parts: Parts, storage: StudyStorage) -> MlflowMirror | None:
    if not parts.settings.tracking.enabled:
        return None
    from nas.tracking import MlflowMirror

    return MlflowMirror(parts.settings.tracking.uri, runs=storage.path.parent, study=storage.name)
