"""Rungs against full training on Fashion-MNIST: how much is saved, and is the winner as good?

    python benchmarks/staged.py RESULTS.jsonl [--seconds 500]    # again and again, until it is done
    python benchmarks/staged.py RESULTS.jsonl --table > benchmarks/results/staged.md

Sixty random candidates of the mixed space are trained on every rung and on the whole budget, each
with three seeds; each training is a line of RESULTS.jsonl, and a run goes on behind the last line.
Who would have climbed is then replayed with the project's own rule, `nas.evaluation.rungs`, seed by
seed and in many orders of arrival: a training of a rung is the same whoever asks for it. What is
told of full training is the same sixty trainings of the whole budget.

Images, pixels and widths are what half an hour of one core has room for: 540 networks are trained.
Seconds are CPU seconds of the training process, which has one thread.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from itertools import product
from pathlib import Path

from fashion_mnist import write

from nas.architecture import Architecture
from nas.costs import count
from nas.evaluation.full import evaluate_full, judge
from nas.evaluation.rungs import FRACTIONS, epochs_of, promotes
from nas.settings import DataSettings, TrainingSettings
from search_spaces import Mixed

CANDIDATES = 60
SEEDS = 3
IMAGES = 2800
VALIDATION, TEST = 0.18, 0.54
SIDE = 14
EPOCHS = 9
WIDTHS = (8, 12, 16)
DEPTHS = (1,)
ORDERS = 200
RECIPE = TrainingSettings(epochs=EPOCHS, learning_rate=0.1, threads=1, device="cpu")


@dataclass(frozen=True)
class Training:
    """One line of the results."""

    candidate: int
    seed: int
    rung: int
    accuracy: float
    test: float | None
    seconds: float


def candidates() -> list[Architecture]:
    """The first sixty different random networks."""
    space = Mixed(input=(1, SIDE, SIDE), classes=10, widths=WIDTHS, depths=DEPTHS)
    rng, found = random.Random(0), dict[str, Architecture]()
    while len(found) < CANDIDATES:
        architecture = space.decode(space.sample(rng))
        found.setdefault(architecture.fingerprint, architecture)
    return list(found.values())


def read(path: Path) -> list[Training]:
    lines = path.read_text().splitlines() if path.exists() else []
    return [Training(**json.loads(line)) for line in lines if line.endswith("}")]


def run(path: Path, *, seconds: float) -> None:
    """Train what is missing, for so long."""
    began, done = time.monotonic(), {(t.candidate, t.seed, t.rung) for t in read(path)}
    networks = candidates()
    every = list(product(range(SEEDS), range(CANDIDATES), range(len(FRACTIONS))))
    with tempfile.TemporaryDirectory() as folder, path.open("a") as results:
        images = Path(folder) / "fashion.npz"
        write(images, IMAGES, SIDE)
        shares = {"validation_share": VALIDATION, "test_share": TEST}
        data = DataSettings(name="arrays", path=str(images), **shares)
        for seed, candidate, rung in every:
            if (candidate, seed, rung) in done:
                continue
            if time.monotonic() - began > seconds:
                break
            found = train(
                networks[candidate], data, Path(folder) / "weights.safetensors", seed, rung
            )
            results.write(json.dumps({"candidate": candidate, "seed": seed, **found}) + "\n")
            results.flush()
    print(f"{len(read(path))} of {len(every)} trainings")


def train(
    architecture: Architecture, data: DataSettings, weights: Path, seed: int, rung: int
) -> dict[str, float | None]:
    recipe = TrainingSettings(**{**vars(RECIPE), "epochs": epochs_of(rung, epochs=EPOCHS)})
    began = time.process_time()
    found = evaluate_full(architecture, data=data, training=recipe, seed=seed, weights=weights)
    seconds = time.process_time() - began
    whole = rung == len(FRACTIONS) - 1
    test = judge(architecture, weights, data=data, metric="accuracy").value if whole else None
    return {
        "rung": rung,
        "accuracy": found.accuracy,
        "test": test,
        "seconds": seconds,
    }


def replayed(known: dict[tuple[int, int], Training], order: list[int]) -> tuple[int, float]:
    """The winner of the rungs when candidates come in this order, and the seconds they took."""
    seen: list[list[tuple[float, ...]]] = [[] for _ in FRACTIONS]
    seconds, tops = 0.0, []
    for candidate in order:
        for rung in range(len(FRACTIONS)):
            found = known[candidate, rung]
            seconds += found.seconds
            if rung == len(FRACTIONS) - 1:
                tops.append(candidate)
            elif not promotes((found.accuracy,), seen[rung], directions=("maximize",)):
                seen[rung].append((found.accuracy,))
                break
            else:
                seen[rung].append((found.accuracy,))
    return max(tops, key=lambda c: known[c, len(FRACTIONS) - 1].accuracy), seconds


def rows(trainings: list[Training]) -> Iterator[str]:
    top, rng = len(FRACTIONS) - 1, random.Random(0)
    whole = {(t.candidate, t.seed): t for t in trainings if t.rung == top}
    spread = [statistics.stdev(whole[c, s].test for s in range(SEEDS)) for c in range(CANDIDATES)]
    deviation = statistics.mean(spread)
    yield "| seed | saved | full: winner's test % | rungs: winner's test % | same winner |"
    yield "|---|---|---|---|---|"
    saved_all, gaps = [], []
    for seed in range(SEEDS):
        known = {(t.candidate, t.rung): t for t in trainings if t.seed == seed}
        full = sum(known[c, top].seconds for c in range(CANDIDATES))
        winner = max(range(CANDIDATES), key=lambda c: known[c, top].accuracy)
        mean_of = [
            statistics.mean(whole[c, s].test for s in range(SEEDS)) for c in range(CANDIDATES)
        ]
        found = [replayed(known, rng.sample(range(CANDIDATES), CANDIDATES)) for _ in range(ORDERS)]
        saved = full / statistics.mean(seconds for _, seconds in found)
        rung_test = statistics.mean(mean_of[one] for one, _ in found)
        same = statistics.mean(one == winner for one, _ in found)
        saved_all.append(saved)
        gaps.append(mean_of[winner] - rung_test)
        yield (
            f"| {seed} | {saved:.2f} x | {100 * mean_of[winner]:.2f} | {100 * rung_test:.2f} | "
            f"{100 * same:.0f} % |"
        )
    yield ""
    yield (
        f"Saved: {statistics.geometric_mean(saved_all):.2f} x the seconds of training (geometric "
        f"mean of {SEEDS} seeds, least {min(saved_all):.2f}). The winner of the rungs is "
        f"{100 * statistics.mean(gaps):+.2f} points of test accuracy below that of full training; "
        f"one seed's standard deviation is {100 * deviation:.2f} points."
    )


def table(path: Path) -> None:
    trainings = read(path)
    missing = CANDIDATES * SEEDS * len(FRACTIONS) - len(trainings)
    if missing:
        raise SystemExit(f"{path}: {missing} trainings are missing; allowed: run it on")
    print("# Rungs against full training (benchmarks/staged.py)\n")
    counted = sorted(count(architecture).multiply_adds for architecture in candidates())
    print(
        f"Fashion-MNIST averaged down to {SIDE}x{SIDE}, the first {IMAGES:,} images split "
        f"35/25/40, {CANDIDATES} random candidates of the mixed space (widths {WIDTHS}, depths "
        f"{DEPTHS}; {counted[0] / 1e6:.2f} to {counted[-1] / 1e6:.2f} M multiply-adds), {EPOCHS} "
        f"epochs (rungs of 1, 3 and {EPOCHS}), {SEEDS} seeds, one thread; replayed in {ORDERS} "
        "orders of arrival. Test accuracy of a network is the mean of its seeds. "
        f"{platform.machine()}, torch {version('torch')}.\n"
    )
    print("\n".join(rows(trainings)))


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("results", type=Path)
    words.add_argument("--seconds", type=float, default=500)
    words.add_argument("--table", action="store_true")
    given = words.parse_args()
    if given.table:
        table(given.results)
    else:
        run(given.results, seconds=given.seconds)


if __name__ == "__main__":
    main()
