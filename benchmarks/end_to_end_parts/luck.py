"""How far the validation images of this setting can tell good networks apart.

Some of the networks within the limit that a side trained on all epochs, each with two seeds that no
side used: how well the order by validation accuracy with one seed is the order by test accuracy
with the other one, and what choosing by the first gains in the second.
"""

from __future__ import annotations

import random
import statistics
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import permutations
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from end_to_end_parts.replay import Candidate
from end_to_end_parts.setting import SIDE, Setting
from fashion_mnist import write
from scipy.stats import kendalltau

import nas
from nas.data import load
from nas.training import accuracy, resolve, train

NETWORKS, SEEDS = 24, (11, 12)
DRAWS, FIELD = 2000, 12
"""Fields of networks drawn at random, of which the best by validation is chosen; a field is about
as large as what a side trained on all epochs."""


def luck(lines: list[dict[str, Any]], setting: Setting) -> dict[str, Any]:
    """Accuracies on validation and test images of networks, by seed."""
    texts = sorted(
        {
            one.text
            for line in lines
            if line["kind"] == "run"
            for one in map(Candidate.from_json, line["candidates"])
            if one.whole and one.keeps and one.kind == "evaluated"
        }
    )
    chosen = random.Random(0).sample(texts, min(NETWORKS, len(texts)))
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder) / "fashion.npz"
        write(images, setting.images, SIDE)
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            found = pool.map(partial(_accuracies, setting, images), chosen)
            return {"accuracies": dict(zip(chosen, found, strict=True)), "of": len(texts)}


def _accuracies(setting: Setting, images: Path, text: str) -> list[tuple[float, float]]:
    torch.set_num_threads(1)
    data, settings = load(setting.data(images)), resolve(setting.training)
    network, found = nas.Architecture.from_text(text), []
    for seed in SEEDS:
        trained = train(network, data, settings, seed=seed)
        tested = accuracy(trained.module, data.test, data=data, settings=settings)
        found.append((trained.evaluation.accuracy, tested))
    return found


def sentence(found: dict[str, Any]) -> str:
    rows = list(found["accuracies"].values())
    tau = statistics.mean(
        kendalltau([row[a][0] for row in rows], [row[b][1] for row in rows]).statistic
        for a, b in permutations(range(len(SEEDS)))
    )
    tests = [statistics.mean(test for _, test in row) for row in rows]
    within = statistics.mean(statistics.variance(test for _, test in row) for row in rows) ** 0.5
    between = max(0.0, statistics.variance(tests) - within**2 / len(SEEDS)) ** 0.5
    gained = [_gain(rows, random.Random(draw)) for draw in range(DRAWS)]
    best = [max(random.Random(draw).sample(tests, FIELD)) for draw in range(DRAWS)]
    mean = statistics.mean(tests)
    return (
        f"Of the {found['of']} networks within the limit that were trained on all epochs "
        f"{len(rows)} were trained with two seeds more. They differ by {100 * between:.1f} points "
        f"of test accuracy (standard deviation), two seeds of one by {100 * within:.1f}. "
        "Validation accuracy with one seed and test accuracy with the other order them with a tau "
        f"of {tau:.2f}: the best of {FIELD} by validation has {100 * statistics.mean(gained):+.1f} "
        f"points of test accuracy against the mean network, the truly best of {FIELD} "
        f"{100 * (statistics.mean(best) - mean):+.1f} at most (with luck in it).\n"
    )


def _gain(rows: list[list[tuple[float, float]]], rng: random.Random) -> float:
    """Test accuracy, with another seed, of who is best by validation, against the mean network."""
    a, b = rng.choice(list(permutations(range(len(SEEDS)))))
    best = max(rng.sample(rows, FIELD), key=lambda row: row[a][0])
    return best[b][1] - statistics.mean(row[b][1] for row in rows)
