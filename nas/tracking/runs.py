"""The MLflow runs of one study, and writing what is missing in them.

Run ids cannot be chosen and names are not unique, so runs are found by their tags `nas.study`,
`nas.identity` and `nas.trial`. Everything a run already holds is left as it is: MLflow appends
to metrics and refuses to change params.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nas.errors import TrackingError
from nas.events import StudyInfo
from nas.tracking import store, view
from nas.tracking.calls import batches, experiment_of, run_pages, write_dataset, write_files
from nas.tracking.known import DONE, WINNER, KnownRun, known_run
from nas.tracking.rows import Row
from nas.tracking.state import Point, Winners

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

PARENT = "mlflow.parentRunId"


class StudyRuns:
    """The runs of one study in one store; to be used by one thread."""

    def __init__(self, uri: str, study: StudyInfo, *, runs: Path) -> None:
        self._uri = uri
        self._study = study
        self._folder = runs
        self._client: MlflowClient | None = None
        self._experiment = ""
        self._known: dict[int | None, KnownRun] = {}
        self._viewed = False
        self._reported = ""

    def open(self) -> None:
        """Find the experiment, or make it, and what it already holds of this study.

        Raises:
            TrackingError: the store does not answer.
        """
        client = self._client or store.connect(self._uri, self._folder)
        with store.said(self._uri):
            self._experiment = experiment_of(client, self._uri, self._study, self._folder)
            known = self._read(client)
        if self._client is not None:
            # Behind an outage, or at the end: most of what is done is not written again.
            known = {n: one.released() if n is not None and one.status in DONE else one
                     for n, one in known.items()}  # fmt: skip
        self._known, self._client = known, client

    @property
    def trials(self) -> dict[int, str]:
        """The status of each trial that has a run."""
        return {n: known.status for n, known in self._known.items() if n is not None}

    @property
    def experiment(self) -> str:
        """The id of the experiment."""
        return self._experiment

    @property
    def parent(self) -> str | None:
        """The id of the study's own run, once there is one."""
        known = self._known.get(None)
        return known.id if known else None

    @property
    def address(self) -> str:
        """Where the UI shows the study's candidates, from the root of the server."""
        if self.parent is None:
            return ""
        address = view.saved_address if _is_view_tried() else view.plain_address
        return address("", self._experiment, self.parent)

    def keep(self, report: Path) -> None:
        """Keep a report and the pictures beside it with the study's own run.

        Raises:
            TrackingError: the store refused or did not answer.
        """
        assert self._client is not None  # open() comes first
        with store.said(self._uri):
            for file in (report, *sorted(report.parent.glob("*.png"))):
                self._client.log_artifact(self._known[None].id, str(file), view.REPORT)
        self._reported = report.name

    @property
    def report(self) -> str:
        """Where the UI shows the study's report, from the root of the server, once there is one."""
        if not self.parent or not self._reported:
            return ""
        return view.artifact_address(self._experiment, self.parent, self._reported)

    def mark(self, winners: Winners) -> None:
        """Tag the winners, and take the tag from those that are none any more.

        Raises:
            TrackingError: the store refused or did not answer.
        """
        assert self._client is not None  # open() comes first
        places = {number: str(place) for place, number in enumerate(winners.trials, 1)}
        with store.said(self._uri):
            for number, known in self._known.items():
                place = places.get(number) if number is not None else None
                if known.tags.get(WINNER) == place:
                    continue
                if place is None:
                    self._client.delete_tag(known.id, WINNER)
                    del known.tags[WINNER]
                else:
                    self._client.set_tag(known.id, WINNER, place)
                    known.tags[WINNER] = place

    def _show(self, client: MlflowClient, parent: str) -> None:
        """Give the study its saved view, in a version of MLflow where that was tried."""
        if _is_view_tried():
            tag = view.tag(self._study.name, parent, created=time.time())
            client.set_experiment_tag(self._experiment, *tag)
        self._viewed = True

    def write(self, row: Row) -> bool:
        """Write what is missing of this run; returns whether anything was.

        Raises:
            TrackingError: the store refused or did not answer; what got through stays known.
        """
        assert self._client is not None  # open() comes first
        with store.said(self._uri):
            return self._write(self._client, row)

    def _write(self, client: MlflowClient, row: Row) -> bool:
        tags = dict(row.tags)
        if row.trial is not None:
            if self.parent is None:
                raise TrackingError(
                    f"tracking, trial {row.trial}: the study's own run must be written before its "
                    "trials; got none yet"
                )
            tags[PARENT] = self.parent
        known = self._known.get(row.trial)
        if known is not None and not known.whole:
            known = self._known[row.trial] = known_run(client.get_run(known.id))
        wrote = known is None
        if known is None:
            if not row.create:
                return False
            known = self._known[row.trial] = self._created(client, row, tags)
        wrote |= self._write_values(client, known, row, tags)
        if not known.files:
            write_files(client, known.id, row.artifacts())
            if row.dataset:
                write_dataset(client, known.id, row.dataset)
            # A trial that is shown while it runs has its outcome only at its end.
            known.files = row.trial is None or row.status in DONE
            wrote |= row.trial is not None
        if row.trial is None and not self._viewed:
            self._show(client, known.id)
        if known.name != row.name:
            client.update_run(known.id, name=row.name)
            known.name = row.name
            wrote = True
        if known.status != row.status:
            _set_status(client, known.id, row)
            known.status = row.status
            wrote = True
        if row.trial is not None and row.status in DONE:
            self._known[row.trial] = known.released()
        return wrote

    def _created(self, client: MlflowClient, row: Row, tags: dict[str, str]) -> KnownRun:
        run = client.create_run(
            self._experiment,
            start_time=_milliseconds(row.started),
            tags=tags,
            run_name=row.name,
        )
        return KnownRun(run.info.run_id, row.name, "RUNNING", tags=tags, steps=set())

    def _write_values(
        self, client: MlflowClient, known: KnownRun, row: Row, tags: dict[str, str]
    ) -> bool:
        from mlflow.entities import Metric, Param, RunTag

        now = _milliseconds(row.noted)
        points = self._missing_points(client, known, row)
        params = [Param(k, v) for k, v in row.params.items() if k not in known.params]
        metrics = [
            Metric(k, v, now, row.step) for k, v in row.metrics.items() if known.metrics.get(k) != v
        ]
        metrics += [Metric(p.key, p.value, _milliseconds(p.time), p.step) for p in points]
        changed = [RunTag(k, v) for k, v in tags.items() if known.tags.get(k) != v]
        # Tags go last: a run that tells its outcome has its numbers.
        for batch in batches(metrics=metrics, params=params, tags=changed):
            client.log_batch(known.id, **batch)
        known.params |= dict(row.params)
        known.metrics |= dict(row.metrics)
        known.tags |= tags
        if known.steps is not None:
            known.steps |= {(point.key, point.step) for point in points}
        return bool(metrics or params or changed)

    def _missing_points(self, client: MlflowClient, known: KnownRun, row: Row) -> Sequence[Point]:
        if not row.points or (known.steps is None and known.status in DONE):
            return ()
        if known.steps is None:
            # MLflow appends: a step that is written twice would be there twice.
            keys = sorted({point.key for point in row.points} & known.metrics.keys())
            known.steps = {
                (key, metric.step)
                for key in keys
                for metric in client.get_metric_history(known.id, key)
            }
        return [p for p in row.points if (p.key, p.step) not in known.steps]

    def _read(self, client: MlflowClient) -> dict[int | None, KnownRun]:
        """The runs this study already has; one that is there twice is removed but for one."""
        study = self._study
        query = f"tags.`nas.study` = '{study.name}'"
        if study.identity:
            query += f" and tags.`nas.identity` = '{study.identity}'"
        elif not study.resumed:
            return {}  # without an identity, a namesake of a new study is another study
        runs = list(run_pages(client, self._experiment, query))
        parents = [run for run in runs if "nas.trial" not in run.data.tags]
        known: dict[int | None, KnownRun] = {}
        if parents:
            parent = max(parents, key=lambda run: run.info.start_time)
            known[None] = known_run(parent)
            if not study.identity:
                runs = [r for r in runs if r.data.tags.get(PARENT) == parent.info.run_id]
        for run in sorted(runs, key=lambda run: run.info.status not in DONE):
            number = run.data.tags.get("nas.trial", "")
            if not number.isdigit():
                continue
            if int(number) in known:
                client.delete_run(run.info.run_id)
            else:
                known[int(number)] = known_run(run)
        return known

    def settle(self, numbers: Callable[[int], bool]) -> int:
        """Mark runs KILLED that still say RUNNING though the study has no such trial.

        Raises:
            TrackingError: the store refused or did not answer.
        """
        assert self._client is not None  # open() comes first
        lost = [n for n, status in self.trials.items() if status == "RUNNING" and not numbers(n)]
        with store.said(self._uri):
            for number in lost:
                self._client.set_terminated(self._known[number].id, "KILLED")
                self._known[number].status = "KILLED"
        return len(lost)


def _is_view_tried() -> bool:
    from mlflow import __version__

    return view.is_tried(__version__)


def _set_status(client: MlflowClient, run: str, row: Row) -> None:
    if row.status == "RUNNING":
        client.update_run(run, status="RUNNING")
    else:
        end = _milliseconds(row.ended) if row.ended is not None else None
        client.set_terminated(run, row.status, end)


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
