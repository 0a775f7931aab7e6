"""kill -9 at ten points of a study: the trials are those of a study that was never killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from table_of_tiny import overrides, write_table

from nas.study.storage import StudyStorage

KILLED = """
import os, signal, sys
import sqlalchemy
sys.path[:0] = {paths!r}
from nas.cli import main

writes = 0

def before_commit(connection):
    global writes
    writes += 1
    if writes == {writes}:
        os.kill(os.getpid(), signal.SIGKILL)

sqlalchemy.event.listen(sqlalchemy.Engine, "commit", before_commit)
main({words!r})
"""

PROPOSALS = 24
WRITES_PER_TRIAL = 4
PARETO = ("objective=pareto", "objective.quantities=[accuracy,multiply_adds]")


def trials(folder: Path) -> list[tuple[object, ...]]:
    storage = StudyStorage.open(folder / "one")
    try:
        return [
            (t.number, t.state.name, tuple(t.params.items()), t.values, t.user_attrs["nas.outcome"])
            for t in storage.trials
        ]
    finally:
        storage.close()


def nas(*words: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "nas.cli", *words], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampler", "objective"),
    [
        ("tpe", ()),
        ("nsga2", PARETO),
        ("nsga3", PARETO),
        ("qmc", ()),
        ("gp", ()),
        ("random", PARETO),
        # One worker with a candidate ready.
        ("nsga2", ("execution=processes", "execution.workers=1")),
        ("hamming_gp", ()),
        ("hamming_gp", PARETO),
        ("mutation", PARETO),
    ],
)
def test_a_study_killed_at_ten_points_has_the_trials_of_one_that_was_not(
    tmp_path: Path, sampler: str, objective: tuple[str, ...]
) -> None:
    table = write_table(tmp_path / "tiny.json")
    chosen = (f"sampler={sampler}", "sampler.startup_trials=5", "sampler.population=6", *objective)
    asked = [*overrides(table, *chosen), "study.trials=1000"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    nas("search", *asked, f"study.max_proposals={PROPOSALS}", f"study.folder={whole}")
    nas("search", *asked, "study.max_proposals=1", f"study.folder={killed}")
    # Killed just before the n-th write of its life: each trial makes four, so that a few
    # proposals are lost before they are written, and others between outcome and telling.
    rng = random.Random(f"{sampler}-{objective}")
    on = ["resume", "one", f"study.max_proposals={PROPOSALS}", f"study.folder={killed}"]
    for _ in range(10):
        writes = rng.randint(1, WRITES_PER_TRIAL + 5)
        script = KILLED.format(paths=sys.path, writes=writes, words=on)
        ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
        assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    nas(*on)
    assert trials(killed) == trials(whole)
