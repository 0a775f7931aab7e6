"""The scripts behind the figures: that they run, and that their arithmetic is right."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.append(str(BENCHMARKS))


def run(numbers: dict[str, float], half: float = 0.01) -> dict[str, Any]:
    return {
        "decide": {
            name: {
                "ratio": ratio,
                "ratio_low": ratio / (1 + half),
                "ratio_high": ratio * (1 + half),
            }
            for name, ratio in numbers.items()
        }
    }


def test_repeatability_is_worked_out_as_by_hand() -> None:
    from latency_parts.invocations import figures

    first = run({"a": 1.0, "b": 2.0, "c": 2.01})
    second = run({"a": 1.005, "b": 2.0, "c": 1.99})
    found = figures([first, second], of="decide", key="ratio")
    assert found["n"] == 3
    assert found["median"] == pytest.approx(math.log(1.005))
    assert found["most"] == pytest.approx(math.log(2.01 / 1.99))
    # b and c change places: of three pairs two agree; those two alone are more than 2 % apart.
    assert found["tau"] == pytest.approx((2 - 1) / 3)
    assert found["tau_2"] == 1.0
    # c is 1.0 % away, just outside its interval of 1 %, both ways; a and b are inside.
    assert found["covered"] == pytest.approx(4 / 6)


def test_intervals_are_replayed_without_what_the_covered_invocation_tells() -> None:
    from latency_parts.replay import replayed

    def invocation(ms: float, half: float = 0.01) -> dict[str, Any]:
        ends = {"ratio_low": 1 / (1 + half), "ratio_high": 1 + half}
        return {"decide": {"a": {"ms": ms, "ratio": 1.0, "gated": True, **ends}}}

    raw = {"as-found": [invocation(5.0), invocation(5.5, half=0.2), invocation(5.0)]}
    # The two of 5.0 ms alone say that milliseconds never move: both miss the one of 5.5, whose own
    # interval is wide. With it, each of them knows better: four of six pairs are covered.
    assert replayed(raw, of="decide", key="ms")["covered"] == pytest.approx(4 / 6)
    assert replayed(raw, of="decide", key="ratio")["covered"] == 1.0
    # Nothing was disturbed: the interval is as it was measured.
    assert replayed(raw, of="decide", key="ratio")["half_width"] == pytest.approx(0.01, rel=0.01)


def test_rungs_are_replayed_as_by_hand() -> None:
    from staged import Training, replayed

    accuracies = {0: 0.5, 1: 0.4, 2: 0.6}
    known = {
        (candidate, rung): Training(candidate, 0, rung, accuracy, None, 10.0**rung)
        for candidate, accuracy in accuracies.items()
        for rung in range(3)
    }
    # The first one climbs through all rungs of 1, 3 and 9 epochs, the worse one ends on the first,
    # the better one climbs again.
    found = replayed(known, [0, 1, 2])
    assert (found.winner, found.epochs, found.seconds) == (2, 13 + 1 + 13, 111 + 1 + 111)
    # The worst of them last, and the best first: one climbs.
    found = replayed(known, [2, 0, 1])
    assert (found.winner, found.epochs, found.seconds) == (2, 13 + 1 + 1, 111 + 1 + 1)


@pytest.mark.slow
@pytest.mark.parametrize("script", ["latency", "papers_latency"])
def test_a_section_that_does_not_exist_is_told_and_the_others_are_listed(script: str) -> None:
    command = [sys.executable, str(BENCHMARKS / f"{script}.py"), "--section", "none"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "invalid choice: 'none'" in done.stderr


@pytest.mark.slow
def test_a_trial_prints_its_section_and_writes_nothing() -> None:
    results = (
        sorted((BENCHMARKS / "results").glob("*")) if (BENCHMARKS / "results").exists() else []
    )
    before = [path.stat().st_mtime_ns for path in results]
    command = [sys.executable, str(BENCHMARKS / "latency.py"), "--section", "lease", "--trial", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "exclusive waiter past three shared holders, longest of 2" in done.stdout
    assert [path.stat().st_mtime_ns for path in results] == before
