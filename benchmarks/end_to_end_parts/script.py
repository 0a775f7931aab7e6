"""The script a user would write, as a program: Optuna's default TPE, a DataLoader, torch's timer.

    python benchmarks/end_to_end_parts/script.py SETTING.json IMAGES.npz FOLDER SEED

It is given all that spares its author work: the genes, the networks of this project, the published
network to begin with, the same splits, recipe and runtime. What it does not have is what a first
script has not: a candidate over the limit is trained and its accuracy lowered by the share it is
over, one that was drawn before is trained again, each for all epochs.
"""

from __future__ import annotations

import io
import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))

import numpy as np
import onnxruntime
import optuna
import torch
from end_to_end_parts.setting import REFERENCE, Setting
from torch.utils.benchmark import Timer
from training import users

import nas
from nas.data import DataSet, load
from nas.network import build
from nas.objective import LATENCY_FLOOR
from nas.weights import save
from search_spaces import Mixed


def reference_of(data: DataSet) -> nas.Architecture:
    return nas.published(REFERENCE, input=data.input, classes=data.classes)


def latency_ms(architecture: nas.Architecture) -> float:
    """One image at a time under ONNX Runtime with one thread, by `blocked_autorange`."""
    module = build(architecture).eval()
    image = torch.randn(1, *architecture.input)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the quick exporter is deprecated
        torch.onnx.export(module, (image,), file, dynamo=False, input_names=["image"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file.getvalue(), options)
    feed = {"image": image.numpy().astype(np.float32)}
    timer = Timer("session.run(None, feed)", globals={"session": session, "feed": feed})
    return 1000 * timer.blocked_autorange().median


def told(accuracy: float, ms: float, limit_ms: float) -> float:
    """What Optuna is told: the accuracy, less by the share that the latency is over the limit."""
    return accuracy - max(0.0, ms / (LATENCY_FLOOR * limit_ms) - 1)


def examined(
    genes: dict[str, Any],
    space: Mixed,
    data: DataSet,
    setting: Setting,
    limit_ms: float,
    weights: Path,
    seed: int,
) -> dict[str, Any]:
    """A candidate measured and trained; CPU seconds of both apart."""
    architecture = space.decode(genes)
    began = time.process_time()
    ms = latency_ms(architecture)
    measured = time.process_time()
    module, accuracy = users(architecture, data, setting.training, seed=seed)
    trained = time.process_time()
    save(module, weights, architecture=architecture)
    return {
        "architecture": architecture.to_json(),
        "latency_ms": ms,
        # The reference keeps its own limit, and 2.5 % are equal, as the tool has it too.
        "keeps": ms <= LATENCY_FLOOR * limit_ms or architecture == reference_of(data),
        "validation": accuracy,
        "told": told(accuracy, ms, limit_ms),
        "measuring": measured - began,
        "training": trained - measured,
    }


def search(setting: Setting, images: Path, folder: Path, seed: int) -> None:
    """Candidate after candidate, each a line of candidates.jsonl, until the process is ended."""
    data = load(setting.data(images))
    space = Mixed(input=data.input, classes=data.classes, widths=setting.widths)
    reference = reference_of(data)
    limit_ms = latency_ms(reference)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial(space.encode(reference))
    with (folder / "candidates.jsonl").open("w") as results:

        def objective(trial: optuna.Trial) -> float:
            genes = {
                gene.name: trial.suggest_categorical(gene.name, gene.options)
                for gene in space.genes
            }
            weights = folder / f"{trial.number}.safetensors"
            found = examined(genes, space, data, setting, limit_ms, weights, seed)
            results.write(json.dumps({"time": time.time(), "weights": weights.name, **found}))
            results.write("\n")
            results.flush()
            return found["told"]

        study.optimize(objective, n_trials=None)


def main() -> None:
    setting, images, folder, seed = sys.argv[1:]
    torch.set_num_threads(1)
    search(Setting.from_json(json.loads(setting)), Path(images), Path(folder), int(seed))


if __name__ == "__main__":
    main()
