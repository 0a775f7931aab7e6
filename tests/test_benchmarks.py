"""The scripts behind the figures: that they run, and that their arithmetic is right."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
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


def test_a_tree_that_differs_in_results_alone_is_not_called_dirty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from latency_parts import record

    results = tmp_path / "benchmarks" / "results"
    results.mkdir(parents=True)
    for path in (results / "a.md", tmp_path / "code.py"):
        path.write_text("old")

    def git(*words: str) -> str:
        own = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words]
        done = subprocess.run(own, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    monkeypatch.setattr(record, "RESULTS", results)
    known = git("describe", "--always")
    assert record.commit() == known
    (results / "a.md").write_text("new")
    assert record.commit() == known
    (tmp_path / "code.py").write_text("new")
    assert record.commit() == f"{known}-dirty"


def test_the_ratio_of_two_networks_holds_the_intervals_of_both() -> None:
    from papers_latency import _over

    def measured(ratio: float, half: float) -> dict[str, float]:
        return {"ms": 9.0, "ratio": ratio, "ratio_low": ratio / half, "ratio_high": ratio * half}

    # exp(sqrt(0.03^2 + 0.04^2)) = 1.0513
    one, other = measured(3.0, math.exp(0.03)), measured(2.0, math.exp(0.04))
    assert _over(one, other) == "1.50 (1.43-1.58)"
    assert _over(one, measured(2.0, 1.0)) == "1.50 (1.46-1.55)"  # beside the reference itself
    assert _over({"ms": 3.0}, {"ms": 2.0}) == "1.50"


def test_intervals_are_replayed_without_what_the_covered_invocation_tells() -> None:
    from latency_parts.replay import replayed

    def invocation(ms: float, half: float = 0.01) -> dict[str, Any]:
        ends = {"ratio_low": 1 / (1 + half), "ratio_high": 1 + half}
        measured = {"a": {"ms": ms, "ratio": 1.0, "gated": True, **ends}}
        return {"decide": measured, "seen": {"machine": "this"}}

    other = {"idle": invocation(9.0)["decide"], "beside": {}, "seen": {"machine": "another"}}
    raw = {"as-found": [invocation(5.0), invocation(5.5, half=0.2), invocation(5.0)]}
    raw["training"] = [other]
    # The two of 5.0 ms alone say that milliseconds never move: both miss the one of 5.5, whose own
    # interval is wide. With it, each of them knows better: four of six pairs are covered.
    assert replayed(raw, "as-found", of="decide", key="ms")["covered"] == pytest.approx(4 / 6)
    found = replayed(raw, "as-found", of="decide", key="ratio")
    assert found["covered"] == 1.0
    # Nothing was disturbed: the interval as it was measured, and what invocations deviate by.
    half = math.hypot(0.01, 1.96 * math.sqrt(2) * 0.008)
    assert found["half_width"] == pytest.approx(half, rel=0.02)


def test_a_repeated_units_cost_is_found_without_the_point_it_has_to_predict() -> None:
    from latency_parts.accuracy import expected_by, held_out

    # A line of 0.1 a repetition through all but the last, which is 3 % above it.
    times = {"1": 1.1, "2": 1.2, "4": 1.4, "8": 1.8 * 1.03}
    one = {"times": times, "units": {"alone": 0.125}}
    assert held_out(one)["8"] == pytest.approx(0.03)
    assert expected_by(one, "alone")["8"] == pytest.approx(1.8 * 1.03 / 2 - 1)


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


def candidate(cpu_seconds: float, validation: float, **changed: Any) -> Any:
    from end_to_end_parts.replay import Candidate

    given = {
        "cpu_seconds": cpu_seconds, "kind": "evaluated", "fingerprint": f"at{cpu_seconds:g}",
        "text": "", "keeps": True, "whole": True, "latency_ms": 1.0, "validation": validation,
        "measuring": 1.0, "training": 4.0, "epochs": 9, "test": validation,
    }  # fmt: skip
    return Candidate(**{**given, **changed})


def test_the_best_so_far_keeps_the_limit_was_trained_whole_and_is_not_refuted() -> None:
    from end_to_end_parts.replay import incumbents

    every = [
        candidate(10, 0.5),
        candidate(20, 0.9, keeps=False),
        candidate(30, 0.8, whole=False),
        candidate(40, 0.7),
        candidate(50, 0.6),
    ]
    assert [one.cpu_seconds for one in incumbents(every, [])] == [10, 40]
    assert [one.cpu_seconds for one in incumbents(every, ["at40"])] == [10, 50]


def test_an_accuracy_is_reached_when_it_is_not_lost_again() -> None:
    from end_to_end_parts.replay import accuracy_at, reached

    curve = [
        candidate(10, 0.5),
        candidate(20, 0.6, test=0.8),
        candidate(30, 0.7, test=0.6),
        candidate(40, 0.8, test=0.75),
    ]
    assert reached(curve, 0.7) == 40
    assert reached(curve, 0.6) == 20
    assert reached(curve, 0.9) is None
    assert accuracy_at(curve, 5) is None
    assert accuracy_at(curve, 35) == 0.6


def test_cpu_seconds_at_a_moment_lie_between_the_samples() -> None:
    from end_to_end_parts.sides import spans

    samples = [(100.0, 0.0), (110.0, 5.0), (120.0, 15.0)]
    events = [
        {"time": 104.0, "event": "stage", "trial": 0, "stage": "measuring"},
        {"time": 110.0, "event": "stage", "trial": 0, "stage": "training"},
        {"time": 115.0, "event": "epoch", "trial": 0},
        {"time": 117.0, "event": "outcome", "trial": 0},
    ]
    found = spans(events, samples)
    # 0.5 CPU seconds a second at first, then 1.
    assert found[None]["start"] == pytest.approx(2.0)
    assert found[0] == pytest.approx({"measuring": 3.0, "training": 7.0, "between": 3.0})


def test_what_the_script_wastes_and_the_rungs_save_is_counted_as_by_hand() -> None:
    from end_to_end_parts.contributions import rungs_saved, wasted
    from end_to_end_parts.setting import Setting

    every = [
        candidate(10, 0.5),
        candidate(20, 0.5, keeps=False, training=6.0),
        candidate(40, 0.5, kind="repeated", training=7.0),
    ]
    run = {"candidates": [one.to_json() for one in every]}
    assert wasted(run) == pytest.approx((6 / 40, 8 / 40))
    rungs = [candidate(10, 0.5, training=2.0, epochs=1), candidate(20, 0.5, training=13, epochs=13)]
    run = {"candidates": [one.to_json() for one in rungs]}
    # Two and one CPU seconds an epoch, nine epochs: 27 of 15 that were spent.
    assert rungs_saved(run, Setting(epochs=9)) == pytest.approx(27 / 15)


def test_the_script_of_a_user_measures_trains_and_penalises_a_candidate(tmp_path: Path) -> None:
    from end_to_end_parts.script import examined, told
    from end_to_end_parts.setting import Setting
    from training import data_set

    from search_spaces import Mixed

    space = Mixed(input=(1, 28, 28), classes=10, widths=(12,), depths=(1,))
    genes = {gene.name: gene.options[0] for gene in space.genes}
    setting = Setting(epochs=1, batch_size=8)
    found = examined(genes, space, data_set(16, 8), setting, 1e-6, tmp_path / "w.safetensors", 0)
    assert found["latency_ms"] > 0
    assert not found["keeps"]
    assert found["told"] < found["validation"]
    assert (tmp_path / "w.safetensors").exists()
    # Half as slow again as the limit with its 2.5 %: half a point of accuracy is taken off.
    assert told(0.8, 1.5 * 1.025, 1.0) == pytest.approx(0.3)
    assert told(0.8, 1.02, 1.0) == 0.8


def test_a_program_is_ended_at_its_budget_of_cpu_seconds_and_its_children_count(
    tmp_path: Path,
) -> None:
    from end_to_end_parts.tree import Tree, run_beside

    busy = f"while True: pass  # {tmp_path}"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"
    tree = Tree([sys.executable, "-c", child], output=tmp_path / "out", budget_seconds=0.5)
    run_beside([tree], [], seconds=300)
    assert 0.5 <= tree.samples[-1][1] < 30
    assert not tree.ended_in_budget
    alive = [word for one in psutil.process_iter(["cmdline"]) for word in one.info["cmdline"] or ()]
    assert busy not in alive


def test_the_page_of_overhead_tells_the_latest_of_each_study_under_one_heading() -> None:
    from overhead_page import page

    around = {"load": 1.0, "machine": "m", "versions": "v"}
    growth = {"section": "growth", "of": "tpe, one objective", "wall_ms": 9.0, "mib": 200, **around}
    rows = [
        {**growth, "mark": 100, "cpu_ms": 70.0, "process_from": 0},
        {**growth, "mark": 1000, "cpu_ms": 90.0, "process_from": 500},
        {"section": "draws", "of": "tpe, one objective", "mark": 100, "cpu_ms": 5.0, **around},
    ]
    found = page(rows, studies=[growth["of"]], marks=(10, 100, 1000, 5000), window=50, draws=5)
    lines = found.splitlines()
    heads = [line for line in lines if line.startswith("#")]
    assert len(heads) == len(set(heads)) == 4
    first, second = (line for line in lines if line.startswith("| tpe, one objective"))
    assert first.split(" | ")[1:4] == [
        "-", "70 (9), 200 MiB, 1.0", "90 (9), 200 MiB (process from 500), 1.0"
    ]  # fmt: skip
    assert second == "| tpe, one objective | 5.0 | - | - | - |"


def test_the_newest_row_of_overhead_stands_and_tells_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import overhead

    old = {"section": "draws", "of": "a", "mark": 100, "machine": "old"}
    rows = [old, {**old, "mark": 1000}, {**old, "machine": "new"}]
    monkeypatch.setattr(overhead, "ROWS", tmp_path / "rows.jsonl")
    overhead.ROWS.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [(row["mark"], row["machine"]) for row in overhead.written()] == [
        (1000, "old"),
        (100, "new"),
    ]


def test_images_that_tell_all_networks_apart_gain_all_there_is_to_gain() -> None:
    from end_to_end_parts.luck import sentence

    def said(of: Callable[[int, int], tuple[float, float]]) -> str:
        rows = {str(n): [of(n, seed) for seed in range(2)] for n in range(24)}
        return sentence({"of": 30, "accuracies": rows})

    told = said(lambda n, seed: (0.5 + n / 100, 0.6 + n / 100))
    assert "differ by 7.1 points" in told  # sqrt(24 * 25 / 12)
    assert "two seeds of one by 0.0" in told
    assert "a tau of 1.00" in told
    # Of 12 of 24 the best is number 22.08 in the mean: 12 / 13 * 25 - 1; the mean is 11.5.
    assert (
        "+10.6 points of test accuracy against the mean network, the truly best of 12 +10.6" in told
    )
    assert "a tau of -1.00" in said(lambda n, seed: (0.5 - n / 100, 0.6 + n / 100))
