"""Whole commands on a table instead of training: seconds instead of minutes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from table_of_tiny import overrides, write_table

from nas.study.folder import DriverLock
from nas.study.storage import StudyStorage

LIMIT_FILES = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
from nas.cli import main
sys.exit(main({words!r}))
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("table") / "tiny.json")


def words(table: Path, *more: str) -> list[str]:
    return ["search", *overrides(table, *more)]


def nas(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nas.cli", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def trials(folder: Path) -> list[tuple[object, ...]]:
    storage = StudyStorage.open(folder / "runs" / "one")
    try:
        return [(t.number, t.state.name, tuple(t.params.items()), t.values) for t in storage.trials]
    finally:
        storage.close()


@pytest.mark.slow
def test_a_full_disk_is_one_message_and_costs_nothing_that_was_found(
    table: Path, tmp_path: Path
) -> None:
    whole = tmp_path / "whole"
    full = tmp_path / "full"
    whole.mkdir()
    full.mkdir()
    assert nas(whole, *words(table, "study.trials=25")).returncode == 0
    # Files of at most 400 kB: the write-ahead log is full after a few trials.
    script = LIMIT_FILES.format(size=400_000, words=words(table, "study.trials=25"))
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=full, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert ended.stderr.count("error:") == 1
    assert "Traceback" not in ended.stderr
    assert "nas resume one" in ended.stderr
    before = [t for t in trials(full) if t[1] != "RUNNING"]
    assert 0 < len(before) < len(trials(whole))
    assert nas(full, "resume", "one").returncode == 0
    assert trials(full)[: len(before)] == before
    assert trials(full) == trials(whole)


def test_a_table_costs_neither_counting_nor_measuring_nor_training(
    table: Path, tmp_path: Path
) -> None:
    script = (
        "import sys\n"
        "from nas.cli import main\n"
        f"status = main({words(table, 'study.trials=3')!r})\n"
        "print(sorted({'torch', 'thop', 'mlflow', 'onnxruntime'} & set(sys.modules)))\n"
        "sys.exit(status)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "[]"


@pytest.mark.slow
def test_a_resume_that_changes_what_a_trial_means_is_refused_with_the_difference(
    table: Path, tmp_path: Path
) -> None:
    assert nas(tmp_path, *words(table, "study.trials=2")).returncode == 0
    refused = nas(tmp_path, "resume", "one", "objective.multiply_adds=600")
    assert refused.returncode == 2
    assert "objective.multiply_adds: 500" in refused.stderr
    found = trials(tmp_path)
    more = nas(tmp_path, "resume", "one", "study.trials=4")
    assert more.returncode == 0, more.stderr
    assert trials(tmp_path)[: len(found)] == found


def test_a_limit_against_a_network_needs_no_table(table: Path, tmp_path: Path) -> None:
    arguments = [w for w in words(table) if not w.startswith("objective")]
    refused = nas(tmp_path, *arguments)
    assert refused.returncode == 2
    assert "with evaluation=table a limit is a number" in refused.stderr
    assert not (tmp_path / "runs" / "one").exists()


@pytest.mark.slow
def test_a_study_ends_when_its_hours_are_used_up_and_goes_on_with_more(
    table: Path, tmp_path: Path
) -> None:
    # 0.0003 hours are 1.08 s, four answers of 0.3 s and no more than one begun in the last moment;
    # what a busy machine needs besides only makes them fewer.
    hours = ("study.hours=0.0003", "evaluation.seconds=0.3", "study.trials=40")
    ended = nas(tmp_path, *words(table, "execution=serial", *hours), "--json")
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["reason"] == "hours"
    assert 1 <= found["counts"]["evaluated"] <= 5
    assert "RUNNING" not in [state for _, state, _, _ in trials(tmp_path)]
    more = nas(tmp_path, "resume", "one", "study.hours=1", "study.trials=6", "--json")
    assert json.loads(more.stdout)["reason"] == "finished"


@pytest.mark.slow
def test_status_of_all_shows_the_others_beside_a_damaged_one(table: Path, tmp_path: Path) -> None:
    assert nas(tmp_path, *words(table, "study.trials=2")).returncode == 0
    damaged = tmp_path / "runs" / "two"
    damaged.mkdir()
    (damaged / "study.db").write_bytes(b"no database " * 400)
    listed = nas(tmp_path, "status", "--json")
    assert listed.returncode == 0, listed.stderr
    states = {study["name"]: study["state"] for study in json.loads(listed.stdout)}
    assert states == {"one": "finished", "two": "damaged"}
    alone = nas(tmp_path, "status", "two")
    assert alone.returncode == 1
    assert alone.stderr.count("error:") == 1
    assert "must be readable and writable" in alone.stderr


@pytest.mark.slow
def test_a_disk_too_full_for_the_mirror_is_told_and_the_study_goes_on(
    table: Path, tmp_path: Path
) -> None:
    # Files of at most 650 kB: MLflow's database needs more from the start, a short study does not.
    arguments = [word for word in words(table, "study.trials=2") if word != "tracking=none"]
    script = LIMIT_FILES.format(size=650_000, words=arguments)
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    assert "beside the study: tracking" in ended.stdout
    assert [state for _, state, _, _ in trials(tmp_path)].count("COMPLETE") >= 2
    for left in (tmp_path / "runs").glob("mlflow.db*"):
        left.unlink()
    tracked = nas(tmp_path, "track", "one")
    assert tracked.returncode == 0, tracked.stdout + tracked.stderr


def test_a_second_driver_that_is_refused_changes_no_setting(table: Path, tmp_path: Path) -> None:
    assert nas(tmp_path, *words(table, "study.trials=2")).returncode == 0
    settings = tmp_path / "runs" / "one" / "settings.yaml"
    before = settings.read_bytes()
    lock = DriverLock(settings.parent)
    lock.acquire()
    try:
        refused = nas(tmp_path, "resume", "one", "study.trials=9")
    finally:
        lock.release()
    assert refused.returncode == 1
    assert "one driver at a time" in refused.stderr
    assert settings.read_bytes() == before


@pytest.mark.parametrize("name", ["a#b", "100%", "a%20b", "{x}", "a b+é"])
def test_a_study_may_have_any_name_that_a_folder_may_have(tmp_path: Path, name: str) -> None:
    storage = StudyStorage.create(tmp_path / name, ["maximize"], {"kept": 1})
    storage.close()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert {path.name for path in (tmp_path / name).iterdir()} >= {"study.db"}
    again = StudyStorage.open(tmp_path / name)
    assert again.get("kept") == 1
    again.close()


@pytest.mark.slow
def test_two_workers_answer_from_the_table_and_one_that_is_killed_is_replaced(
    table: Path, tmp_path: Path
) -> None:
    arguments = words(
        table,
        "execution=processes",
        "execution.workers=2",
        "evaluation.seconds=1",
        "study.trials=8",
    )
    study = subprocess.Popen(
        [sys.executable, "-m", "nas.cli", *arguments], cwd=tmp_path, stdout=subprocess.PIPE
    )
    killed = psutil.Process(study.pid)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if workers := [p for p in killed.children() if "nas.execution" in p.cmdline()]:
            workers[0].kill()
            break
        time.sleep(0.05)
    study.communicate(timeout=200)
    assert study.returncode == 0
    storage = StudyStorage.open(tmp_path / "runs" / "one")
    kinds = [t.outcome.kind if t.outcome else "running" for t in storage.records()]
    storage.close()
    # One more try is the default: no candidate pays for a worker's death.
    assert kinds.count("evaluated") == 8
    assert set(kinds) <= {"evaluated", "refused", "repeated"}
    assert not workers[0].is_running()
