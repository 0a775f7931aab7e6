"""MLflow's server is killed in the middle of a search, or absent from its start."""

from __future__ import annotations

import json
import os
import signal
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hearing import nas
from table_of_tiny import overrides, write_table

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from kills import killing, mirror_faults, records

TIMEOUT_SECONDS = 10
"""What a server that does not answer may cost a study, once; see `nas.tracking.store`."""


def ends(folder: Path) -> list[float]:
    """When each trial of the study ended."""
    log = folder / "runs" / "one" / "log.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    told = [json.loads(line) for line in lines if line.endswith("}")]
    return [event["time"] for event in told if event["event"] == "outcome"]


@pytest.mark.slow
@pytest.mark.parametrize("absent", [False, True], ids=["killed", "absent"])
def test_a_study_does_not_miss_its_server_and_the_mirror_is_whole_at_the_end(
    tmp_path: Path, absent: bool
) -> None:
    with killing(tmp_path, seed=0) as around:
        around.start_server()
        around.wait_for(around.answers, "the server does not answer")
        assert around.server is not None
        if absent:
            os.killpg(around.server.pid, signal.SIGKILL)
        table = write_table(tmp_path / "table.json")
        words = [word for word in overrides(table) if word != "tracking=none"]
        words += ["evaluation.seconds=0.5", "study.trials=48", "sampler=random"]
        words += ["objective.multiply_adds=1e9", "study.report=false"]
        words += [f"tracking.uri=http://127.0.0.1:{around.port}"]
        search = nas(tmp_path, "search", *words)
        around.wait_for(lambda: len(ends(tmp_path)) >= 4, "the search does not go on")
        if not absent:
            os.killpg(around.server.pid, signal.SIGKILL)
            away = len(ends(tmp_path))
            around.wait_for(lambda: len(ends(tmp_path)) >= away + 6, "the search waits")
        around.start_server()
        around.wait_for(around.answers, "the server does not answer")
        output = search.communicate(timeout=200)[0].decode()
        assert search.returncode == 0, output
        trials, _ = records(tmp_path / "runs" / "one")
        kinds = [trial.outcome.kind for trial in trials if trial.outcome]
        assert kinds.count("evaluated") == 48
        assert set(kinds) <= {"evaluated", "repeated"}
        pauses = [late - early for early, late in pairwise(ends(tmp_path))]
        assert max(pauses) < TIMEOUT_SECONDS
        uri = f"http://127.0.0.1:{around.port}"
        assert list(mirror_faults("one", trials, uri)) == []
