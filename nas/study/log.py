"""Everything that happened in a study, one JSON object a line, flushed per line."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nas.events import Counts, Stage, StopReason, StudyInfo, Waiting
from nas.masking import masked
from nas.outcome import Certificate, EpochResult, Outcome, TrialRecord


class EventLog:
    """A listener that appends to a file.

    It never raises: what could not be written is told once, in `problems`; the study goes on.
    """

    def __init__(self, path: Path) -> None:
        self.problems: list[str] = []
        self._path = path
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):
            self._file.close()

    def _write(self, event: str, **fields: Any) -> None:
        line = masked(json.dumps({"time": round(time.time(), 3), "event": event, **fields}))
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except OSError as error:
            if not self.problems:
                self.problems.append(f"{self._path}: could not be written to; got {error}")

    def started(self, study: StudyInfo, past: list[TrialRecord]) -> None:
        """See `nas.events.Listener`."""
        self._write("resumed" if study.resumed else "started", study=study.name, past=len(past))

    def reference_known(self, name: str, outcome: Outcome) -> None:
        """See `nas.events.Listener`."""
        self._write("reference", name=name, **_numbers(outcome))

    def note(self, message: str) -> None:
        """See `nas.events.Listener`."""
        self._write("note", message=message)

    def device_lost(self, waiting: Waiting) -> None:
        """See `nas.events.Listener`."""
        self._write("device lost", **asdict(waiting))

    def device_back(self, waiting: Waiting) -> None:
        """See `nas.events.Listener`."""
        self._write("device back", since=waiting.since, tries=waiting.tries)

    def trial_started(self, trial: TrialRecord) -> None:
        """See `nas.events.Listener`."""
        self._write("trial", trial=trial.number, architecture=trial.architecture.text)

    def stage(self, number: int | None, stage: Stage) -> None:
        """See `nas.events.Listener`."""
        self._write("stage", trial=number, stage=stage)

    def epoch(self, number: int | None, result: EpochResult, of: int) -> None:
        """See `nas.events.Listener`."""
        self._write("epoch", trial=number, of=of, **result.to_json())

    def trial_finished(self, trial: TrialRecord, counts: Counts) -> None:
        """See `nas.events.Listener`."""
        assert trial.outcome is not None
        self._write("outcome", trial=trial.number, **_numbers(trial.outcome))

    def certified(self, name: str, certificate: Certificate) -> None:
        """See `nas.events.Listener`."""
        numbers = {key: value for key, value in asdict(certificate).items() if key != "latency"}
        latency = certificate.latency
        found = {"latency_ms": latency.ms, "low": latency.low, "high": latency.high}
        self._write("certified", **{**numbers, **found, "name": name, "ratio": latency.ratio})

    def stopped(self, reason: StopReason, message: str, counts: Counts) -> None:
        """See `nas.events.Listener`."""
        self._write("stopped", reason=reason, message=message)


def _numbers(outcome: Outcome) -> dict[str, Any]:
    conditions = outcome.evaluation.conditions if outcome.evaluation else {}
    return {
        "outcome": outcome.kind,
        "feasible": outcome.feasible,
        "accuracy": outcome.evaluation.accuracy if outcome.evaluation else None,
        "latency_ms": outcome.latency.ms if outcome.latency else None,
        "multiply_adds": outcome.costs.multiply_adds if outcome.costs else None,
        "reason": outcome.reason,
        "seconds": outcome.seconds,
        **{name: conditions[name] for name in ("init", "loaded", "left") if name in conditions},
    }
