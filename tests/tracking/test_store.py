from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nas.errors import TrackingError
from nas.tracking import store


def test_the_store_is_sqlite_in_the_folder_of_runs_by_its_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert store.resolve(None, Path("runs")) == f"sqlite:///{tmp_path}/runs/mlflow.db"


def test_a_uri_is_taken_as_it_is():
    assert store.resolve("http://host:5000", Path("runs")) == "http://host:5000"


@pytest.mark.parametrize("folder", ["what?", "per%20cent"])
def test_a_folder_that_a_uri_cannot_hold_is_refused(folder):
    with pytest.raises(
        TrackingError, match=r"tracking, .*: the folder .* must be .*; got .* in it"
    ):
        store.connect(store.resolve(None, Path(folder)), Path(folder))


@pytest.mark.parametrize("name", ["a#b", "100%", "{x}"])
def test_any_other_folder_holds_a_store(runs, name):
    folder = runs.rename(runs.with_name(name))
    store.connect(store.resolve(None, folder), folder).create_experiment("mine")
    with contextlib.closing(sqlite3.connect(folder / store.DATABASE)) as database:
        names = [name for (name,) in database.execute("SELECT name FROM experiments")]
    assert "mine" in names
    assert [path.name for path in folder.parent.iterdir()] == [name]


def test_a_damaged_database_is_refused_at_once_and_left_as_it_is(tmp_path):
    (tmp_path / "mlflow.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(TrackingError, match="file is not a database"):
        store.connect(store.resolve(None, tmp_path), tmp_path)
    assert (tmp_path / "mlflow.db").read_bytes() == b"not a database" * 1000


def test_a_database_that_cannot_be_opened_is_refused_without_mlflows_own_waiting(tmp_path):
    (tmp_path / "file").write_text("where a folder should be")
    began = time.monotonic()
    with pytest.raises(TrackingError, match="OperationalError"):
        store.connect(f"sqlite:///{tmp_path}/file/mlflow.db", tmp_path)
    assert time.monotonic() - began < 20  # MLflow waits 0.1 + 0.3 + ... + 51.1 = 102 s


def test_the_database_of_another_version_of_mlflow_is_refused(runs):
    with sqlite3.connect(runs / "mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'other'")
    with pytest.raises(TrackingError, match="out-of-date database schema"):
        store.connect(store.resolve(None, runs), runs)


def test_a_uri_without_password_is_in_the_message():
    with pytest.raises(TrackingError) as caught:
        store.connect("postgresql://ann:pa55@127.0.0.1:1/db", Path("runs"))
    assert "ann:***@127.0.0.1" in str(caught.value)
    assert "pa55" not in str(caught.value)


def test_a_users_own_timeout_is_kept(monkeypatch, runs):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    store.connect(store.resolve(None, runs), runs)
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


@pytest.mark.slow
def test_two_processes_may_make_the_store_at_the_same_time(tmp_path):
    script = (
        "import sys; from pathlib import Path; from nas.tracking import store;"
        "runs = Path(sys.argv[1]); store.connect(store.resolve(None, runs), runs)"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    errors = [process.communicate()[1].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], errors


@pytest.mark.slow
def test_mlflow_prints_nothing_into_the_display(tmp_path):
    script = (
        "import sys; from pathlib import Path; from nas.tracking import store;"
        "runs = Path(sys.argv[1]); store.connect(store.resolve(None, runs), runs)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_importing_and_making_a_mirror_import_no_mlflow():
    script = (
        "import sys; from pathlib import Path; from nas.tracking import MlflowMirror;"
        "MlflowMirror(None, runs=Path('runs'), study='a');"
        "print([m for m in ('mlflow', 'torch', 'optuna') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
