"""The process of `nas ui`: MLflow's own server, gone when the process that started it is gone.

Run as `python -m nas.tracking.server_process HOST PORT STORE ARTIFACTS`; its standard input is a
pipe that nobody writes to, and that ends with the process that holds the other end.

`mlflow server` is two processes: one reads the options and waits, another serves, and both have
all of MLflow in memory. Here one does both. What it takes for that is internal to MLflow: with a
version in which it was not tried, the command itself is run.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from importlib.metadata import version

from nas.tracking import view

GRACE_SECONDS = 3.0
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
}
"""No errand of its own, and not the eight processes that run jobs for language models."""


def _end_with_parent() -> None:
    # Not sys.stdin: a thread that waits there holds a lock that the interpreter wants at its end.
    while os.read(0, 1):
        pass
    # The group holds this process and the worker that `mlflow server` starts from it.
    os.killpg(0, signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)


def _serve_here(host: str, port: str, store: str, artifacts: str) -> None:
    # MLflow's modules look at these when they are imported.
    os.environ |= {
        "_MLFLOW_SERVER_FILE_STORE": store,
        "_MLFLOW_SERVER_REGISTRY_STORE": store,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": artifacts,
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
    }
    import uvicorn
    from mlflow.server.handlers import initialize_backend_stores

    initialize_backend_stores(store, store, artifacts)
    uvicorn.run("mlflow.server.fastapi_app:app", host=host, port=int(port), log_level="warning")


def _serve_by_command(host: str, port: str, store: str, artifacts: str) -> None:
    from mlflow.cli import cli

    where = ["--host", host, "--port", port, "--workers", "1"]
    cli(["server", *where, "--backend-store-uri", store, "--default-artifact-root", artifacts])


def main() -> None:
    """Serve until the parent ends or a signal comes."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ |= QUIET
    serve = _serve_here if view.is_tried(version("mlflow")) else _serve_by_command
    serve(*sys.argv[1:])


if __name__ == "__main__":
    main()
