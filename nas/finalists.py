"""The end of a study: the best few, the reference network, and how they do on test images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nas.certification import winners_of
from nas.composition import Parts
from nas.errors import NasError
from nas.examining import weights_path
from nas.execution import StoppedError
from nas.outcome import Outcome
from nas.result import Finalist, SearchResult
from nas.settings import DataSettings
from nas.study.best import refuted
from nas.study.budget import Stopped
from nas.study.signals import StopSignals
from nas.study.storage import StudyStorage, certified
from nas.workers import Workers


def finalists(
    parts: Parts,
    storage: StudyStorage,
    stopped: Stopped,
    *,
    worker: Workers | None,
    signals: StopSignals,
) -> SearchResult:
    """What the study found, but for its time.

    Test images are seen here for the first time, if there is a `worker` to see them; a signal gives
    that up, and what fails on the way is a problem, not the end.
    """
    best, noise = winners_of(parts, storage)
    tested = _Tested(parts.settings.data, storage.path / "checkpoints", worker, signals.stop)
    winners = tuple(Finalist(f"trial {n}", n, o, tested.accuracy(o)) for n, o in best)
    broken = tuple(
        Finalist(f"trial {t.number}", t.number, t.outcome, None)
        for t in storage.records()
        if t.outcome is not None and refuted(t.outcome)
    )
    shown = _reference(parts, storage, tested)
    baseline = tested.baseline()
    return SearchResult(
        study=storage.name,
        folder=str(storage.path),
        counts=stopped.counts,
        reason=stopped.reason,
        message=stopped.message,
        winners=winners,
        reference=shown,
        baseline=baseline,
        noise=noise,
        seconds=0.0,
        signal=signals.number,
        broken=broken,
        problems=tuple(tested.problems),
    )


def _reference(parts: Parts, storage: StudyStorage, tested: _Tested) -> Finalist | None:
    written = storage.get("nas.reference")
    if written is None:
        return None
    outcome = certified(Outcome.from_json(written), storage.certificates())
    assert outcome is not None  # there is one
    return Finalist(parts.settings.objective.reference, None, outcome, tested.accuracy(outcome))


class _Tested:
    """Test accuracies, computed where the training was."""

    def __init__(
        self,
        data: DataSettings,
        checkpoints: Path,
        worker: Workers | None,
        stop: Callable[[], bool],
    ) -> None:
        self.problems: list[str] = []
        self._data = data
        self._checkpoints = checkpoints
        self._worker = worker
        self._stop = stop

    def accuracy(self, outcome: Outcome) -> float | None:
        weights = weights_path(self._checkpoints, outcome.architecture)
        if not weights.exists():
            return None
        arguments = {
            "architecture": outcome.architecture,
            "weights": weights,
            "data": self._data,
        }
        return self._run(_test, arguments)

    def baseline(self) -> float | None:
        return self._run(_baseline, {"data": self._data})

    def _run(self, task: Callable[..., float], arguments: dict[str, Any]) -> float | None:
        if self._worker is None or self._stop():
            return None
        try:
            return float(self._worker.run(task, arguments, stop=self._stop))
        except StoppedError:
            return None
        except NasError as error:
            self.problems.append(str(error))
            return None


def _test(*, report: Callable[..., None], **arguments: Any) -> float:
    from nas.evaluation.full import test_accuracy

    return test_accuracy(**arguments)


def _baseline(*, report: Callable[..., None], data: DataSettings) -> float:
    from nas.evaluation.full import baseline

    return baseline(data)
