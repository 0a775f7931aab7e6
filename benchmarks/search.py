"""How many evaluations each sampler needs, on NAS-Bench-Macro (6,561 networks, CIFAR-10).

    python benchmarks/search.py run --minutes 8     # as many runs as fit; call it again
    python benchmarks/search.py again --seeds 2     # runs there are: are the proposals the same?
    python benchmarks/search.py print               # results/search.md

A run is one seed of one sampler in one case, through the project's own study loop with
evaluation=table; finished runs are kept in results/search.json and not repeated. Volume: of the
front over that of the true front, from the best error and least costs to the median error and
greatest costs. Regret: against the best network within the limit. search_page.py makes the page.
Here are also regularised evolution and TPE with Optuna's own settings, which the product does not
have.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import optuna
from nasbench_macro import LAYERS
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import TrialState
from regularised_evolution import RegularisedEvolution
from search_page import LIMITS, ONE, TABLE, text
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from nas.composition import Parts, compose_parts
from nas.examining import make_examiner
from nas.outcome import Outcome
from nas.samplers import seed_of
from nas.samplers.known import Known
from nas.samplers.surrogate import fit, observe, one_hot, rank_scores
from nas.settings.compose import compose
from nas.study.foreknown import known_of
from nas.study.loop import Budget, StudyLoop
from nas.study.proposals import Proposer
from nas.study.storage import StudyStorage
from nas.workers import Workers

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "search.json"
SPACE = f"{HERE / 'nasbench_macro.py'}:NasBenchMacro"
PRODUCT = ("hamming_gp", "random", "mutation", "tpe", "nsga2", "gp")


@dataclass(frozen=True)
class Case:
    """What is searched for, and with how many evaluations."""

    name: str
    evaluations: int
    samplers: tuple[str, ...]
    overrides: tuple[str, ...]
    known: bool = True
    features: bool | None = None
    workers: int = 1
    seeds: int = 20


FRONT = ("objective=pareto", "objective.quantities=[accuracy,multiply_adds]")
THREE = ("objective=pareto", "objective.quantities=[accuracy,multiply_adds,parameters]")
BASELINES = ("random", "mutation", "tpe default", "tpe", "nsga2", "evolution")
ALL = ("hamming_gp", *BASELINES, "gp")
CASES = (
    Case("front", 200, ("hamming_gp",), FRONT, seeds=40),
    *(
        Case(name, 100, ("hamming_gp",), (f"objective.multiply_adds={limit}",))
        for limit, name in ONE.items()
    ),
    Case("front, cost learned", 100, ("hamming_gp",), FRONT, known=False),
    Case("four workers", 120, ("hamming_gp",), FRONT, workers=4, seeds=40),
    Case("front", 200, BASELINES, FRONT),
    Case(ONE[LIMITS[1]], 100, BASELINES, (f"objective.multiply_adds={LIMITS[1]}",)),
    Case("front, no features", 100, ("hamming_gp",), FRONT, features=False),
    Case(f"{ONE[LIMITS[1]]}, features", 100, ("hamming_gp",),
         (f"objective.multiply_adds={LIMITS[1]}",), features=True),
    *(
        # For one objective Optuna's own settings are those of tpe.
        Case(ONE[limit], 100, ("random", "mutation", "tpe"), (f"objective.multiply_adds={limit}",))
        for limit in (LIMITS[0], LIMITS[2])
    ),
    Case("three objectives", 100, ("hamming_gp", "nsga2"), THREE, seeds=10),
    Case("three objectives, costs learned", 100, ("hamming_gp",), THREE, known=False, seeds=10),
    Case("front", 100, ("gp",), FRONT, seeds=3),
    Case(ONE[LIMITS[1]], 100, ("gp",), (f"objective.multiply_adds={LIMITS[1]}",), seeds=3),
)  # fmt: skip
TIMED = {"milliseconds": CASES[0], "milliseconds, one objective": CASES[2]}


class BenchmarkProposer(Proposer):
    """The product's proposer, with two samplers more."""

    def __init__(self, *arguments, baseline: str = "", **more) -> None:
        super().__init__(*arguments, **more)
        self._baseline = baseline

    def _sampler(self, seed: int, number: int) -> BaseSampler:
        if self._baseline == "evolution":
            return RegularisedEvolution(self._distributions, seed_of(seed, number))
        if self._baseline == "tpe default":
            return TPESampler(seed=seed_of(seed, number))
        return super()._sampler(seed, number)


def parts_of(case: Case, sampler: str, seed: int) -> Parts:
    name = sampler if sampler in PRODUCT else "tpe"
    words = [
        f"space.source={SPACE}", "evaluation=table", f"evaluation.path={TABLE}", f"sampler={name}",
        f"study.seed={seed}", "tracking=none", *case.overrides,
    ]  # fmt: skip
    return compose_parts(compose(words))


def proposer_of(parts: Parts, case: Case, sampler: str, count) -> BenchmarkProposer:
    known = known_of(parts.space, count, parts.objective, most=None)
    if case.features is False:
        known = replace(known, features=None)
    if case.features:
        pareto = replace(parts.objective, name="pareto", quantities=("accuracy", "multiply_adds"))
        known = replace(known, features=known_of(parts.space, count, pareto, most=None).features)
    if not case.known:
        known = Known(identity=known.identity)
    return BenchmarkProposer(
        parts.space.genes,
        parts.objective.directions,
        sampler=parts.settings.sampler,
        seed=parts.settings.study.seed,
        known=known,
        baseline=sampler,
    )


class Bench:
    """A case with one sampler and one seed, taken apart: its parts, proposer and examiner."""

    def __init__(self, case: Case, sampler: str, seed: int) -> None:
        self.parts = parts_of(case, sampler, seed)
        self.worker = Workers()
        self.examiner = make_examiner(self.parts, None, self.worker, Path("."))
        self.proposer = proposer_of(self.parts, case, sampler, self.examiner.count)

    def evaluate(self, genes) -> Outcome:
        return self.examiner.examine(
            self.parts.space.decode(genes), genes, enter=lambda _: None, report=lambda *_: None
        )

    def tell(self, number: int, genes) -> None:
        values = self.parts.objective.values(self.evaluate(genes), chance=0.1, unmeasured_ms=1.0)
        self.proposer.tell(number, TrialState.COMPLETE, values, 0.0)


def run(case: Case, sampler: str, seed: int) -> dict:
    """The networks evaluated, in order, as rows of the table, and what it took."""
    bench = Bench(case, sampler, seed)
    start = time.process_time()
    search = side_by_side if case.workers > 1 else one_after_the_other
    found = search(bench, case)
    seconds = time.process_time() - start
    bench.worker.close()
    rows = [int("".join(str(genes[layer]) for layer in LAYERS), 3) for genes in found]
    return {"found": rows, "seconds": round(seconds, 2)}


def one_after_the_other(bench: Bench, case: Case) -> list:
    """By the product's loop, on a study in memory: SQLite would take most of the time."""
    study = optuna.create_study(directions=bench.parts.objective.directions)
    storage = StudyStorage(Path("."), study)
    loop = StudyLoop(
        storage, bench.parts.space, bench.proposer, bench.examiner,
        chance=bench.parts.facts.chance, unmeasured_ms=1000.0,
    )  # fmt: skip
    loop.run(Budget(trials=case.evaluations, max_proposals=20 * case.evaluations))
    return [t.genes for t in storage.records() if t.outcome and t.outcome.kind == "evaluated"]


def side_by_side(bench: Bench, case: Case) -> list:
    """With so many candidates always under way, the oldest of which ends first."""
    opened, found = [], []
    while len(found) < case.evaluations:
        while len(opened) < case.workers:
            opened.append(bench.proposer.draw().genes)
        bench.tell(len(found), opened[0])
        found.append(opened.pop(0))
    return found


def milliseconds(trials: int, case: Case) -> list[float]:
    """Processor time of each of ten proposals after so many random trials, each told."""
    bench = Bench(case, "hamming_gp", 0)
    filler = Bench(case, "random", 1)
    for n in range(trials):
        filler.tell(n, filler.proposer.draw().genes)
        bench.proposer.add(filler.proposer._copy.get_trials(deepcopy=False)[n])
    taken = []
    for n in range(trials, trials + 11):
        start = time.process_time()
        genes = bench.proposer.draw().genes
        taken.append(round(1e3 * (time.process_time() - start), 1))
        bench.tell(n, genes)
    filler.worker.close()
    bench.worker.close()
    return taken[1:]  # the first one decodes every past trial, once in the life of a process


def process(library: str, observations: int) -> float:
    """Processor seconds of fitting a Gaussian process to random rows of the table."""
    rows = list(json.loads(TABLE.read_text())["rows"].items())
    chosen = np.random.default_rng(0).choice(len(rows), observations, replace=False)
    codes = np.array([[int(option) for option in rows[i][0].split("/")] for i in chosen])
    scores = rank_scores(np.array([1 - rows[i][1]["accuracy"] for i in chosen]))
    options = (3,) * len(LAYERS)
    start = time.process_time()
    if library == "ours":
        observe(fit(codes, scores, options), codes, scores)
    else:
        lengths = np.ones(sum(options))
        kernel = ConstantKernel() * RBF(lengths) + WhiteKernel(0.01)
        GaussianProcessRegressor(kernel).fit(one_hot(codes, options), scores)
    return round(time.process_time() - start, 3)


def work(seeds: int):
    """(key, call) of every run there is: two seeds of everything at a time."""
    for number in (100, 200):
        for library in ("ours", "scikit-learn"):
            yield f"process|{library}|{number}", lambda a=library, n=number: process(a, n)
    for name, case in TIMED.items():
        yield f"{name}|100", lambda c=case: milliseconds(100, c)
    for wave in range(0, seeds, 2):
        for case in CASES:
            for seed in range(wave, min(wave + 2, seeds, case.seeds)):
                for sampler in case.samplers:
                    key = f"{case.name}|{sampler}|{seed}"
                    yield key, lambda c=case, s=sampler, n=seed: run(c, s, n)
        for (name, case), trials in product(TIMED.items(), (1000, 5000) if wave == 0 else ()):
            yield f"{name}|{trials}", lambda c=case, n=trials: milliseconds(n, c)


def run_all(minutes: float, seeds: int, only: str, again: bool) -> dict:
    start, equal = time.monotonic(), []
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for key, call in work(seeds):
        done = results.get(key)
        if only not in key or (isinstance(done, dict) if again else key in results) != again:
            continue
        if time.monotonic() - start > 60 * minutes:
            print("time is up; call again")
            break
        found = call()
        if again:
            equal.append(found["found"] == done["found"])
            results["again"] = {"runs": len(equal), "equal": sum(equal)}
        else:
            results[key] = found
        making = RESULTS.with_suffix(".tmp")
        making.write_text(json.dumps(results).replace('}, "', '},\n"'))
        making.replace(RESULTS)
        print(key, *equal[-1:], f"{time.monotonic() - start:.0f} s", flush=True)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("run", "again", "print"))
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--only", default="", help="runs whose name holds this")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    minutes = 0.0 if arguments.what == "print" else arguments.minutes
    again = arguments.what == "again"
    page = text(run_all(minutes, arguments.seeds, arguments.only, again), ALL)
    RESULTS.with_suffix(".md").write_text(page)
    print(page)


if __name__ == "__main__":
    main()
