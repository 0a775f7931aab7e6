"""The mirror of a study that lies on disk: its images, its target and its space are not needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

from nas.errors import StudyError
from nas.events import StopReason, StudyInfo
from nas.outcome import Outcome
from nas.settings import Settings
from nas.settings.stored import read
from nas.study.records import certified
from nas.study.storage import StudyStorage
from nas.tracking.state import STATUS_OF_REASON
from nas.tracking.track import Tracked, track
from nas.user_file import load

PAGE = Path("report", "report.html")
"""Where the report of a study lies in its folder."""


def track_stored(study: str, *, folder: Path, uri: str | None = None) -> Tracked:
    """Write into MLflow whatever of a stored study is missing there.

    `uri` None is the store that the study's own settings name.

    Raises:
        StudyError: no such study, or one that is being run and writes its mirror itself.
        TrackingError: the store does not answer or refuses; what was written stays.
    """
    storage = StudyStorage.open(folder / study)
    try:
        settings = read(storage.path / "settings.yaml")
        holder = storage.driver
        if holder and settings.tracking.enabled:
            raise StudyError(
                f"nas track {study}: a study that runs writes its mirror itself; got one that "
                f"{holder} runs; allowed: once it has ended"
            )
        reason, message = ending(storage.path) or ("signal", "killed")
        written = storage.get("nas.reference")
        reference = written and certified(Outcome.from_json(written), storage.certificates())
        page = storage.path / PAGE
        return track(
            info_stored(storage, settings),
            storage.records(),
            runs=folder,
            uri=uri or settings.tracking.uri,
            reason=None if holder else reason,
            message="" if holder else message,
            reference=(settings.objective.reference, reference) if reference else None,
            report=page if page.is_file() else None,
        )
    finally:
        storage.close()


def info_stored(storage: StudyStorage, settings: Settings) -> StudyInfo:
    """What listeners were told of this study, from what is stored with it."""
    return StudyInfo(
        name=storage.name,
        folder=str(storage.path),
        settings=settings.to_json(),
        goal=storage.get("nas.goal") or "",
        limits=tuple(storage.get("nas.limits") or ()),
        target=storage.get("nas.target") or "",
        data=_data(settings),
        space=load(settings.space.source).name if settings.space.source else settings.space.name,
        trials=settings.study.trials,
        resumed=True,
        command=storage.get("nas.command") or "",
        identity=storage.get("nas.identity") or "",
        data_hash=storage.get("nas.data") or "",
    )


def _data(settings: Settings) -> str:
    """The name its images had, as the loaders of `nas.data` give it."""
    if settings.evaluation.name == "table":
        return Path(settings.evaluation.path or "").stem
    path = Path(settings.data.path or "")
    return {"arrays": path.stem, "folder": path.resolve().name}.get(
        settings.data.name, settings.data.name
    )


def ending(path: Path) -> tuple[StopReason, str] | None:
    """Reason and message of the stop of the study in the folder `path`, as its log has them.

    None where the log does not end with a stop: the study runs, it was killed, or never ran.
    """
    try:
        last = json.loads((path / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    except (OSError, ValueError, IndexError):
        return None  # no log, or a line that was cut off
    if not isinstance(last, dict) or last.get("reason") not in STATUS_OF_REASON:
        return None
    return cast(StopReason, last["reason"]), str(last.get("message", ""))
