"""What a running study tells its listeners: the display, the log and the MLflow mirror."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from nas.outcome import Certificate, EpochResult, Outcome, TrialRecord

Stage = Literal["counting", "measuring", "waiting", "training"]
"""`waiting`: counted and measured, and no worker is free."""

StopReason = Literal["finished", "proposals", "hours", "exhausted", "failures", "signal", "error"]


@dataclass(frozen=True)
class StudyInfo:
    """What does not change while a study runs.

    `goal` and `limits` are sentences for people ("latency <= 3.10 ms, that of shufflenet_v2_x0_5");
    `settings` the resolved settings as plain JSON; `resumed` tells a resume from a start;
    `trained` says whether accuracy comes from training (else from a table). `identity` is a random
    word stored with the study when it is created: a namesake is another study. `data_hash` is the
    hash of the images.
    """

    name: str
    folder: str
    settings: dict[str, Any]
    goal: str
    limits: tuple[str, ...]
    target: str
    data: str
    space: str
    trials: int
    resumed: bool
    command: str
    identity: str = ""
    data_hash: str = ""


@dataclass(frozen=True)
class Counts:
    """How many proposals ended how."""

    evaluated: int = 0
    refused: int = 0
    repeated: int = 0
    failed: int = 0

    @property
    def proposals(self) -> int:
        """All of them together."""
        return self.evaluated + self.refused + self.repeated + self.failed


@dataclass(frozen=True)
class Waiting:
    """The device is gone and is waited for.

    Units:
        since: seconds since 1970; pause: seconds until the next try.
    """

    since: float
    tries: int
    pause: float
    reason: str


class Listener(Protocol):
    """Called by the study in its own thread; must return soon and not raise.

    Of each trial the calls come in this order; with several workers those of several trials mix.
    """

    def started(self, study: StudyInfo, past: list[TrialRecord]) -> None:
        """The study starts or goes on; `past` holds the trials it already has, in order."""

    def reference_known(self, name: str, outcome: Outcome) -> None:
        """The reference network was counted, measured and trained like a candidate."""

    def note(self, message: str) -> None:
        """Something about the device or its latencies that people should know, in a sentence."""

    def device_lost(self, waiting: Waiting) -> None:
        """The device does not answer; told again before every pause."""

    def device_back(self, waiting: Waiting) -> None:
        """It answers again; `waiting` is what was told last."""

    def trial_started(self, trial: TrialRecord) -> None:
        """A proposal is stored and is about to be looked at (again, after a resume)."""

    def stage(self, number: int | None, stage: Stage) -> None:
        """Trial `number` (None: the reference network) enters a stage."""

    def epoch(self, number: int | None, result: EpochResult, of: int) -> None:
        """An epoch of `of` ended."""

    def trial_finished(self, trial: TrialRecord, counts: Counts) -> None:
        """The trial's outcome is stored in Optuna."""

    def certified(self, name: str, certificate: Certificate) -> None:
        """One of the best, or the reference network, was certified in fresh processes."""

    def stopped(self, reason: StopReason, message: str, counts: Counts) -> None:
        """Nothing more comes; `message` is empty or one sentence on the cause."""
