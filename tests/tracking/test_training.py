from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from nas.architecture import Architecture
from nas.outcome import EpochResult, Evaluation
from nas.settings import DataSettings, TrainingSettings
from nas.tracking import TrainingRun, store
from nas.trained import TrainedNetwork

RECORD = TrainedNetwork(
    name="mine-001",
    source="mine.json",
    architecture=Architecture.from_text("in1x8x8+stem8-s1+sandglass:16-s2+head0+out10"),
    data=DataSettings(),
    training=TrainingSettings(epochs=3),
    seed=7,
    data_name="digits",
    data_hash="ab" * 8,
)
EPOCHS = tuple(EpochResult(n, 0.5 + n / 10, 2.0 / n, 1.0) for n in (1, 2, 3))
DONE = replace(
    RECORD, evaluation=Evaluation(0.8, 2 / 3, 3.0, 7, EPOCHS), test_accuracy=0.75, test_images=4
)


def found(runs: Path):
    client = store.connect(store.resolve(None, runs), runs)
    experiment = client.get_experiment_by_name("digits-trained")
    (run,) = client.search_runs([experiment.experiment_id])
    steps = [m.step for m in client.get_metric_history(run.info.run_id, "epoch/accuracy")]
    return run, sorted(steps)


def test_a_training_is_one_run_with_its_epochs_and_its_end(runs):
    tracked = TrainingRun(None, runs=runs, record=RECORD)
    for epoch in EPOCHS:
        tracked.epoch(epoch)
    tracked.ended(DONE, status="FINISHED")
    assert tracked.problems == []
    run, steps = found(runs)
    assert steps == [1, 2, 3]
    assert run.info.status == "FINISHED"
    assert run.data.metrics["accuracy"] == 0.8
    assert run.data.metrics["test_accuracy"] == 0.75
    assert run.data.params["training.epochs"] == "3"
    assert run.data.tags["nas.source"] == "mine.json"


def test_a_training_that_goes_on_has_the_run_it_had_and_no_epoch_twice(runs):
    first = TrainingRun(None, runs=runs, record=RECORD)
    first.epoch(EPOCHS[0])
    first.ended(RECORD, status="KILLED")
    assert found(runs)[0].info.status == "KILLED"
    # Killed before its second epoch was written: the end brings it.
    second = TrainingRun(None, runs=runs, record=RECORD)
    second.epoch(EPOCHS[2])
    second.ended(DONE, status="FINISHED")
    run, steps = found(runs)
    assert steps == [1, 2, 3]
    assert run.info.status == "FINISHED"


def test_a_store_that_cannot_be_used_is_told_and_ends_nothing(tmp_path):
    runs = tmp_path / "runs"
    runs.mkdir()
    (runs / "mlflow.db").write_text("no database")
    tracked = TrainingRun(None, runs=runs, record=RECORD)
    tracked.epoch(EPOCHS[0])
    tracked.ended(DONE, status="FINISHED")
    assert any("MLflow store must answer" in problem for problem in tracked.problems)
