"""Rungs against full training on Fashion-MNIST: how much is saved, and is the winner as good?

    python benchmarks/staged.py RESULTS.jsonl [--seconds 500]    # again and again, until it is done
    cd benchmarks/results && python ../staged.py staged.jsonl --table > staged.md

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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import combinations, product
from pathlib import Path

from fashion_mnist import write
from scipy.stats import kendalltau

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
TOP = len(FRACTIONS) - 1
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
    test = None
    if rung == TOP:
        test = judge(architecture, weights, data=data, metric="accuracy").value
    return {
        "rung": rung,
        "accuracy": found.accuracy,
        "test": test,
        "seconds": seconds,
    }


@dataclass(frozen=True)
class Replay:
    """Who won the rungs in one order of arrival, and what the trainings took."""

    winner: int
    seconds: float
    epochs: int


def replayed(known: dict[tuple[int, int], Training], order: list[int]) -> Replay:
    """Candidates come in this order, each climbs as far as it is let."""
    seen: list[list[tuple[float, ...]]] = [[] for _ in FRACTIONS]
    seconds, epochs, tops = 0.0, 0, []
    for candidate in order:
        for rung in range(len(FRACTIONS)):
            found = known[candidate, rung]
            seconds += found.seconds
            epochs += epochs_of(rung, epochs=EPOCHS)
            if rung == TOP:
                tops.append(candidate)
                break
            climbs = promotes((found.accuracy,), seen[rung], directions=("maximize",))
            seen[rung].append((found.accuracy,))
            if not climbs:
                break
    return Replay(max(tops, key=lambda c: known[c, TOP].accuracy), seconds, epochs)


def finished(trainings: list[Training]) -> list[int]:
    """The seeds of which every training is there."""
    return [
        seed
        for seed in range(SEEDS)
        if sum(t.seed == seed for t in trainings) == CANDIDATES * len(FRACTIONS)
    ]


def deviation_of(
    whole: dict[tuple[int, int], Training], seeds: list[int], *, best: int = CANDIDATES
) -> float:
    """Between the seeds of a network: the mean over the so many best by validation accuracy."""
    order = sorted(
        range(CANDIDATES), key=lambda c: -statistics.mean(whole[c, s].accuracy for s in seeds)
    )
    return statistics.mean(statistics.stdev(whole[c, s].test for s in seeds) for c in order[:best])


def agreement(first: Sequence[Training], second: Sequence[Training]) -> float:
    """Kendall's tau between what two trainings of each network reached on validation images."""
    return float(kendalltau([t.accuracy for t in first], [t.accuracy for t in second]).statistic)


def ranks(trainings: list[Training], seeds: list[int]) -> str:
    """How far the rungs order the networks as the whole budget does, and how far two seeds do."""
    known = {(t.seed, t.rung, t.candidate): t for t in trainings}
    by_rung = {
        (seed, rung): [known[seed, rung, c] for c in range(CANDIDATES)]
        for seed in seeds
        for rung in range(len(FRACTIONS))
    }
    told = []
    for rung in range(TOP):
        found = [agreement(by_rung[seed, rung], by_rung[seed, TOP]) for seed in seeds]
        epochs = epochs_of(rung, epochs=EPOCHS)
        told.append(f"{epochs} epoch{'s' * (epochs > 1)} {_span(found)}")
    pairs = [agreement(by_rung[a, TOP], by_rung[b, TOP]) for a, b in combinations(seeds, 2)]
    return (
        "Rank correlation (Kendall's tau, validation accuracy) of a complete run with the whole "
        f"budget, least and most of the seeds: {', '.join(told)}; of the whole budget with that of "
        f"another seed {_span(pairs)}."
    )


def _span(values: Sequence[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f}"


def rows(trainings: list[Training], seeds: list[int]) -> Iterator[str]:
    rng = random.Random(0)
    whole = {(t.candidate, t.seed): t for t in trainings if t.rung == TOP}
    test = [statistics.mean(whole[c, s].test for s in seeds) for c in range(CANDIDATES)]
    # Of networks as good as a winner: worse ones vary more.
    deviation = deviation_of(whole, seeds, best=CANDIDATES // 3)
    yield "| seed | CPU saved | epochs saved | full: test % | rungs: test % | same winner |"
    yield "|---|---|---|---|---|---|"
    all_saved, gaps = [], []
    for seed in seeds:
        known = {(t.candidate, t.rung): t for t in trainings if t.seed == seed}
        full = sum(known[c, TOP].seconds for c in range(CANDIDATES))
        winner = max(range(CANDIDATES), key=lambda c: known[c, TOP].accuracy)
        found = [replayed(known, rng.sample(range(CANDIDATES), CANDIDATES)) for _ in range(ORDERS)]
        saved = full / statistics.mean(one.seconds for one in found)
        epochs = CANDIDATES * EPOCHS / statistics.mean(one.epochs for one in found)
        rungs = statistics.mean(test[one.winner] for one in found)
        same = statistics.mean(one.winner == winner for one in found)
        all_saved.append(saved)
        gaps += [test[winner] - test[one.winner] for one in found]
        yield (
            f"| {seed} | {saved:.2f} x | {epochs:.2f} x | {100 * test[winner]:.2f} | "
            f"{100 * rungs:.2f} | {100 * same:.0f} % |"
        )
    saved, gap = statistics.geometric_mean(all_saved), statistics.mean(gaps)
    within = statistics.mean(one <= deviation for one in gaps)
    yield ""
    yield (
        f"Saved: {saved:.2f} x the CPU seconds of training (geometric mean of the seeds, least "
        f"{min(all_saved):.2f}; asked: 2, {said(saved >= 2)}). The winner of the rungs has "
        f"{-100 * gap:+.2f} points of test accuracy against the winner of full training in the "
        f"mean of seeds and orders; one seed's standard deviation is {100 * deviation:.2f} points "
        f"(asked: within it, {said(gap <= deviation)}); in {100 * within:.0f} % of the orders the "
        "winner is not worse by more than that. That deviation is of the third of the networks "
        f"that is best on validation images ({100 * deviation_of(whole, seeds):.2f} of all); "
        f"networks differ by {100 * statistics.stdev(test):.2f} points."
    )
    yield ""
    yield ranks(trainings, seeds)


def said(reached: bool) -> str:
    return "reached" if reached else "**not reached**"


def table(path: Path) -> None:
    trainings = read(path)
    seeds = finished(trainings)
    if len(seeds) < 2:
        raise SystemExit(f"{path}: must hold all trainings of two seeds; got {len(seeds)}; run on")
    print("# Rungs against full training (benchmarks/staged.py)\n")
    counted = sorted(count(architecture).multiply_adds for architecture in candidates())
    every = len(seeds) == SEEDS
    print(
        f"Fashion-MNIST averaged down to {SIDE}x{SIDE}, the first {IMAGES:,} images split into "
        f"{1 - VALIDATION - TEST:.0%} training, {VALIDATION:.0%} validation and {TEST:.0%} test, "
        f"{CANDIDATES} random candidates of the mixed space (widths {WIDTHS}, depths {DEPTHS}; "
        f"{counted[0] / 1e6:.2f} to {counted[-1] / 1e6:.2f} M multiply-adds), {EPOCHS} epochs "
        f"(rungs of 1, 3 and {EPOCHS}), one thread; replayed in {ORDERS} orders of arrival. Test "
        f"accuracy of a network is the mean of its seeds: {len(seeds)}"
        f"{'' if every else f' of {SEEDS}, the rest **not trained yet**'}. "
        f"{platform.machine()}, torch {version('torch')}.\n"
    )
    print("\n".join(rows([t for t in trainings if t.seed in seeds], seeds)))


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
