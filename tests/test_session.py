from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import nas
from nas.errors import InputError, SettingsError, StudyError
from nas.export.source import find
from nas.report.story import read_story
from nas.session import resume
from nas.status import status

QUICK = (
    "training.epochs=1",
    "objective.latency_ms=50",
    "study.sustained_seconds=0",
    "space.widths=[12,24]",
    "space.depths=[1]",
    "space.start_from=[]",
    "tracking=none",
)


@pytest.mark.slow
def test_a_search_from_python_returns_what_its_study_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = nas.search(*QUICK, "study.trials=2", "study.name=one")
    assert found.reason == "finished"
    assert found.counts.evaluated == 2
    assert found.problems == ()
    assert len(found.winners) == 2
    assert Path(found.report).read_text().count("<figure>") >= 5
    tested = json.loads(json.dumps(read_story(tmp_path / "runs" / "one").finalists))
    assert [one["trial"] for one in tested] == [*(f.trial for f in found.winners), None]
    for finalist in (*found.winners, found.reference):
        assert finalist is not None
        assert finalist.test_accuracy is not None
        assert finalist.outcome.latency is not None
        assert finalist.outcome.latency.low < finalist.outcome.latency.high
        assert finalist.outcome.evaluation is not None
    assert found.reference is not None
    for finalist in (*found.winners, found.reference):
        assert [one.seed for one in finalist.seeds] == [0, 1, 2]
    weights = [path.read_bytes() for path in checkpoints(tmp_path)]
    assert len(set(weights)) == len(weights) > len(found.reference.seeds)
    tests = [one.test for one in found.reference.seeds]
    assert found.reference.test_accuracy == pytest.approx(sum(tests) / 3)
    # 397 test images, ten classes of digits.
    assert sum(map(sum, found.winners[0].confusion)) == 397
    assert len(found.winners[0].classes) == 10
    assert found.difference is not None
    assert found.difference.low <= found.difference.mean <= found.difference.high
    assert [one.name.partition(":")[0] for one in found.by_costs] == ["most FLOPs", "slowest"]
    assert all(one.test_accuracy is not None for one in found.by_costs)
    # What is exported knows what was certified.
    certificate = find("one", folder=tmp_path / "runs").certificate
    assert certificate is not None
    assert certificate == found.winners[0].certificate
    (stood,) = status(tmp_path / "runs")
    assert stood.state == "finished"
    assert stood.counts == found.counts
    assert stood.best is not None
    events = [
        json.loads(line)["event"]
        for line in (tmp_path / "runs" / "one" / "log.jsonl").read_text().splitlines()
    ]
    assert events[0] == "started"
    assert events[-1] == "stopped"
    assert events.count("outcome") == found.counts.proposals

    kept = {path.name: path.stat().st_mtime_ns for path in checkpoints(tmp_path)}
    # A report that cannot be written costs the search nothing else.
    page = Path(found.report)
    page.unlink()
    page.mkdir()
    more = resume("one", ["study.trials=3"], folder=tmp_path / "runs", command="test")
    assert more.counts.evaluated == 3
    assert more.report == ""
    assert [p.partition(":")[0] for p in more.problems] == ["report of one"]
    assert more.reference is not None
    assert more.reference.seeds == found.reference.seeds
    assert kept.items() <= {p.name: p.stat().st_mtime_ns for p in checkpoints(tmp_path)}.items()

    # Another target and another limit: measured there, and nothing is trained again, not even the
    # reference network or the other seeds of finalists.
    shutil.copytree(tmp_path / "runs" / "one", tmp_path / "before")
    other = ("target=openvino", "objective.latency_ms=60", "study.sustained_seconds=0")
    moved = nas.search("study.source=one", *other, "study.name=two", "study.trials=3")
    assert moved.counts.evaluated == 3
    assert moved.problems == ()
    events = [
        json.loads(line)
        for line in (tmp_path / "runs" / "two" / "log.jsonl").read_text().splitlines()
    ]
    assert [e for e in events if e["event"] == "epoch"] == []
    assert not [e for e in events if "trainings with other seeds" in e.get("message", "")]
    before = {
        t.architecture.fingerprint: t.outcome for t in read_story(tmp_path / "before").records
    }
    for trial in read_story(tmp_path / "runs" / "two").records:
        assert trial.outcome is not None
        known = before[trial.architecture.fingerprint]
        assert known is not None
        if trial.outcome.evaluation:
            assert known.evaluation is not None
            assert trial.outcome.evaluation.accuracy == known.evaluation.accuracy
        assert trial.outcome.latency is None or "openvino" in trial.outcome.latency.target
    assert moved.reference is not None
    assert moved.reference.test_accuracy == more.reference.test_accuracy
    # What weights are linked is never written into.
    assert {p.name: p.read_bytes() for p in (tmp_path / "before" / "checkpoints").iterdir()} == {
        p.name: p.read_bytes() for p in (tmp_path / "runs" / "one" / "checkpoints").iterdir()
    }

    with pytest.raises(InputError, match=r"training\.epochs: 1 -> 2"):
        resume("one", ["training.epochs=2"], folder=tmp_path / "runs", command="test")
    with pytest.raises(StudyError, match="needs a new name"):
        nas.search(*QUICK, "study.name=one")


def checkpoints(folder: Path) -> list[Path]:
    return sorted((folder / "runs" / "one" / "checkpoints").glob("*.safetensors"))


def test_a_start_that_is_not_in_the_space_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=r"space\.start_from"):
        nas.search(*QUICK, "space.start_from=[mobilenext_x1_0]")
    assert not (tmp_path / "runs").exists()


def test_a_list_that_means_nothing_to_a_space_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="space shufflenet_v2"):
        nas.search("space=shufflenet_v2", "space.groups=[1,2]")


@pytest.mark.slow
def test_a_search_in_rungs_trains_the_best_on_the_whole_budget_and_shows_the_others_in_mlflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rungs = ("evaluation=rungs", "training.epochs=4", "evaluation.fractions=[0.25,0.5,1]")
    rungs += ("evaluation.seeds=2",)
    quick = [word for word in QUICK if not word.startswith(("training", "tracking"))]
    found = nas.search(*quick, *rungs, "study.trials=5", "study.name=one")
    assert found.problems == ()
    assert found.counts.evaluated == 5
    for finalist in found.winners:
        assert finalist.outcome.evaluation is not None
        assert [r.epochs for r in finalist.outcome.evaluation.rungs] == [1, 2, 4]
        assert finalist.test_accuracy is not None
    # The reference is trained once, for all epochs.
    assert found.reference is not None
    assert found.reference.outcome.evaluation is not None
    assert found.reference.outcome.evaluation.rungs == ()
    kept = sorted(path.name for path in (tmp_path / "runs" / "one" / "checkpoints").iterdir())
    assert not [name for name in kept if "rung" in name]

    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/runs/mlflow.db")
    experiments = [e.experiment_id for e in client.search_experiments()]
    runs = client.search_runs(experiments, "tags.`nas.outcome` = 'evaluated'")
    assert len(runs) == 5
    for run in runs:
        last = int(run.data.tags["nas.rung"])
        accuracies = [run.data.metrics[f"rung{n}/accuracy"] for n in range(last + 1)]
        assert run.data.metrics["accuracy"] == pytest.approx(accuracies[-1])
