"""`nas ui`: the MLflow UI on a store, started as a child process, and the address of a study."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from nas.errors import TrackingError, nearest
from nas.tracking import legal, store, view
from nas.tracking.server_process import GRACE_SECONDS

HOST = "127.0.0.1"
PORTS = 20
START_SECONDS = 60.0
"""A start took 7 s of CPU time on the machine this was written on; it may have to share it."""

ANSWER_SECONDS = 30.0


class Server:
    """A server that answers; a context manager that ends the one it started.

    `note` is empty, or says that another port than the one asked for was taken.
    """

    def __init__(
        self,
        url: str,
        *,
        process: subprocess.Popen[bytes] | None = None,
        log: IO[bytes] | None = None,
        note: str = "",
    ) -> None:
        self.url = url.rstrip("/")
        self.note = note
        self._process = process
        self._log = log

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def wait(self) -> int:
        """Wait until the server ends by itself or the caller is interrupted; its exit status."""
        return self._process.wait() if self._process else 0

    def close(self) -> None:
        """End the server, if it was started here."""
        process = self._process
        if process is None:
            return
        assert process.stdin is not None  # started with a pipe
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdin.close()
        if self._log:
            self._log.close()
        self._process = None

    def address(self, study: str | None = None) -> str:
        """The page of a study's candidates in its saved view, or of all experiments.

        Raises:
            TrackingError: no study of this name is in the store; the nearest that are.
        """
        if study is None:
            return f"{self.url}/#/experiments"
        experiment, run = self._find(study)
        there = self._ask(f"experiments/get?experiment_id={experiment}").get("experiment", {})
        saved = view.TAG_PREFIX + view.key(run) in {tag["key"] for tag in there.get("tags", [])}
        address = view.saved_address if saved and self._is_tried() else view.plain_address
        return address(self.url, experiment, run)

    def _is_tried(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/version", timeout=ANSWER_SECONDS) as answer:
                return view.is_tried(answer.read(100).decode(errors="replace").strip())
        except OSError:
            return False

    def _find(self, study: str) -> tuple[str, str]:
        """The ids of the experiment and of the run of a study, the newest of that name."""
        experiments = self._ask("experiments/search", {"max_results": 1000})
        ids = [e["experiment_id"] for e in experiments.get("experiments", [])]
        quoted = study.replace("'", "")
        found = self._ask(
            "runs/search",
            {
                "experiment_ids": ids,
                "filter": f"tags.`nas.study` = '{quoted}' and tags.`nas.goal` != ''",
                "order_by": ["attributes.start_time DESC"],
                "max_results": 1,
            },
        ).get("runs", [])
        if not found:
            raise TrackingError(
                f"study {study}: must be one that MLflow at {legal.masked(self.url)} knows; "
                f"allowed: {nearest(study, self._studies(ids)) or 'none yet'}"
            )
        return found[0]["info"]["experiment_id"], found[0]["info"]["run_id"]

    def _studies(self, experiments: list[str]) -> list[str]:
        runs = self._ask(
            "runs/search",
            {"experiment_ids": experiments, "filter": "tags.`nas.goal` != ''", "max_results": 1000},
        ).get("runs", [])
        return [
            tag["value"]
            for run in runs
            for tag in run["data"].get("tags", [])
            if tag["key"] == "nas.study"
        ]

    def _ask(self, verb: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.url}/api/2.0/mlflow/{verb}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
                return dict(json.load(answer))
        except (OSError, ValueError) as error:
            raise TrackingError(
                f"tracking, {legal.masked(self.url)}: the MLflow server must answer {verb}; got "
                f"{error}; allowed: a server of MLflow 3.13 or newer"
            ) from error


def serve(
    runs: Path, *, study: str | None = None, port: int = 5000, uri: str | None = None
) -> Server:
    """The MLflow UI on the store of a folder of runs, or on another store.

    A server is started (one process, this machine only, the next free port if the port is in
    use) and ends with the caller; for the URI of a server that runs already nothing is started.

    Raises:
        TrackingError: there is no store yet, the study is not in it, no port is free, or the
            server does not start; what it said last.
    """
    where = store.resolve(uri, runs)
    if store.is_remote(where):
        server = Server(where)
    else:
        store.check(where)
        if uri is None and not (runs / store.DATABASE).is_file():
            raise TrackingError(
                f"tracking, {runs / store.DATABASE}: must be there before it can be shown; got "
                "none; allowed: after nas search, or another study.folder"
            )
        with store.said(where):
            store.check_opens(where)
        server = _started(where, runs, port)
    try:
        server.address(study)
    except BaseException:
        server.close()
        raise
    return server


def _started(uri: str, runs: Path, port: int) -> Server:
    said = ""
    for free in (p for p in range(port, min(port + PORTS, 65536)) if _is_free(p)):
        process, log = _start(uri, runs, free)
        note = "" if free == port else f"port {port} is in use: {free} is taken instead"
        server = Server(f"http://{HOST}:{free}", process=process, log=log, note=note)
        if _answers(server, process):
            return server
        log.seek(0)
        said = log.read().decode(errors="replace")
        server.close()
        if "address already in use" not in said:
            raise TrackingError(
                f"tracking, {legal.masked(uri)}: the MLflow server must start on it; got "
                f"{legal.masked(_cause(said))[:300]}; allowed: a store of this version of MLflow "
                "(an older one: copy it, then mlflow db upgrade URI)"
            )
    raise TrackingError(
        f"tracking, port: one of {port} to {port + PORTS - 1} must be free; got all in use; "
        "allowed: another port"
    )


def _cause(said: str) -> str:
    """The last line of a log that names an error."""
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (errors or lines or ["nothing"])[-1]


def _start(uri: str, runs: Path, port: int) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    log = tempfile.TemporaryFile()  # noqa: SIM115  closed by Server.close
    artifacts = (runs.absolute() / store.ARTIFACTS).as_uri()
    command = [sys.executable, "-P", "-m", "nas.tracking.server_process"]
    command += [HOST, str(port), uri, artifacts]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    return process, log


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _answers(server: Server, process: subprocess.Popen[bytes]) -> bool:
    """Whether the server answers before it ends or START_SECONDS are over."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{server.url}/health", timeout=2) as answer:
                if answer.status == 200:
                    return True
        except OSError:
            time.sleep(0.1)
    return False
