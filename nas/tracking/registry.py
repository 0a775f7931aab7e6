"""An exported network in MLflow's model registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas.errors import TrackingError
from nas.tracking import legal, store
from nas.tracking.calls import experiment_named

REQUIREMENTS = ("onnxruntime", "numpy")


@dataclass(frozen=True)
class Registered:
    """A version of a registered model; `uri` is what `mlflow.pyfunc.load_model` takes.

    `difference` is the largest one of its outputs from the golden ones.
    """

    name: str
    version: str
    alias: str
    uri: str
    store: str
    difference: float


def register(
    onnx: Path,
    *,
    name: str,
    alias: str,
    uri: str | None,
    runs: Path,
    inputs: np.ndarray,
    outputs: np.ndarray,
    tags: Mapping[str, object],
    metrics: Mapping[str, float | None],
    files: Path,
    tolerance: float,
) -> Registered:
    """Log an ONNX file with its signature and register it under a name and an alias.

    It is loaded again by `mlflow.pyfunc`; only if it gives the golden outputs the alias is set.
    `files` is a folder that is kept beside it.

    Raises:
        TrackingError: the store does not answer or refuses, or the outputs are others.
    """
    address = store.resolve(uri, runs)
    store.connect(address, runs)
    with store.said(address):
        import mlflow
        from mlflow.models import ModelSignature
        from mlflow.types import Schema, TensorSpec

        shape = (-1, *inputs.shape[1:])
        signature = ModelSignature(
            inputs=Schema([TensorSpec(np.dtype(np.float32), shape, name="image")]),
            outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, outputs.shape[1]), "output")]),
        )
        # Both named: a program around us may have set another registry for all its clients.
        client = mlflow.MlflowClient(tracking_uri=address, registry_uri=address)
        experiment = experiment_named(client, address, "exported", runs)
        before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
        mlflow.set_tracking_uri(address)
        mlflow.set_registry_uri(address)
        try:
            version = _logged(
                mlflow, onnx, signature, experiment, name, tags, metrics, files, client
            )
            found = f"models:/{name}/{version}"
            model = mlflow.pyfunc.load_model(found)
            given = np.asarray(_only(model.predict({"image": inputs})))
        finally:
            mlflow.set_tracking_uri(before[0])
            mlflow.set_registry_uri(before[1])
        worst = float(np.abs(given - outputs).max()) if given.shape == outputs.shape else np.inf
        if not worst <= tolerance:
            raise TrackingError(
                f"registry, {name} version {version}: mlflow.pyfunc must give the network's "
                f"outputs; got a difference of {worst:.2g}; allowed up to {tolerance:g}; its alias "
                "was not set"
            )
        client.set_registered_model_alias(name, alias, version)
    return Registered(name, version, alias, f"models:/{name}@{alias}", legal.masked(address), worst)


def _logged(
    mlflow: Any,
    onnx: Path,
    signature: Any,
    experiment: str,
    name: str,
    tags: Mapping[str, object],
    metrics: Mapping[str, float | None],
    files: Path,
    client: Any,
) -> str:
    """The new version."""
    import onnx as package

    run = client.create_run(experiment, run_name=name, tags=legal.tags(tags))
    with mlflow.start_run(run_id=run.info.run_id):
        mlflow.log_metrics(legal.metrics(metrics))
        mlflow.log_artifacts(str(files), "exported")
        logged = mlflow.onnx.log_model(
            package.load(str(onnx)),
            name="model",
            signature=signature,
            registered_model_name=name,
            # Without them MLflow would run the model to find out what it imports.
            pip_requirements=list(REQUIREMENTS),
            save_as_external_data=False,
        )
    return str(logged.registered_model_version)


def _only(found: Any) -> Any:
    """The one output: MLflow gives a dictionary of them."""
    return next(iter(found.values())) if isinstance(found, dict) else found
