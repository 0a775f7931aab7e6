"""Calls of MLflow's client that need more than a line."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.events import StudyInfo
from nas.tracking import legal, store, view

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

PARAMS_PER_BATCH = 100
METRICS_PER_BATCH = 1000
RUNS_PER_PAGE = 1000
DATASET_CHARACTERS = 500
DIGEST_CHARACTERS = 36


def experiment_of(client: MlflowClient, uri: str, study: StudyInfo, runs: Path) -> str:
    """The id of the experiment of this data and space; one that was deleted is restored."""
    return experiment_named(client, uri, f"{study.data}-{study.space}", runs)


def experiment_named(client: MlflowClient, uri: str, name: str, runs: Path) -> str:
    """The id of the experiment of this name, which is made, or restored if it was deleted."""
    from mlflow.exceptions import MlflowException

    name = legal.cut(name, legal.EXPERIMENT_CHARACTERS)
    found = client.get_experiment_by_name(name)
    if found is None:
        place = store.artifact_location(uri, runs, name)
        try:
            return str(client.create_experiment(name, place, dict([view.EXPERIMENT_KIND])))
        except MlflowException:
            found = client.get_experiment_by_name(name)  # another study was faster
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def run_pages(client: MlflowClient, experiment: str, query: str) -> Iterator[Run]:
    """All runs that a query finds."""
    token: str | None = None
    while True:
        page = client.search_runs([experiment], query, max_results=RUNS_PER_PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def write_files(client: MlflowClient, run: str, files: Mapping[str, str]) -> None:
    """Keep texts as artifacts of a run, by their names."""
    if not files:
        return
    with tempfile.TemporaryDirectory(prefix="nas-") as folder:
        for name, text in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        client.log_artifacts(run, folder)
    # MLflow keeps the way to a run's files for the next ones, with a queue and a pool of threads:
    # some kilobytes for each of a thousand runs, none of which gets any more.
    from mlflow.tracking._tracking_service import utils

    getattr(utils, "_artifact_repos_cache", {}).pop(run, None)


def write_dataset(client: MlflowClient, run: str, dataset: tuple[str, str]) -> None:
    """Name the images as an input of a run; a second time changes nothing."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    name, digest = dataset
    entity = Dataset(
        name=legal.cut(name, DATASET_CHARACTERS),
        digest=digest[:DIGEST_CHARACTERS],
        source_type="code",
        source=json.dumps({"data": name}),
    )
    context = InputTag("mlflow.data.context", "training and validation")
    client.log_inputs(run, [DatasetInput(entity, [context])])


def batches(*, metrics: list[Any], params: list[Any], tags: list[Any]) -> Iterator[Any]:
    """As few log_batch calls as MLflow's limits allow (100 params, 100 tags, 1,000 in all)."""
    room = METRICS_PER_BATCH - 2 * PARAMS_PER_BATCH
    while metrics or params or tags:
        last = len(metrics) <= room and len(params) <= PARAMS_PER_BATCH
        yield {
            "metrics": metrics[:room],
            "params": params[:PARAMS_PER_BATCH],
            "tags": tags[:PARAMS_PER_BATCH] if last else [],
        }
        metrics, params = metrics[room:], params[PARAMS_PER_BATCH:]
        if last:
            tags = tags[PARAMS_PER_BATCH:]
