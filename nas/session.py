"""A study from its settings to its result: what `nas.search` and the verbs call."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import uuid4

from nas.composition import Parts, compose_parts
from nas.errors import SettingsError, StudyError
from nas.events import Listener
from nas.identity import check_same, check_versions, facts_of
from nas.imported import Imported, Source, read_source, take_over, write_imported
from nas.masking import masked
from nas.reach import check_reach
from nas.result import SearchResult
from nas.running import run
from nas.settings import Settings
from nas.settings.compose import compose, given, override
from nas.settings.schema import typed
from nas.settings.stored import changes_meaning, connected, plain, read, write
from nas.study.database import said
from nas.study.folder import DATABASE, ELSEWHERE, DriverLock, check_folder, elsewhere, next_name
from nas.study.server import names_on_server
from nas.study.signals import StopSignals
from nas.study.storage import StudyStorage
from nas.tracking.origin import origin
from nas.workplace import workers_of

NAMES_TRIED = 20
"""As many searches started at the same moment find a name each."""


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
    began, command = time.perf_counter(), masked(command)
    folder = Path(settings.study.folder)
    check_folder(folder)
    name = settings.study.name
    if name is not None and (folder / name).exists():
        raise StudyError(
            f"study.name: a new study needs a new name; got {name!r}, which exists in {folder}; "
            f"allowed: another name, or nas resume {name}"
        )
    with StopSignals() as signals:
        source = read_source(settings)
        parts = compose_parts(settings, resolved=source.resolved(settings) if source else None)
        check_reach(parts)
        space = settings.space.name if settings.space.source is None else parts.space.name
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{parts.facts.name}-{space}").strip("-.")
        # What cannot be had is told before there is a study.
        with closing(workers_of(parts, stop=signals.stop)) as workers:
            storage = _created(parts, name, stem or "study", command=command, source=source)
            stored = connected(read(storage.path / "settings.yaml"), settings)
            parts = replace(parts, settings=stored)
            with _driving(storage):
                return run(
                    parts,
                    storage,
                    command=command,
                    workers=workers,
                    listeners=listeners,
                    signals=signals,
                    began=began,
                )


def _created(
    parts: Parts, name: str | None, stem: str, *, command: str, source: Source | None
) -> StudyStorage:
    """The new study on disk; a name of ours that another search took meanwhile is counted on."""
    folder, uri = Path(parts.settings.study.folder), parts.settings.study.storage
    imported = take_over(source, parts) if source else None
    seeds = {"nas.seeds": imported.seeds} if imported else {}
    for _ in range(NAMES_TRIED):
        chosen = name or next_name(folder, stem, also=_names_elsewhere(uri, folder))
        settings = replace(parts.settings, study=replace(parts.settings.study, name=chosen))
        try:
            return StudyStorage.create(
                folder / chosen,
                parts.objective.directions,
                {
                    **facts_of(parts),
                    "nas.command": command,
                    "nas.identity": uuid4().hex,
                    "nas.origin": origin(),
                    **seeds,
                    **({"nas.settings": plain(settings)} if uri else {}),
                },
                fill=partial(_fill, settings, source, imported),
                uri=uri,
            )
        except StudyError:
            if name is not None or not (folder / chosen).exists():
                raise
    raise StudyError(
        f"folder {folder}: a name for the study must be free; got {NAMES_TRIED} taken meanwhile; "
        "allowed: study.name=NAME"
    )


def _names_elsewhere(uri: str | None, folder: Path) -> list[str]:
    if uri is None:
        return []
    with said(folder, where=uri):
        return names_on_server(uri)


def _fill(
    settings: Settings, source: Source | None, imported: Imported | None, folder: Path
) -> None:
    write(settings, folder / "settings.yaml")
    if source and imported:
        write_imported(imported, source, folder)


@contextmanager
def _driving(storage: StudyStorage) -> Iterator[StudyStorage]:
    """The study belongs to this process; what the operating system refuses becomes one message."""
    lock = DriverLock(storage.path)
    try:
        if storage.uri is None:
            lock.acquire()
        else:
            storage.join()
        yield storage
    except OSError as error:
        raise StudyError(
            f"study {storage.name}, {error.filename or storage.path}: must be readable and "
            f"writable; got {error.strerror or error}; what was found so far stays: mend the "
            f"cause, then nas resume {storage.name}"
        ) from error
    finally:
        storage.close()
        lock.release()


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
    began, command = time.perf_counter(), masked(command)
    opened = _opened(Path(folder) / study, given(overrides).get("study.storage"))
    with StopSignals() as signals, _driving(opened) as storage:
        check_versions(storage)
        parts = _resumed(storage, overrides, folder=str(folder))
        with closing(workers_of(parts, stop=signals.stop)) as workers:
            _keep(parts.settings, storage)
            return run(
                parts,
                storage,
                command=command,
                workers=workers,
                listeners=listeners,
                signals=signals,
                began=began,
            )


def _opened(path: Path, server: object) -> StudyStorage:
    """The study in a folder, which is made where a `server` is named that has the study."""
    if server is None:
        return StudyStorage.open(path)
    uri = str(server)
    if (path / DATABASE).is_file():
        raise SettingsError(
            f"study.storage: a study stays where it was begun; got {masked(uri)} for "
            f"{path.name}, which is in {path / DATABASE}; allowed: nas resume {path.name}"
        )
    check_folder(path.parent)
    storage = StudyStorage.open(path, uri=uri)
    if not (path / "settings.yaml").is_file():
        path.mkdir(parents=True, exist_ok=True)
        write(typed(storage.get("nas.settings")), path / "settings.yaml")
    _, name = elsewhere(path) or ("", path.name)
    (path / ELSEWHERE).write_text(f"{masked(uri)}\n{name}\n")
    return storage


def _resumed(storage: StudyStorage, overrides: Sequence[str], *, folder: str) -> Parts:
    """The parts of a study as it was, with what may change changed."""
    study = storage.name
    old = read(storage.path / "settings.yaml")
    # Where the study lies is not what it was told: a folder may have been moved or renamed.
    old = replace(old, study=replace(old.study, name=study, folder=folder))
    new = override(old, overrides) if overrides else old
    if changed := changes_meaning(old, new):
        raise SettingsError(
            f"nas resume {study}: a resume keeps what a trial means; got {'; '.join(changed)}; "
            "allowed: study.trials, study.max_proposals, study.hours, study.report, tracking, "
            "execution, or a new study"
        )
    resolved, target = storage.get("nas.resolved") or {}, storage.get("nas.target") or ""
    parts = compose_parts(new, resolved=resolved, target=target)
    check_same(storage, facts_of(parts))
    return parts


def _keep(settings: Settings, storage: StudyStorage) -> None:
    """Write the settings of a resume that is not refused any more."""
    write(settings, storage.path / "settings.yaml")
    if storage.uri is not None:
        storage.set("nas.settings", plain(settings))
