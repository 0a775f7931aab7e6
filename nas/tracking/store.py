"""The MLflow store: where it is, and how it is opened.

MLflow is imported here, when a store is first opened, and nowhere on the way there.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nas.errors import TrackingError
from nas.masking import unmasked
from nas.tracking import legal

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

DATABASE = "mlflow.db"
ARTIFACTS = "mlartifacts"
TIMEOUT_SECONDS = 10

# SQLAlchemy takes what follows a `?` for a query, and from 2.1 on unquotes %20; MLflow does not.
_UNSAFE_PATH = re.compile(r"\?|%[0-9A-Fa-f]{2}")

_POSTGRES = re.compile(r"^postgres(ql)?://")

_ALWAYS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_UNLESS_SET = {
    # MLflow would wait up to 120 s and try 7 times; the mirror tries again by itself.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(TIMEOUT_SECONDS),
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    # A message of MLflow's own would tear the live display; failures are told in `problems`.
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
}


def resolve(uri: str | None, runs: Path) -> str:
    """The store's URI; None is SQLite in the folder of runs, always by its absolute path."""
    if uri is None:
        return f"sqlite:///{runs.absolute() / DATABASE}"
    # Which package a plain postgresql:// means depends on the version of SQLAlchemy.
    return _POSTGRES.sub("postgresql+psycopg://", unmasked(uri))


def check(uri: str) -> None:
    """Raise unless the path of an SQLite store means the same to all who read it.

    Raises:
        TrackingError: it holds what cannot stand in a URI.
    """
    unsafe = _UNSAFE_PATH.search(uri) if uri.startswith("sqlite:") else None
    if unsafe:
        raise TrackingError(
            f"tracking, {uri}: the folder of an SQLite store must be a path that a URI can hold; "
            f"got {unsafe[0]!r} in it; allowed: another study.folder, or tracking.uri"
        )


def is_remote(uri: str) -> bool:
    """Whether a server answers at this URI (which then decides where artifacts are kept)."""
    return uri.startswith(("http://", "https://", "databricks"))


def artifact_location(uri: str, runs: Path, experiment: str) -> str | None:
    """Where a new experiment keeps its files; None leaves it to the server."""
    if is_remote(uri):
        return None
    folder = legal.name(experiment).replace("/", "_").replace(":", "_")
    return (runs.absolute() / ARTIFACTS / folder).as_uri()


def connect(uri: str, runs: Path) -> MlflowClient:
    """A client on a store that answers; a new local database is created here, by one process.

    Raises:
        TrackingError: the store cannot be opened or does not answer.
    """
    check(uri)
    os.environ.update(_ALWAYS)
    for name, value in _UNLESS_SET.items():
        os.environ.setdefault(name, value)
    with said(uri):
        from mlflow.tracking import MlflowClient

        with _alone(uri, runs):
            check_opens(uri)
            client = MlflowClient(tracking_uri=uri)
            client.search_experiments(max_results=1)
    return client


@contextlib.contextmanager
def _alone(uri: str, runs: Path) -> Iterator[None]:
    """Hold a lock while a local database may be created: two migrations at once break it."""
    if not uri.startswith("sqlite:"):
        yield
        return
    runs.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(runs).free < 1 << 20:
        raise OSError("no room: less than 1 MB is free")
    with open(runs / ".mlflow.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def check_opens(uri: str) -> None:
    """Open the database once: MLflow itself would try 14 times, the last wait 27 minutes long."""
    if is_remote(uri) or "://" not in uri:
        return
    import sqlalchemy

    engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.pool.NullPool)
    try:
        with engine.connect() as connection:
            sqlalchemy.inspect(connection).get_table_names()
    finally:
        engine.dispose()


@contextlib.contextmanager
def said(uri: str) -> Iterator[None]:
    """Turn whatever MLflow, its database or the network raise into one message.

    Raises:
        TrackingError: in the place of any other exception.
    """
    try:
        yield
    except TrackingError:
        raise
    # MLflow's stores raise errors of MLflow, SQLAlchemy, requests, the system and of plug-ins,
    # without a common root; none of them may end a study.
    except Exception as error:
        first = next((line for line in str(error).splitlines() if line.strip()), "no message")
        raise TrackingError(
            f"tracking, {legal.masked(uri)}: the MLflow store must answer and take what is "
            f"written; got {type(error).__name__}: {legal.masked(first)[:300]}"
        ) from error
