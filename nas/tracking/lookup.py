"""From a run in MLflow back to the network it is of: for every verb that takes a run id."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.architecture import Architecture
from nas.errors import TrackingError
from nas.outcome import Outcome
from nas.tracking import legal, store

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

RUNS_SHOWN = 1000


@dataclass(frozen=True)
class TrackedTrial:
    """A trial as its run in MLflow tells it; `settings` and `origin` are those of its study.

    `outcome` is None if the trial was stopped before it had one.
    """

    run: str
    study: str
    number: int
    architecture: Architecture
    outcome: Outcome | None
    settings: Mapping[str, Any]
    origin: Mapping[str, Any]


def trial_of(run: str, *, runs: Path, uri: str | None = None) -> TrackedTrial:
    """The trial that a run in MLflow mirrors.

    Raises:
        TrackingError: there is no such run, it is no trial of a study, or its files are missing.
    """
    where = store.resolve(uri, runs)
    client = store.connect(where, runs)
    with store.said(where):
        found = client.get_run(run)
        tags = found.data.tags
        if not tags.get("nas.trial", "").isdigit():
            raise TrackingError(
                f"run {run}: must be the run of a trial; got {found.info.run_name!r}, which is "
                f"{'a whole study' if 'nas.study' in tags else 'none of ours'}; allowed: one of "
                "the runs below a study"
            )
        value = _file(client, run, "architecture.json")
        outcome = _file(client, run, "outcome.json", optional=True)
        parent = tags.get("mlflow.parentRunId", "")
        return TrackedTrial(
            run=run,
            study=tags.get("nas.study", ""),
            number=int(tags["nas.trial"]),
            architecture=Architecture.from_json(value),
            outcome=Outcome.from_json(outcome) if outcome else None,
            settings=_file(client, parent, "settings.json"),
            origin=_file(client, parent, "origin.json", optional=True),
        )


def trials_tagged(key: str, value: str, *, runs: Path, uri: str | None = None) -> list[str]:
    """The ids of the trials' runs that a person gave a tag in the UI, the oldest first.

    Raises:
        TrackingError: the store does not answer, or no run carries the tag.
    """
    where = store.resolve(uri, runs)
    client = store.connect(where, runs)
    with store.said(where):
        experiments = [e.experiment_id for e in client.search_experiments()]
        asked = f"tags.`{legal.name(key)}` = '{value.replace(chr(39), '')}'"
        found: list[Run] = client.search_runs(
            experiments, asked, max_results=RUNS_SHOWN, order_by=["attributes.start_time ASC"]
        )
    ids = [str(run.info.run_id) for run in found if "nas.trial" in run.data.tags]
    if not ids:
        raise TrackingError(
            f"tag {key}={value}: must be on the run of one trial at least; got none; allowed: a "
            "tag that was set in the MLflow UI, on the page of a run"
        )
    return ids


def _file(client: MlflowClient, run: str, name: str, *, optional: bool = False) -> dict[str, Any]:
    if not run or name not in {file.path for file in client.list_artifacts(run)}:
        if optional:
            return {}
        raise TrackingError(
            f"run {run or '(none)'}: must have the file {name}; got none; allowed: a run that "
            "nas search or nas track wrote"
        )
    with tempfile.TemporaryDirectory(prefix="nas-") as folder:
        path = client.download_artifacts(run, name, folder)
        return dict(json.loads(Path(path).read_text(encoding="utf-8")))
