"""The SQLite file of a study, and what goes wrong with it said in one message."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._rdb.models import TrialUserAttributeModel
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import FrozenTrial
from sqlalchemy.engine import URL

from nas.errors import StudyError
from nas.masking import masked
from nas.objective import Direction
from nas.study.folder import DATABASE, DriverLock
from nas.study.proposals import quiet

FORMAT = 1


def begin(
    database: Path, name: str, directions: Sequence[Direction], attributes: Mapping[str, Any]
) -> None:
    """Write an empty study; nothing keeps the file open."""
    with quiet():
        with contextlib.closing(sqlite3.connect(database)) as connection:
            # A write-ahead log takes one flush a write, a rollback journal three.
            connection.execute("PRAGMA journal_mode=WAL")
        backend = connect(database)
        study = optuna.create_study(storage=backend, study_name=name, directions=list(directions))
        for key, value in {"nas.format": FORMAT, **attributes}.items():
            study.set_user_attr(key, value)
        backend.remove_session()
        backend.engine.dispose()


def write_new(storage: BaseStorage, study_id: int, trial: FrozenTrial) -> int:
    """Write a new trial; returns its id.

    Not by way of Optuna's cache, which would keep every trial in memory as it was proposed.
    """
    backend = getattr(storage, "_backend", storage)
    return int(backend.create_new_trial(study_id, trial))


def write_together(storage: BaseStorage, trial_id: int, values: Mapping[str, Any]) -> None:
    """Write attributes of a running trial in one transaction: Optuna alone takes one for each."""
    backend = getattr(storage, "_backend", storage)
    if not isinstance(backend, RDBStorage):  # in memory: a benchmark's
        for key, value in values.items():
            storage.set_trial_user_attr(trial_id, key, value)
        return
    with _create_scoped_session(backend.scoped_session, True) as session:
        for key, value in values.items():
            backend._set_trial_attr_without_commit(
                session, TrialUserAttributeModel, trial_id, key, value
            )


def check_format(study: str, found: object) -> None:
    """Raise unless what a study says of its format is what this version reads.

    Raises:
        StudyError: it is a newer version's, or no study.
    """
    if found != FORMAT:
        newer = "a newer latency-nas wrote it: upgrade to go on"
        raise StudyError(
            f"study {study}: this version reads format {FORMAT}; got {found}; "
            f"{newer if found else 'another application wrote it: it is no study of ours'}"
        )


def connect(path: Path, *, check: bool = True) -> RDBStorage:
    """Optuna's storage on a file, whatever characters its path has.

    Raises:
        RuntimeError: the tables are another Optuna's, unless `check` is False.
    """
    # Quoted: '?' and '%20' mean something in a URL; braces do to Optuna, which formats it.
    address = URL.create("sqlite", database=str(path.resolve())).render_as_string()
    # A reader (nas status, a copy for backup) may hold the file for a moment: wait, do not fail.
    return RDBStorage(
        address.replace("{", "{{").replace("}", "}}"),
        engine_kwargs={"connect_args": {"timeout": 60}},
        skip_compatibility_check=not check,
    )


def check_integrity(path: Path) -> None:
    """Have SQLite look at every page.

    Raises:
        sqlite3.DatabaseError: the file is damaged, or is no database.
    """
    address = f"{path.resolve().as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(address, uri=True)) as database:
        found = database.execute("PRAGMA quick_check").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(found)


def connect_migrated(path: Path) -> RDBStorage:
    """As `connect`; tables that an older Optuna made are brought up to date, a copy is kept.

    The copy lies beside the file and is named after the version that it has.

    Raises:
        StudyError: a newer Optuna made the tables, or another process drives the study.
    """
    try:
        return connect(path)
    except RuntimeError:
        return _migrated(path)


def _migrated(path: Path) -> RDBStorage:
    backend = connect(path, check=False)
    study, versions = path.parent.name, backend.get_all_versions()
    before, now = backend.get_current_version(), backend.get_head_version()
    lock = DriverLock(path.parent)
    try:
        if before not in versions:
            raise StudyError(
                f"study {study}: Optuna {optuna.__version__} reads tables up to {now}; got "
                f"{before}; a newer Optuna wrote it, nothing was changed: upgrade Optuna to go on"
            )
        lock.acquire()
        copy = path.with_name(f"{path.stem}-{before}{path.suffix}")
        with (
            contextlib.closing(sqlite3.connect(path)) as old,
            contextlib.closing(sqlite3.connect(copy)) as kept,
        ):
            old.backup(kept)
        backend.upgrade()
    finally:
        lock.release()
        backend.remove_session()
        backend.engine.dispose()
    return connect(path)


@contextlib.contextmanager
def said(path: Path, kept: str = "", *, where: str = "") -> Iterator[None]:
    """Turn what SQLite, SQLAlchemy and the operating system say into one message.

    `where` is the URI of a database that is not in the study's folder.
    """
    kept = kept or (
        "what was found so far stays as it is: make room or mend the cause, then "
        f"nas resume {path.name}"
    )
    try:
        yield
    except (optuna.exceptions.StorageInternalError, sqlite3.Error, OSError) as error:
        raise _told(path, where, error.__cause__ or error, kept) from error
    except Exception as error:
        # SQLAlchemy's errors are recognised by name: its import is Optuna's business.
        if type(error).__module__.startswith("sqlalchemy"):
            raise _told(path, where, error, kept) from error
        raise


def _told(path: Path, where: str, error: BaseException, kept: str) -> StudyError:
    said = masked(str(error).splitlines()[0])
    if "malformed" in said or "not a database" in said:
        kept = (
            "the file is damaged and was left as it is; settings, weights and what MLflow has of "
            f"the study are safe; allowed: {DATABASE} from a copy, or what sqlite3 {DATABASE} "
            ".recover still finds"
        )
    return StudyError(
        f"study {path.name}, {masked(where) or path / DATABASE}: must be readable and writable; "
        f"got {said}; {kept}"
    )
