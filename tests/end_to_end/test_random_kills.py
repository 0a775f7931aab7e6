"""kill -9 of driver, workers, latency processes and MLflow's server at random moments."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from kills import faults, killing, lost


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_real_search_killed_ten_times_has_lost_nothing(tmp_path: Path) -> None:
    with killing(tmp_path, seed=10) as search:
        search.run(10)
        assert faults(search) == []


def test_a_result_that_the_log_tells_of_and_the_study_lacks_is_lost() -> None:
    told = {"event": "outcome", "trial": 0, "outcome": "evaluated", "accuracy": 0.9}
    assert lost([told, {"event": "note"}], []) == ["lost: trial 0, evaluated, 0.9"]
