from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from dask_cluster import one_core, scheduled, there
from tracked_studies import latency, outcome, record, study_info, trial_runs

import nas
from nas.cli import main
from nas.errors import TrackingError
from nas.latency.target import cores, target_of
from nas.names import resolve
from nas.outcome import RungResult
from nas.repeating import _accuracies_agree, _latencies_agree, _settings, repeat
from nas.settings import TargetSettings
from nas.settings.compose import compose
from nas.settings.stored import plain
from nas.tracking import TrackedTrial, track

QUICK = (
    "training.epochs=1",
    "objective.latency_ms=50",
    "objective.multiply_adds=600000",
    "space.widths=[12,24]",
    "space.depths=[1]",
    "space.start_from=[]",
    "study.trials=1",
    "study.sustained_seconds=0",
    "study.report=false",
    "evaluation.seeds=1",
)


@pytest.mark.slow
def test_a_trial_comes_out_as_it_did_though_its_study_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    found = nas.search(*QUICK, "study.name=gone")
    assert found.problems == ()
    (winner,) = found.winners
    shutil.rmtree(tmp_path / "runs" / "gone")
    run = trial_runs(tmp_path / "runs")[winner.trial or 0].info.run_id
    assert resolve(run, folder=tmp_path / "runs") == winner.outcome.architecture
    assert main(["repeat", run, "--json"]) in (0, 1)  # a machine may be too busy for its latency
    told = json.loads(capsys.readouterr().out)
    # Same seed, same images, same machine: not merely within the noise.
    assert told["now"]["evaluation"]["accuracy"] == told["then"]["evaluation"]["accuracy"]
    assert told["now"]["costs"] == told["then"]["costs"]
    assert told["accuracy_agrees"] is True
    assert told["latency_agrees"] in (True, False)
    assert told["remarks"] == []
    with pytest.raises(TrackingError, match="0" * 32):
        repeat("0" * 32, runs=tmp_path / "runs")


@pytest.mark.slow
# The other kind of machine is this one held to one core: with one core there is none.
@pytest.mark.skipif(cores() < 2, reason="a machine of one core has no other kind in it")
def test_a_trial_measured_on_a_cluster_is_measured_again_on_its_kind_of_machine(
    tmp_path: Path,
) -> None:
    kind = target_of(TargetSettings()).machine
    with scheduled(tmp_path) as (address, worker):
        worker("--resources", "latency=1")
        with one_core():
            worker("--resources", "latency=1")
        there(address, 2)
        words = ["target.where=dask", f"target.scheduler={address}", "objective.latency_ms=1e-3"]
        words += ["training.memory_format=contiguous", "training.precision=float32"]
        settings = compose(words)
        target = target_of(settings.target, machine=kind)
        then = replace(outcome("refused"), latency=latency(target=target.key))
        study = study_info(settings=plain(settings))
        track(study, [record(0, then)], runs=tmp_path / "runs", reason="finished")
        # Another study measures on the other kind, and would be followed.
        other = target_of(settings.target, machine=f"{kind.rpartition('-')[0]}-1c")
        assert target_of(settings.target).key == other.key
        found = repeat(trial_runs(tmp_path / "runs")[0].info.run_id, runs=tmp_path / "runs")
    assert found.now.latency is not None
    assert found.now.latency.target == target.key != other.key


def test_accuracies_agree_within_two_standard_errors_of_their_difference() -> None:
    # A standard error of 0.01 each: 0.0141 of the difference, so 0.0283 at most.
    then = outcome(accuracy=0.90)
    assert _accuracies_agree(then, outcome(accuracy=0.928), 0.01)
    assert _accuracies_agree(then, outcome(accuracy=0.929), 0.01) is False
    assert _accuracies_agree(then, outcome("refused"), 0.01) is None


def test_a_trial_that_ended_on_a_lower_rung_is_trained_as_long_as_that_rung_was() -> None:
    whole = outcome()
    assert whole.evaluation is not None
    rungs = (
        RungResult(epochs=1, accuracy=0.6, seconds=1),
        RungResult(epochs=3, accuracy=0.8, seconds=3),
    )
    then = replace(whole, evaluation=replace(whole.evaluation, rung=1, rungs=rungs))
    told = {"evaluation": {"name": "rungs"}, "training": {"epochs": 9}}
    trial = TrackedTrial("0" * 32, "one", 3, then.architecture, then, told, {})
    settings = _settings(trial, then, Path("elsewhere"))
    assert settings.training.epochs == 3
    assert settings.evaluation.name == "full"
    assert settings.study.folder == "elsewhere"
    assert _settings(trial, whole, Path("elsewhere")).training.epochs == 9
    assert _accuracies_agree(then, whole, 0.01)


def test_latencies_agree_when_the_intervals_of_their_ratios_meet() -> None:
    then = latency(1.0, ratio_low=0.95, ratio_high=1.05)
    assert _latencies_agree(then, latency(2.0, ratio_low=1.04, ratio_high=1.10))
    assert _latencies_agree(then, latency(1.0, ratio_low=1.06, ratio_high=1.10)) is False
    assert _latencies_agree(then, replace(then, target="ssh://board")) is None
    assert _latencies_agree(then, None) is None


def test_what_is_no_run_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["repeat"]) == 2
    assert "takes the id of one trial's run in MLflow; got none" in capsys.readouterr().err
