"""The rungs of a study: how far each candidate got, and whether the next one climbs on.

What a candidate reached is written into its trial at once, so that a study that was killed goes on
behind the last rung; who climbs is decided among what the study's records say, and what candidates
that are being trained beside it have reached.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from nas.evaluation.rungs import epochs_of, guessed, promotes
from nas.objective import Objective
from nas.outcome import Evaluation, Outcome, RungResult
from nas.settings import EvaluationSettings
from nas.study.storage import StudyStorage

Train = Callable[[int, int], Evaluation]
"""Trains a candidate on a rung, for so many epochs, from scratch and to the end of its schedule."""


class Ladder:
    """Lets the candidates of one study climb; several threads may do so at the same time.

    A rung on which most candidates guess, of a few steps of training, ranks nobody: they all climb.
    `chance` is the accuracy of guessing, on so many `images`.
    """

    def __init__(
        self,
        storage: StudyStorage,
        *,
        objective: Objective,
        settings: EvaluationSettings,
        epochs: int,
        chance: float,
        images: int,
    ) -> None:
        self._storage = storage
        self._chance, self._images = chance, images
        self._objective = objective
        self._settings = settings
        self._epochs = epochs
        self._lock = threading.RLock()
        self._reached: dict[str, list[tuple[float, ...]]] = {}
        self._accuracies: dict[str, list[float]] = {}
        for record in storage.records():
            outcome = record.outcome
            if outcome and outcome.kind == "evaluated" and outcome.evaluation:
                self.take(outcome, outcome.evaluation)

    def climb(self, known: Outcome, train: Train) -> Evaluation:
        """Train a candidate rung by rung until it is not among the best so far, or at the top.

        `known` is what was counted and measured of it. Rungs that it climbed before a kill are not
        trained again. The evaluation is that of the last rung, with the seconds of all.
        """
        fingerprint = known.architecture.fingerprint
        found = self._storage.climbed(fingerprint)
        try:
            while found is None or (found.rung is not None and self._goes_on(known, found)):
                found = self._next(found, train)
                self._storage.note_climbed(fingerprint, found)
        except BaseException:
            # A candidate that fails or is given up is in no record, and after a resume would not
            # be counted among the others.
            with self._lock:
                self._reached.pop(fingerprint, None)
                self._accuracies.pop(fingerprint, None)
            raise
        return found

    def take(self, known: Outcome, found: Evaluation) -> Evaluation:
        """An evaluation that is there already, counted among those that later candidates meet."""
        fingerprint = known.architecture.fingerprint
        with self._lock:
            self._reached[fingerprint] = self._values(known, found)
            self._accuracies[fingerprint] = [result.accuracy for result in found.rungs]
        return found

    def _next(self, before: Evaluation | None, train: Train) -> Evaluation:
        """The evaluation one rung higher."""
        fractions, below = self._settings.fractions, before.rungs if before else ()
        rung = len(below)
        epochs = epochs_of(rung, epochs=self._epochs, fractions=fractions)
        found = train(rung, epochs)
        return replace(
            found,
            seconds=found.seconds + sum(result.seconds for result in below),
            rung=rung if rung < len(fractions) - 1 else None,
            rungs=(*below, RungResult(epochs, found.accuracy, found.seconds, found.score)),
        )

    def _goes_on(self, known: Outcome, found: Evaluation) -> bool:
        rung, fingerprint = len(found.rungs) - 1, known.architecture.fingerprint
        with self._lock:
            self.take(known, found)
            others = [
                values[rung]
                for one, values in self._reached.items()
                if one != fingerprint and len(values) > rung
            ]
            values = self._reached[fingerprint]
            accuracies = [all_[rung] for all_ in self._accuracies.values() if len(all_) > rung]
        if guessed(accuracies, chance=self._chance, images=self._images):
            return True
        return promotes(
            values[rung],
            others,
            directions=self._objective.directions,
            share=self._settings.promoted,
        )

    def _values(self, known: Outcome, found: Evaluation) -> list[tuple[float, ...]]:
        """The objectives as each rung has them."""
        return [
            self._objective.values(
                replace(
                    known, evaluation=replace(found, accuracy=result.accuracy, score=result.score)
                ),
                chance=0.0,
                unmeasured_ms=0.0,
            )
            for result in found.rungs
        ]
