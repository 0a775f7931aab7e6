"""Studies on a PostgreSQL server that the tests start; several drivers in one of them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import postgres_server
import pytest
from hearing import nas as started
from postgres_server import PASSWORD, Server
from table_of_tiny import overrides, write_table
from tiny import Tiny

from nas.errors import StudyError
from nas.outcome import TrialRecord
from nas.settings import SamplerSettings
from nas.study.company import Company
from nas.study.proposals import Proposal, Proposer, distributions
from nas.study.storage import StudyStorage

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from kills import mirror_faults

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server.running() as found:
        yield found


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("table") / "tiny.json")


def nas(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nas.cli", *words],
        cwd=folder, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def records(path: Path, uri: str) -> list[TrialRecord]:
    with closing(StudyStorage.open(path, uri=uri)) as storage:
        return storage.records()


def test_two_drivers_of_which_one_is_killed_lose_nothing_and_do_nothing_twice(
    server: Server, table: Path, tmp_path: Path
) -> None:
    uri = server.database()
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    # No limit that refuses: every new network is evaluated, for a while, by one of two workers.
    words = [
        *(word for word in overrides(table) if not word.startswith("objective")),
        "objective.multiply_adds=1e9",
        f"study.storage={uri}",
        "sampler=random",
        "study.trials=100",
        "evaluation.seconds=0.2",
        "execution=processes",
        "execution.workers=2",
    ]
    first = started(here, "search", *words)
    assert first.stdout is not None
    deadline = time.monotonic() + 120
    while not (here / "runs" / "one" / "settings.yaml").exists():
        assert time.monotonic() < deadline, "the first driver made no study"
        assert first.poll() is None, first.stdout.read()
        time.sleep(0.1)
    second = started(there, "resume", "one", f"study.storage={uri}")
    assert second.stdout is not None
    # Both are at work: then the first one is killed in the middle of two evaluations.
    while len({t.user_attrs["nas.driver"] for t in frozen(here, uri) if t.values}) < 2:
        assert time.monotonic() < deadline, "the second driver evaluated nothing"
        time.sleep(0.2)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    said, _ = second.communicate(timeout=200)
    assert second.returncode == 0, said

    found = records(there / "runs" / "one", uri)
    kinds = Counter(t.outcome.kind if t.outcome else "running" for t in found)
    assert kinds["evaluated"] == 100
    assert set(kinds) <= {"evaluated", "repeated"}
    assert [t.number for t in found] == list(range(len(found)))
    networks = [
        t.architecture.fingerprint for t in found if t.outcome and t.outcome.kind == "evaluated"
    ]
    assert len(set(networks)) == 100
    assert all(t.finished is not None for t in found)
    assert "another driver" not in said.decode()


def frozen(folder: Path, uri: str) -> list[object]:
    with closing(StudyStorage.open(folder / "runs" / "one", uri=uri)) as storage:
        return storage.trials  # type: ignore[return-value]


def proposer() -> Proposer:
    settings = SamplerSettings(name="random")
    return Proposer(Tiny().genes, ["maximize"], sampler=settings, seed=1)


def propose(storage: StudyStorage) -> TrialRecord:
    space = Tiny()
    genes = {gene.name: gene.options[0] for gene in space.genes}
    return storage.propose(Proposal(genes, {}), space.decode(genes), distributions(space.genes))


def test_only_what_a_dead_driver_left_is_taken_up_and_a_network_has_one_trial(
    server: Server, tmp_path: Path
) -> None:
    uri = server.database()
    StudyStorage.create(tmp_path / "one", ["maximize"], {}, uri=uri).close()
    a, b = (StudyStorage.open(tmp_path / "one", uri=uri) for _ in range(2))
    one, other = (Company(storage, proposer()) for storage in (a, b))
    with closing(b):
        a.join()
        b.join()
        assert a.driver.count("pid") == 2
        with one.alone():
            first = propose(a)
            one.add(first)
        with other.alone():
            news = other.news()
            second = propose(b)
            other.add(second)
        assert [trial.number for trial in news.proposed] == [first.number] == [0]
        assert news.left == ()
        assert one.claim(first)
        assert not other.claim(second)
        with other.alone():
            assert other.news().left == ()
        assert list(other.running) == [0]
        a.close()
        with other.alone():
            left = other.news().left
        assert [trial.number for trial in left] == [0]
        assert other.running == {}
        # The claim is the trial's, not the driver's.
        assert other.claim(first)


def test_a_driver_of_another_version_does_not_join_one_that_runs(
    server: Server, table: Path, tmp_path: Path
) -> None:
    uri = server.database()
    words = [*overrides(table), f"study.storage={uri}", "study.trials=1"]
    assert nas(tmp_path, "search", *words).returncode == 0
    with closing(StudyStorage.open(tmp_path / "runs" / "one", uri=uri)) as storage:
        storage.join()
        began = storage.get("nas.origin")
        storage.set("nas.origin", {**began, "python": "3.8.1"})
        again = ("resume", "one", "study.trials=2", f"study.storage={uri}")
        refused = nas(tmp_path, *again)
        assert refused.returncode == 1
        assert "got Python 3." in refused.stderr
        assert "the study 3.8" in refused.stderr
    # Alone it may: a study goes on after an upgrade.
    assert nas(tmp_path, *again).returncode == 0


def test_no_password_is_written_anywhere(server: Server, table: Path, tmp_path: Path) -> None:
    uri = server.database()
    words = [*overrides(table), f"study.storage={uri}", "study.trials=3"]
    done = nas(tmp_path, "search", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    files = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"settings.yaml", "storage.txt", "log.jsonl"}
    for path in files:
        assert PASSWORD.encode() not in path.read_bytes(), path
    with closing(StudyStorage.open(tmp_path / "runs" / "one", uri=uri)) as storage:
        assert "***" in storage.get("nas.command")
        assert PASSWORD not in json.dumps(storage._study.user_attrs)
    # Without it the server refuses, and the message says whom and what, not with what.
    refused = nas(tmp_path, "resume", "one", "study.trials=4")
    assert refused.returncode == 1
    assert "password" in refused.stderr
    again = nas(tmp_path, "resume", "one", "study.trials=4", f"study.storage={uri}")
    assert again.returncode == 0, again.stderr


def test_mlflow_on_the_server_mirrors_a_study(server: Server, table: Path, tmp_path: Path) -> None:
    uri = server.database()
    words = [word for word in overrides(table) if word != "tracking=none"]
    done = nas(tmp_path, "search", *words, f"tracking.uri={uri}", "study.trials=5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    with closing(StudyStorage.open(tmp_path / "runs" / "one")) as storage:
        trials = storage.records()
    assert len(trials) >= 5
    assert list(mirror_faults("one", trials, uri.replace("postgresql", "postgresql+psycopg"))) == []


def test_a_server_that_is_away_refuses_or_has_other_tables_is_told(
    server: Server, table: Path, tmp_path: Path
) -> None:
    import psycopg

    uri = server.database()
    with psycopg.connect(uri) as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    words = [*overrides(table), "study.trials=3"]
    others = nas(tmp_path, "search", *words, f"study.storage={uri}")
    assert others.returncode == 1
    assert "tables of another application (customers)" in others.stderr
    assert not (tmp_path / "runs" / "one").exists()
    with psycopg.connect(uri) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        assert found.fetchall() == [("customers",)]
    empty = server.database()
    with psycopg.connect(empty) as connection:
        connection.execute(f"CREATE ROLE ann LOGIN PASSWORD '{PASSWORD}'")
    uri = empty.replace("//nas:", "//ann:")
    refused = nas(tmp_path, "search", *words, f"study.storage={uri}")
    assert refused.returncode == 1
    assert refused.stderr.count("error:") == 1
    assert "permission denied" in refused.stderr
    assert "nothing was begun" in refused.stderr
    assert PASSWORD not in refused.stderr
    away = nas(tmp_path, "search", *words, "study.storage=postgresql://nas:secret@127.0.0.1:1/none")
    assert away.returncode == 1
    assert away.stderr.count("error:") == 1
    assert "nothing was begun" in away.stderr
    assert "secret" not in away.stderr
    with pytest.raises(StudyError, match="must be one of the studies in postgresql"):
        StudyStorage.open(tmp_path / "nothing", uri=server.database())
