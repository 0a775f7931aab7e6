"""A study whose database is on a PostgreSQL server: `study.storage`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import optuna
from optuna.storages import RDBStorage
from sqlalchemy import NullPool, create_engine, inspect, text
from sqlalchemy.engine import URL, make_url

from nas.errors import StudyError, nearest
from nas.masking import masked, unmasked
from nas.objective import Direction
from nas.study.drivers import CLAIMS
from nas.study.proposals import quiet

DIALECT = "postgresql+psycopg"
SECONDS = 10
"""How long a server may take to accept a connection."""

NAMES = "SELECT study_name FROM studies ORDER BY study_name"
OURS = "version_info"
"""A table that Optuna makes and MLflow does not."""


def url_of(uri: str) -> URL:
    """The address for SQLAlchemy; a password that was masked is left to the environment.

    Raises:
        StudyError: no driver for PostgreSQL is installed.
    """
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise StudyError(
            f"study.storage: {masked(uri)} needs the package psycopg; got {error}; allowed: "
            "pip install 'latency-nas[postgres]', or study.storage=null"
        ) from error
    return make_url(unmasked(uri)).set(drivername=DIALECT)


def begin_on_server(
    uri: str, name: str, directions: Sequence[Direction], attributes: Mapping[str, Any]
) -> None:
    """Write an empty study into the database, with its attributes.

    Raises:
        StudyError: there is one of that name, or the tables are another application's.
    """
    url = url_of(uri)
    engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": SECONDS})
    try:
        # Alone: two that make the same tables at the same time both fail.
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(7207)"))
            _check_tables(uri, inspect(connection).get_table_names())
            connection.execute(text(CLAIMS))
            with quiet():
                backend = connect_server(uri)
                _create(backend, uri, name, directions, attributes)
    finally:
        engine.dispose()


def _create(
    backend: RDBStorage,
    uri: str,
    name: str,
    directions: Sequence[Direction],
    attributes: Mapping[str, Any],
) -> None:
    try:
        study = optuna.create_study(storage=backend, study_name=name, directions=list(directions))
        for key, value in attributes.items():
            study.set_user_attr(key, value)
    except optuna.exceptions.DuplicatedStudyError:
        raise StudyError(
            f"study {name}: a new study needs a new name; got one that exists in {masked(uri)}; "
            f"allowed: another study.name, or nas resume {name} study.storage=URI to join it"
        ) from None
    finally:
        backend.remove_session()
        backend.engine.dispose()


def _check_tables(uri: str, tables: Iterable[str]) -> None:
    others = sorted(set(tables) - {"nas_claims"})
    if others and OURS not in others:
        raise StudyError(
            f"study.storage: {masked(uri)} must be an empty database, or one with studies; got the "
            f"tables of another application ({', '.join(others[:3])}); nothing was written; "
            "allowed: a database of its own, as createdb makes it"
        )


def names_on_server(uri: str) -> list[str]:
    """The studies that are there; none in an empty database.

    Raises:
        StudyError: the tables are another application's.
    """
    engine = create_engine(
        url_of(uri), poolclass=NullPool, connect_args={"connect_timeout": SECONDS}
    )
    try:
        with engine.connect() as connection:
            tables = inspect(connection).get_table_names()
            _check_tables(uri, tables)
            if OURS not in tables:
                return []
            return [str(name) for (name,) in connection.execute(text(NAMES))]
    finally:
        engine.dispose()


def load_from_server(uri: str, name: str) -> optuna.Study:
    """The study of that name.

    Raises:
        StudyError: there is none (the nearest names), or another Optuna made the tables.
    """
    known = names_on_server(uri)
    if name not in known:
        raise StudyError(
            f"study {name}: must be one of the studies in {masked(uri)}; got another name; "
            f"allowed: {nearest(name, known) or 'none yet'}"
        )
    try:
        backend = connect_server(uri)
    except RuntimeError as error:
        raise StudyError(
            f"study {name}, {masked(uri)}: the tables must be of Optuna {optuna.__version__}; got "
            f"{error}; allowed: that Optuna, or, after a pg_dump, optuna storage upgrade"
        ) from error
    sampler = optuna.samplers.RandomSampler()
    return optuna.load_study(storage=backend, study_name=name, sampler=sampler)


def connect_server(uri: str) -> RDBStorage:
    """Optuna's storage on the server.

    Raises:
        RuntimeError: the tables are another Optuna's.
    """
    address = url_of(uri).render_as_string(hide_password=False)
    return RDBStorage(
        address.replace("{", "{{").replace("}", "}}"),
        # A connection that the server closed meanwhile is noticed and made anew.
        engine_kwargs={"pool_pre_ping": True, "connect_args": {"connect_timeout": SECONDS}},
    )
