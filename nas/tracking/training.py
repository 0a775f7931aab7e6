"""A training to the end in MLflow: one run, written beside the training and brought up to date."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.outcome import EpochResult
from nas.tracking import legal, store
from nas.tracking.calls import batches, experiment_named, run_pages, write_dataset
from nas.tracking.origin import origin
from nas.tracking.rows import epoch_points
from nas.tracking.writer import Writer

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from nas.trained import TrainedNetwork

FINISH_SECONDS = 30.0
STEP = "epoch/accuracy"
"""The metric whose steps tell which epochs a run has."""


@dataclass(frozen=True)
class _State:
    record: TrainedNetwork
    epochs: tuple[tuple[EpochResult, float], ...] = ()
    status: str = "RUNNING"


class TrainingRun:
    """The MLflow run of one training; like the mirror of a study it never raises.

    A training that goes on has the run it had. What went wrong is in `problems`.
    """

    def __init__(self, uri: str | None, *, runs: Path, record: TrainedNetwork) -> None:
        self.problems: list[str] = []
        self.run = ""
        self._uri = store.resolve(uri, runs)
        self._folder = runs
        self._state = _State(record)
        self._client: MlflowClient | None = None
        self._steps: set[int] = set()
        self._known: dict[str, Any] = {}
        self._tagged = False
        self._writer: Writer[_State] = Writer(
            prepare=self._prepare, write=self._write, told=self._tell
        )
        self._writer.put(None, self._state)
        self._writer.start()

    def epoch(self, result: EpochResult) -> None:
        """Another epoch ended."""
        epochs = (*self._state.epochs, (result, time.time()))
        self._put(replace(self._state, epochs=epochs))

    def ended(self, record: TrainedNetwork, *, status: str) -> None:
        """It came to its end, or did not; waits, not for ever, until that is written."""
        epochs = self._state.epochs
        if record.evaluation is not None:
            # Among them those that a process that was killed had no time to write.
            times = {result.epoch: at for result, at in epochs}
            now = time.time()
            epochs = tuple((one, times.get(one.epoch, now)) for one in record.evaluation.epochs)
        self._put(_State(record, epochs, status))
        if self._writer.finish(FINISH_SECONDS):
            self._tell(f"tracking: the run of {record.name} is not whole in MLflow")

    def _put(self, state: _State) -> None:
        self._state = state
        self._writer.put(None, state)

    def _tell(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def _prepare(self) -> None:
        client = store.connect(self._uri, self._folder)
        with store.said(self._uri):
            self._open(client)
        self._client = client

    def _open(self, client: MlflowClient) -> None:
        record = self._state.record
        experiment = experiment_named(
            client, self._uri, f"{record.data_name}-trained", self._folder
        )
        identity = _digest(record)
        query = f"tags.`nas.trained` = '{record.name}' and tags.`nas.identity` = '{identity}'"
        found = next(run_pages(client, experiment, query), None)
        if found is None:
            tags = {"nas.trained": record.name, "nas.identity": identity}
            found = client.create_run(experiment, tags=tags, run_name=record.name)
            write_dataset(client, found.info.run_id, (record.data_name, record.data_hash))
        self.run = found.info.run_id
        self._known = {**found.data.params, **found.data.metrics}
        history = client.get_metric_history(self.run, STEP) if STEP in self._known else ()
        self._steps = {metric.step for metric in history}

    def _write(self, state: _State) -> None:
        assert self._client is not None  # _prepare() made it
        with store.said(self._uri):
            self._write_values(self._client, state)
            if state.status == "RUNNING":
                self._client.update_run(self.run, status="RUNNING")
            else:
                self._client.set_terminated(self.run, state.status)

    def _write_values(self, client: MlflowClient, state: _State) -> None:
        from mlflow.entities import Metric, Param, RunTag

        missing = [one for one in state.epochs if one[0].epoch not in self._steps]
        points = [point for one, at in missing for point in epoch_points(one, at)]
        metrics = [Metric(p.key, p.value, int(p.time * 1000), p.step) for p in points]
        now = int(time.time() * 1000)
        finals = legal.metrics(_finals(state.record))
        metrics += [Metric(k, v, now, 0) for k, v in finals.items() if self._known.get(k) != v]
        params = {k: v for k, v in _params(state.record).items() if k not in self._known}
        tags = {} if self._tagged else _tags(state.record)
        for batch in batches(
            metrics=metrics,
            params=[Param(k, v) for k, v in params.items()],
            tags=[RunTag(k, v) for k, v in tags.items()],
        ):
            client.log_batch(self.run, **batch)
        self._known |= {**finals, **params}
        self._tagged = True
        self._steps |= {one.epoch for one, _ in missing}


def _digest(record: TrainedNetwork) -> str:
    return hashlib.sha256(json.dumps(record.identity, sort_keys=True).encode()).hexdigest()[:16]


def _finals(record: TrainedNetwork) -> Mapping[str, float | None]:
    found = record.evaluation
    if found is None:
        return {}
    return {
        "accuracy": found.accuracy,
        "test_accuracy": record.test_accuracy,
        "loss": found.loss,
        "seconds/training": found.seconds,
    }


def _params(record: TrainedNetwork) -> dict[str, str]:
    values = {f"training.{name}": value for name, value in asdict(record.training).items()}
    values |= {f"data.{name}": value for name, value in asdict(record.data).items()}
    return legal.params({**values, "seed": record.seed, "architecture": record.architecture.text})


def _tags(record: TrainedNetwork) -> dict[str, str]:
    return legal.tags(
        {
            "nas.source": record.source,
            "nas.study": record.study or None,
            "nas.trial": record.trial,
            "nas.fingerprint": record.architecture.fingerprint,
            "nas.command": record.command or None,
            "nas.origin": json.dumps(origin()),
            "mlflow.note.content": f"`{record.source}` trained to the end on {record.data_name}.",
        }
    )
