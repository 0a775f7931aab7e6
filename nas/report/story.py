"""A stored study as a report tells it: read once, by one process, while it may still be running."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nas.errors import NasError
from nas.objective import LATENCY_FLOOR, noise_of, rank
from nas.outcome import Outcome, TrialRecord
from nas.report.sessions import Sessions, sessions_of
from nas.result import ENDED
from nas.settings import Settings
from nas.settings.stored import read
from nas.space import Option
from nas.status import counted
from nas.study.importance import importance
from nas.study.records import certified
from nas.study.storage import StudyStorage
from nas.tracking.stored import ending

SHOWN = 10
"""As many of the best are listed."""


@dataclass(frozen=True)
class Story:
    """Everything a report is made of; see `read_story`.

    `best` are the feasible candidates, the best first; `reference` name and outcome;
    `finalists` what the end of the study found out about some; `difference` the winner less
    the reference on the same test images (mean, low, high); `images` the number of validation
    images, 0 if not known; `remarks` what a reader must know of the data.
    """

    name: str
    folder: Path
    state: str
    driver: str
    message: str
    settings: Settings
    settings_text: str
    goal: str
    limits: tuple[str, ...]
    target: str
    data: str
    space: str
    command: str
    data_hash: str
    records: tuple[TrialRecord, ...]
    reference: tuple[str, Outcome] | None
    best: tuple[TrialRecord, ...]
    genes: Mapping[str, Sequence[Option]]
    importance: Mapping[str, float]
    finalists: Sequence[Mapping[str, Any]]
    baseline: float | None
    difference: Mapping[str, float] | None
    images: int
    origin: Mapping[str, Any]
    sessions: Sessions
    read_at: float
    remarks: tuple[str, ...] = ()
    bounds: Mapping[str, float] = field(default_factory=dict)

    @property
    def evaluated(self) -> list[TrialRecord]:
        """The candidates that were trained on the whole budget: only they can be compared."""
        return [r for r in self._trained if _whole(r)]

    @property
    def halfway(self) -> list[TrialRecord]:
        """The candidates that ended on a rung below the whole budget."""
        return [r for r in self._trained if not _whole(r)]

    @property
    def _trained(self) -> list[TrialRecord]:
        return [r for r in self.records if r.outcome and r.outcome.kind == "evaluated"]

    @property
    def measured(self) -> list[TrialRecord]:
        """Each network with a latency and its counts, once."""
        return [
            r
            for r in self.records
            if r.outcome and r.outcome.kind != "repeated" and r.outcome.latency and r.outcome.costs
        ]

    @property
    def winner(self) -> TrialRecord | None:
        """The network to take."""
        return self.best[0] if self.best else None

    @property
    def by_ratio(self) -> bool:
        """Whether the latency limit is a network, so that the measured ratio to it decides."""
        return "latency_of" in self.bounds

    def finalist(self, number: int | None) -> Mapping[str, Any]:
        """What the end of the study found out about a trial (None: the reference network)."""
        return next((one for one in self.finalists if one.get("trial") == number), {})

    def noise(self, accuracy: float) -> float:
        """The standard error of a validation accuracy."""
        return noise_of(accuracy, self.images)


def _whole(record: TrialRecord) -> bool:
    evaluation = record.outcome.evaluation if record.outcome else None
    return evaluation is not None and evaluation.whole


def read_story(path: Path, *, ended: bool = False) -> Story:
    """The story of the study in the folder `path`; one that `ended` is told as such by its own
    driver, which still holds it.

    Raises:
        StudyError: no such study (the nearest names), or it is damaged or a newer version's.
    """
    storage = StudyStorage.open(path)
    try:
        settings, remarks = _settings(path)
        records = tuple(storage.records())
        written = storage.get("nas.reference")
        reference = written and certified(Outcome.from_json(written), storage.certificates())
        genes = {name: tuple(options) for name, options in storage.get("nas.genes") or ()}
        holder = "" if ended else storage.driver
        finished = counted(list(records)).evaluated >= settings.study.trials
        end = storage.get(ENDED) or {}
        images = int(storage.get("nas.validation_images") or 0)
        now = time.time()
        if storage.get("nas.origin") is None:
            remarks += ("An older version wrote this study: what it did not record is left out.",)
        return Story(
            name=storage.name,
            folder=path,
            state="live" if holder else "finished" if finished else "stopped",
            driver=holder,
            message="" if holder else (ending(path) or ("", ""))[1],
            settings=settings,
            settings_text=_text(path / "settings.yaml"),
            goal=storage.get("nas.goal") or "",
            limits=tuple(storage.get("nas.limits") or ()),
            target=storage.get("nas.target") or "",
            data=settings.evaluation.path or settings.data.path or settings.data.name,
            space=settings.space.source or settings.space.name,
            command=storage.get("nas.command") or "",
            data_hash=storage.get("nas.data") or "",
            records=records,
            reference=(settings.objective.reference, reference) if reference else None,
            best=_best(records, storage.get("nas.best"), images),
            genes=genes,
            importance=importance(records, genes),
            finalists=end.get("finalists", ()),
            baseline=end.get("baseline"),
            difference=end.get("difference"),
            images=images,
            origin=storage.get("nas.origin") or {},
            sessions=sessions_of(
                _text(path / "log.jsonl"),
                records,
                concluded=end.get("time"),
                live_until=now if holder else None,
            ),
            read_at=now,
            remarks=remarks,
            bounds=_bounds(records, reference, settings),
        )
    finally:
        storage.close()


def _settings(path: Path) -> tuple[Settings, tuple[str, ...]]:
    """The study's settings; those of another version may not be readable as ours."""
    try:
        return read(path / "settings.yaml"), ()
    except NasError as error:
        return Settings(), (f"The settings could not be read, defaults stand for them: {error}",)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _best(
    records: Sequence[TrialRecord], numbers: Sequence[int] | None, images: int
) -> tuple[TrialRecord, ...]:
    """The best as the study keeps them, or ranked here where it does not."""
    by_number = {record.number: record for record in records}
    kept = [by_number[n] for n in numbers or () if n in by_number]
    if not kept:
        outcomes = [(r.number, r.outcome) for r in records if r.outcome]
        feasible = [o.evaluation.accuracy for _, o in outcomes if o.feasible and o.evaluation]
        noise = noise_of(max(feasible, default=0.0), images)
        kept = [by_number[number] for number, _ in rank(outcomes, noise=noise)]
    return tuple(kept[:SHOWN])


def _bounds(
    records: Sequence[TrialRecord], reference: Outcome | None, settings: Settings
) -> dict[str, float]:
    """The value of each limit by its name, read off what it did to a candidate.

    Units:
        latency: ms; latency_of: times the network that the limit names; others: numbers.
    """
    outcomes = [r.outcome for r in records if r.outcome] + ([reference] if reference else [])
    found: dict[str, float] = {}
    for outcome in outcomes:
        for name, violation in outcome.violations.items():
            quantity = name.removesuffix("_of")
            if name == "latency_of":
                found[name] = LATENCY_FLOOR
            elif quantity == "latency" and outcome.latency:
                found[name] = settings.objective.latency_ms or (
                    outcome.latency.high / math.exp(violation)
                )
            elif outcome.costs and violation:
                value = max(1, getattr(outcome.costs, quantity, 0))
                found.setdefault(name, value / math.exp(violation))
    return found
