"""kill -9 at ten points of a study: the trials are those of a study that was never killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import CONSTRAINED, PARETO, run

from nas.study.storage import StudyStorage

KILLED = """
import os, signal, sys
from pathlib import Path
import sqlalchemy
sys.path[:0] = {paths!r}
import tiny

writes = 0

def before_commit(connection):
    global writes
    writes += 1
    if writes == {writes}:
        os.kill(os.getpid(), signal.SIGKILL)

sqlalchemy.event.listen(sqlalchemy.Engine, "commit", before_commit)
tiny.run(Path({folder!r}), proposals={proposals}, sampler={sampler!r}, objective=tiny.{objective})
"""

PROPOSALS = 24
WRITES_PER_TRIAL = 7


def trials(path: Path) -> list[tuple[object, ...]]:
    storage = StudyStorage.open(path)
    try:
        return [
            (t.number, t.state.name, tuple(t.params.items()), t.values, t.user_attrs["nas.outcome"])
            for t in storage.trials
        ]
    finally:
        storage.close()


@pytest.mark.parametrize(
    ("sampler", "objective"),
    [
        ("tpe", "CONSTRAINED"),
        pytest.param("nsga2", "PARETO", marks=pytest.mark.slow),
        pytest.param("nsga3", "PARETO", marks=pytest.mark.slow),
        pytest.param("qmc", "CONSTRAINED", marks=pytest.mark.slow),
        pytest.param("gp", "CONSTRAINED", marks=pytest.mark.slow),
        pytest.param("random", "PARETO", marks=pytest.mark.slow),
    ],
)
def test_a_study_killed_at_ten_points_has_the_trials_of_one_that_was_not(
    tmp_path: Path, sampler: str, objective: str
) -> None:
    chosen = {"CONSTRAINED": CONSTRAINED, "PARETO": PARETO}[objective]
    run(tmp_path / "whole", proposals=PROPOSALS, sampler=sampler, objective=chosen)
    # Killed just before the n-th write of its life: each trial makes seven, so that a few
    # proposals are lost before they are written, and others between outcome and telling.
    rng = random.Random(f"{sampler}-{objective}")
    path = tmp_path / "killed"
    run(path, proposals=1, sampler=sampler, objective=chosen)
    for _ in range(10):
        script = KILLED.format(
            paths=sys.path,
            writes=rng.randint(1, WRITES_PER_TRIAL + 5),
            folder=str(path),
            proposals=PROPOSALS,
            sampler=sampler,
            objective=objective,
        )
        ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
        assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    run(path, proposals=PROPOSALS, sampler=sampler, objective=chosen)
    assert trials(path) == trials(tmp_path / "whole")
