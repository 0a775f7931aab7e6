from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest
from tracked_studies import NAME, client, parent_run, records, study_info

from nas.errors import TrackingError
from nas.tracking import Server, serve, track
from nas.tracking.server import _answers


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, template: Path):
    """A study in a store, and a server on it."""
    folder = tmp_path_factory.mktemp("shown") / "runs"
    folder.mkdir()
    shutil.copy(template, folder / "mlflow.db")
    track(study_info(), records(5), runs=folder, reason="finished")
    with serve(folder, study=NAME, port=5600) as server:
        yield folder, server


def family(server: Server) -> list[psutil.Process]:
    assert server._process is not None
    process = psutil.Process(server._process.pid)
    return [process, *process.children(recursive=True)]


def test_there_is_nothing_to_show_before_a_search(tmp_path):
    with pytest.raises(TrackingError, match=r"mlflow\.db: must be there .*; got none; allowed: af"):
        serve(tmp_path)


def test_a_server_elsewhere_that_does_not_answer_is_refused_in_words():
    with pytest.raises(TrackingError, match=r"the MLflow server must answer .*refused"):
        serve(Path("runs"), study=NAME, uri="http://127.0.0.1:9")


def test_for_a_server_elsewhere_nothing_is_started():
    with serve(Path("runs"), uri="http://host:5000/") as server:
        assert server.address() == "http://host:5000/#/experiments"
        assert server._process is None


@pytest.mark.slow
def test_the_address_of_a_study_filters_its_trials(shown):
    runs, server = shown
    parent = parent_run(runs)
    address = server.address(NAME)
    assert address.startswith(f"{server.url}/#/experiments/{parent.info.experiment_id}/runs?")
    assert parent.info.run_id in address


@pytest.mark.slow
def test_an_unknown_study_is_refused_with_the_nearest_names(shown):
    _, server = shown
    with pytest.raises(TrackingError, match=f"study digits-mixd-001: .* allowed: {NAME}"):
        server.address("digits-mixd-001")


@pytest.mark.slow
def test_the_server_is_one_process_of_this_machine_only(shown):
    _, server = shown
    processes = family(server)
    assert len(processes) == 1
    # With `nas ui` beside it two processes and less than 400 MB (benchmarks/ui.py).
    assert processes[0].memory_info().rss < 350e6
    port = int(server.url.rpartition(":")[2])
    listening = [c for p in processes for c in p.net_connections() if c.status == "LISTEN"]
    assert {(c.laddr.ip, c.laddr.port) for c in listening} == {("127.0.0.1", port)}


@pytest.mark.slow
def test_a_version_of_mlflow_that_was_not_tried_is_served_by_its_own_command(shown):
    runs, server = shown
    script = (
        "import sys; from nas.tracking import server_process, view; view.TRIED = ();"
        "server_process.main()"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = ["127.0.0.1", str(port), f"sqlite:///{runs}/mlflow.db", str(runs / "mlartifacts")]
    untried = subprocess.Popen(
        [sys.executable, "-c", script, *where], stdin=subprocess.PIPE, start_new_session=True
    )
    with Server(f"http://127.0.0.1:{port}", process=untried) as other:
        assert _answers(other, untried)
        assert other.address(NAME).partition("/#")[2] == server.address(NAME).partition("/#")[2]
        assert len(family(other)) == 2


@pytest.mark.slow
def test_a_page_of_another_site_is_refused(shown):
    _, server = shown
    asked = urllib.request.Request(
        f"{server.url}/api/2.0/mlflow/experiments/search", headers={"Host": "evil.example"}
    )
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(asked, timeout=30)


@pytest.mark.slow
def test_the_artifacts_of_a_trial_are_served(shown):
    runs, server = shown
    run = next(r for r in client(runs).search_runs(["1"]) if "nas.trial" in r.data.tags)
    url = f"{server.url}/get-artifact?path=architecture.json&run_uuid={run.info.run_id}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert b'"units"' in answer.read()


@pytest.mark.slow
def test_a_port_in_use_gives_the_next_free_one_and_says_so(shown):
    runs, _ = shown
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with serve(runs, port=port) as server:
            assert server.url == f"http://127.0.0.1:{port + 1}"
            assert server.note == f"port {port} is in use: {port + 1} is taken instead"
            processes = family(server)
    psutil.wait_procs(processes, timeout=10)
    assert not any(process.is_running() for process in processes)


@pytest.mark.slow
def test_a_server_ends_with_the_process_that_started_it(shown):
    runs, _ = shown
    script = (
        "import sys, time; from pathlib import Path; from nas.tracking import serve;"
        "s = serve(Path(sys.argv[1]), port=5700); print(s._process.pid, flush=True);"
        "time.sleep(100)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(runs)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    process = psutil.Process(int(parent.stdout.readline()))
    processes = [process, *process.children(recursive=True)]
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    _, alive = psutil.wait_procs(processes, timeout=15)
    assert alive == []


def test_a_damaged_store_is_refused_before_a_server_is_started(tmp_path):
    (tmp_path / "mlflow.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(TrackingError, match="file is not a database"):
        serve(tmp_path, port=5800)


@pytest.mark.slow
def test_a_store_that_cannot_be_served_is_refused_with_what_the_server_said(runs):
    with sqlite3.connect(runs / "mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'other'")
    message = r"the MLflow server must start on it; got .*out-of-date database schema"
    with pytest.raises(TrackingError, match=message):
        serve(runs, port=5800)
