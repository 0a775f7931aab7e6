from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from tiny import run

from nas.errors import StudyError
from nas.study.storage import StudyStorage


def revision(database: Path) -> str:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def genes(path: Path) -> list[tuple[object, ...]]:
    storage = StudyStorage.open(path)
    try:
        return [(t.number, tuple(t.genes.items()), t.outcome) for t in storage.records()]
    finally:
        storage.close()


def test_tables_of_an_older_optuna_are_brought_up_to_date_and_a_copy_is_kept(
    tmp_path: Path,
) -> None:
    path, database = tmp_path / "one", tmp_path / "one" / "study.db"
    run(path, proposals=4, sampler="random")
    before, now = genes(path), revision(database)
    # The tables of Optuna 3.0: 3.2 added an index.
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v3.0.0.d'")
        connection.execute("DROP INDEX ix_trials_study_id")

    assert genes(path) == before
    assert revision(database) == now
    assert revision(path / "study-v3.0.0.d.db") == "v3.0.0.d"
    with contextlib.closing(sqlite3.connect(path / "study-v3.0.0.d.db")) as kept:
        assert kept.execute("SELECT count(*) FROM trials").fetchone() == (4,)
    assert run(path, proposals=6, sampler="random").counts.proposals == 6


def test_tables_of_a_newer_optuna_are_refused_in_words_and_left_alone(tmp_path: Path) -> None:
    path, database = tmp_path / "one", tmp_path / "one" / "study.db"
    run(path, proposals=2, sampler="random")
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v99.0.0.a'")
    before = database.read_bytes()
    with pytest.raises(StudyError, match=r"got v99\.0\.0\.a; a newer Optuna wrote it"):
        StudyStorage.open(path)
    assert database.read_bytes() == before
    assert list(path.glob("study-*")) == []


def test_a_database_of_something_else_is_told(tmp_path: Path) -> None:
    path = tmp_path / "one"
    run(path, proposals=1, sampler="random")
    with contextlib.closing(sqlite3.connect(path / "study.db")) as connection, connection:
        connection.execute("DELETE FROM study_user_attributes")
    with pytest.raises(StudyError, match="got None; another application wrote it"):
        StudyStorage.open(path)
