"""How many evaluations each sampler needs, on NAS-Bench-Macro (6,561 networks, CIFAR-10).

    python benchmarks/search.py run --minutes 8 --seeds 20   # as many runs as fit; call it again
    python benchmarks/search.py print                        # results/search.md

A run is one seed of one sampler in one case, through the project's own study loop with
evaluation=table; finished runs are kept in results/search.json and not repeated. Volume: of the
front over that of the true front, from the best error and least multiply-adds to the median error
and greatest multiply-adds. Regret: against the best network within the limit. Baselines that the
product does not have are here: TPE as Optuna has it for several objectives, and regularised
evolution (Real et al. 2019, population 50, tournament 10).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import TrialState

from nas.composition import Parts, compose_parts
from nas.examining import make_examiner
from nas.pareto import front, hypervolume
from nas.samplers import seed_of
from nas.samplers.history import Coding, read
from nas.samplers.known import Known
from nas.samplers.mutation import mutated, random_codes
from nas.settings.compose import compose
from nas.study.foreknown import known_of
from nas.study.loop import Budget, StudyLoop
from nas.study.proposals import Proposer
from nas.study.storage import StudyStorage
from nas.workers import Workers

HERE = Path(__file__).parent
TABLE = HERE / "data" / "nasbench_macro.json"
RESULTS = HERE / "results" / "search.json"
SPACE = f"{HERE / 'nasbench_macro.py'}:NasBenchMacro"
DIRECTIONS = ("minimize", "minimize")
LIMITS = (36.8e6, 47.7e6, 59.3e6)
PRODUCT = ("hamming_gp", "random", "mutation", "tpe", "nsga2", "gp")
NEAR = 0.95


@dataclass(frozen=True)
class Case:
    """What is searched for, and with how many evaluations."""

    name: str
    evaluations: int
    samplers: tuple[str, ...]
    overrides: tuple[str, ...]
    known: bool = True
    features: bool | None = None


FRONT = ("objective=pareto", "objective.quantities=[accuracy,multiply_adds]")
ALL = ("hamming_gp", "random", "mutation", "tpe default", "tpe", "nsga2", "evolution")
CASES = (
    *(
        Case(f"one objective, {limit / 1e6:.1f} M", 100, ("hamming_gp",),
             (f"objective.multiply_adds={limit}",))
        for limit in LIMITS
    ),
    Case("front", 200, ("hamming_gp",), FRONT),
    Case("front, cost learned", 200, ("hamming_gp",), FRONT, known=False),
    Case("front", 200, ALL[1:], FRONT),
    *(
        Case(f"one objective, {limit / 1e6:.1f} M", 100, ALL[1:3] + ALL[4:],
             (f"objective.multiply_adds={limit}",))
        for limit in LIMITS
    ),
    Case("front, no features", 200, ("hamming_gp",), FRONT, features=False),
    Case("one objective, 47.7 M, features", 100, ("hamming_gp",),
         (f"objective.multiply_adds={LIMITS[1]}",), features=True),
)  # fmt: skip


class RegularisedEvolution(BaseSampler):
    """A mutant of the best of ten among the newest fifty."""

    def __init__(self, space, seed: int) -> None:
        self._space, self._seed = space, seed

    def infer_relative_search_space(self, study, trial):
        return self._space

    def sample_relative(self, study, trial, search_space):
        coding, rng = Coding(search_space), np.random.default_rng([self._seed, trial.number])
        past = read(study, coding, but=trial)
        alive = np.flatnonzero(past.feasible)[-50:]
        if (len(alive) < 50 and len(past.codes) < 50) or not len(alive):
            return coding.decode(random_codes(rng, coding.options, 1)[0])
        drawn = rng.choice(alive, size=min(10, len(alive)), replace=False)
        j = rng.integers(past.values.shape[1])  # several objectives: one of them at random
        parent = past.codes[drawn[past.values[drawn, j].argmin()]]
        ones = np.ones(1, dtype=np.int64)
        return coding.decode(mutated(rng, parent[None], coding.options, genes=ones)[0])

    def sample_independent(self, study, trial, param_name, param_distribution):
        raise AssertionError(param_name)


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


def run(case: Case, sampler: str, seed: int) -> dict:
    """The networks evaluated, in order, and what it took."""
    parts = parts_of(case, sampler, seed)
    with tempfile.TemporaryDirectory() as folder:
        storage = StudyStorage.create(Path(folder) / "s", parts.objective.directions, {})
        worker = Workers()
        examiner = make_examiner(parts, None, worker, Path(folder))
        loop = StudyLoop(
            storage, parts.space, proposer_of(parts, case, sampler, examiner.count), examiner,
            chance=parts.facts.chance, unmeasured_ms=1000.0,
        )  # fmt: skip
        start = time.process_time()
        stopped = loop.run(Budget(trials=case.evaluations, max_proposals=20 * case.evaluations))
        seconds = time.process_time() - start
        outcomes = [t.outcome for t in storage.records() if t.outcome]
        storage.close()
        worker.close()
    found = [
        (round(1 - o.evaluation.accuracy, 6), o.costs.multiply_adds)
        for o in outcomes
        if o.kind == "evaluated" and o.evaluation and o.costs
    ]
    return {"found": found, "proposals": stopped.counts.proposals, "seconds": round(seconds, 2)}


def workers(seed: int, number: int) -> dict:
    """The front's case with so many candidates always open; the oldest ends first."""
    case = next(c for c in CASES if c.name == "front")
    parts = parts_of(case, "hamming_gp", seed)
    worker = Workers()
    examiner = make_examiner(parts, None, worker, Path("."))
    proposer = proposer_of(parts, case, "hamming_gp", examiner.count)
    opened, found, told = [], [], 0
    while len(found) < 120:
        while len(opened) < number:
            opened.append(proposer.draw().genes)
        genes = opened.pop(0)
        architecture = parts.space.decode(genes)
        outcome = examiner.examine(
            architecture, genes, enter=lambda _: None, report=lambda *_: None
        )
        values = parts.objective.values(outcome, chance=0.1, unmeasured_ms=1.0)
        proposer.tell(told, TrialState.COMPLETE, values, 0.0)
        told += 1
        found.append((round(1 - outcome.evaluation.accuracy, 6), outcome.costs.multiply_adds))
    worker.close()
    return {"found": found, "proposals": told, "seconds": 0.0}


def milliseconds(trials: int) -> float:
    """Processor time of one proposal after so many trials, the median of three."""
    case = next(c for c in CASES if c.name == "front")
    parts = parts_of(case, "hamming_gp", 0)
    worker = Workers()
    examiner = make_examiner(parts, None, worker, Path("."))
    filler = BenchmarkProposer(
        parts.space.genes, parts.objective.directions,
        sampler=replace(parts.settings.sampler, name="random"), seed=1,
    )  # fmt: skip
    proposer = proposer_of(parts, case, "hamming_gp", examiner.count)
    for n in range(trials):
        genes = filler.draw().genes
        outcome = examiner.examine(
            parts.space.decode(genes), genes, enter=lambda _: None, report=lambda *_: None
        )
        values = parts.objective.values(outcome, chance=0.1, unmeasured_ms=1.0)
        filler.tell(n, TrialState.COMPLETE, values, 0.0)
        proposer.add(filler._copy.get_trials(deepcopy=False)[n])
    taken = []
    for _ in range(4):  # the first one decodes every past trial once in the life of a process
        start = time.process_time()
        proposer.draw()
        taken.append(1e3 * (time.process_time() - start))
    worker.close()
    return statistics.median(taken[1:])


def kept() -> dict:
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def work(seeds: int):
    """(key, call) of every run there is, so that all samplers get the same seeds first."""
    for trials in (100, 1000, 5000):
        yield f"milliseconds|{trials}", lambda trials=trials: milliseconds(trials)
    for seed in range(seeds):
        for case in CASES:
            for sampler in case.samplers:
                key = f"{case.name}|{sampler}|{seed}"
                yield key, lambda c=case, s=sampler, n=seed: run(c, s, n)
        for number in (1, 4):
            yield f"workers|{number}|{seed}", lambda s=seed, n=number: workers(s, n)


def run_all(minutes: float, seeds: int, only: str) -> None:
    start, results = time.monotonic(), kept()
    RESULTS.parent.mkdir(exist_ok=True)
    for key, call in work(seeds):
        if key in results or only not in key:
            continue
        if time.monotonic() - start > 60 * minutes:
            print("time is up; call again")
            return
        results[key] = call()
        making = RESULTS.with_suffix(".tmp")
        making.write_text(json.dumps(results).replace('"one objective', '\n"one objective'))
        making.replace(RESULTS)
        print(key, f"{time.monotonic() - start:.0f} s", flush=True)


class Truth:
    """The table: its fronts, its optimum, and the two measures."""

    def __init__(self) -> None:
        rows = json.loads(TABLE.read_text())["rows"].values()
        self.points = [(round(1 - r["accuracy"], 6), r["multiply_adds"]) for r in rows]
        errors, costs = zip(*self.points, strict=True)
        self.worst = (statistics.median(errors), max(costs))
        self.whole = self.volume(self.points)

    def volume(self, points: list) -> float:
        least = sorted(map(tuple, points), key=lambda p: (p[1], p[0]))
        ends, best = [], float("inf")
        for error, cost in least:
            if error < best:
                ends.append((error, cost))
                best = error
        assert len(ends) < 50 or len(front(ends[:50], DIRECTIONS)) == 50
        return hypervolume(ends, DIRECTIONS, self.worst)

    def share(self, found: list, number: int) -> float:
        return self.volume(found[:number]) / self.whole

    def reached(self, found: list) -> float:
        for number in range(1, len(found) + 1):
            if self.share(found, number) >= NEAR:
                return number
        return float("inf")

    def regret(self, found: list, number: int, limit: float) -> float:
        best = min(error for error, cost in self.points if cost <= limit)
        return 100 * (min(error for error, _ in found[:number]) - best)


def of(results: dict, case: str, sampler: str) -> list[list]:
    start = f"{case}|{sampler}|"
    return [value["found"] for key, value in results.items() if key.startswith(start)]


def spread(values: list[float], digits: int = 3) -> str:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.{digits}f} ± {deviation:.{digits}f}"


def verdict(name: str, value: float, bound: float, *, least: bool, digits: int = 3) -> str:
    kept_it = value >= bound if least else value <= bound
    sign = ">=" if least else "<="
    word = "reached" if kept_it else "**not reached**"
    return f"| {name} | {sign} {bound:g} | {value:.{digits}f} | {word} |"


def front_table(results: dict, truth: Truth) -> list[str]:
    lines = [
        "| sampler | n | volume at 50 | at 100 | at 200 | median evaluations to 95 % |",
        "|---|---|---|---|---|---|",
    ]
    rows = [("front", s) for s in ALL]
    rows += [("front, cost learned", "hamming_gp"), ("front, no features", "hamming_gp")]
    for case, sampler in rows:
        runs = of(results, case, sampler)
        if runs:
            cells = [spread([truth.share(r, n) for r in runs]) for n in (50, 100, 200)]
            reached = statistics.median_low([truth.reached(r) for r in runs])
            name = sampler + case.removeprefix("front")
            to = f"{reached:.0f}" if reached < 1e9 else "not within 200"
            lines.append(f"| {name} | {len(runs)} | {' | '.join(cells)} | {to} |")
    return lines


def one_table(results: dict, truth: Truth) -> list[str]:
    lines = [
        "| limit | sampler | n | regret at 50, points | at 100 | optimum within 100 | "
        "median evaluations to it |",
        "|---|---|---|---|---|---|---|",
    ]
    for limit in LIMITS:
        name = f"one objective, {limit / 1e6:.1f} M"
        rows = [(name, s) for s in ALL if s != "tpe default"] + [(f"{name}, features", ALL[0])]
        for case, sampler in rows:
            runs = of(results, case, sampler)
            if not runs:
                continue
            cells = [spread([truth.regret(r, n, limit) for r in runs]) for n in (50, 100)]
            first = [first_of(truth, r, limit) for r in runs]
            inside = sum(f <= 100 for f in first)
            middle = statistics.median_low(first)
            to = f"{middle:.0f}" if middle < 1e9 else "not within 100"
            label = sampler + case.removeprefix(name)
            lines.append(
                f"| {limit / 1e6:.1f} M | {label} | {len(runs)} | {' | '.join(cells)} | "
                f"{inside} of {len(runs)} | {to} |"
            )
    return lines


def first_of(truth: Truth, found: list, limit: float) -> float:
    for number in range(1, len(found) + 1):
        if truth.regret(found, number, limit) < 1e-9:
            return number
    return float("inf")


def verdicts(results: dict, truth: Truth) -> list[str]:
    lines = ["| what | bound | found | |", "|---|---|---|---|"]
    ours = of(results, "front", "hamming_gp")
    if ours:
        for number, bound in ((50, 0.87), (100, 0.955), (200, 0.984)):
            mean = statistics.mean(truth.share(r, number) for r in ours)
            lines.append(verdict(f"mean volume at {number}", mean, bound, least=True))
        middle = statistics.median_low([truth.reached(r) for r in ours])
        for bound in (92, 60):
            name = "median evaluations to 95 % of the volume" + (", aim" if bound == 60 else "")
            lines.append(verdict(name, middle, bound, least=False, digits=0))
    for limit, bound in zip(LIMITS, (0.01, 0.01, 0.07), strict=True):
        runs = of(results, f"one objective, {limit / 1e6:.1f} M", "hamming_gp")
        if runs:
            mean = statistics.mean(truth.regret(r, 50, limit) for r in runs)
            name = f"mean regret at 50 under {limit / 1e6:.1f} M, points"
            lines.append(verdict(name, mean, bound, least=False))
    runs = of(results, "one objective, 47.7 M", "hamming_gp")
    if runs:
        first = [first_of(truth, r, LIMITS[1]) for r in runs]
        for bound in (100, 50):
            share = sum(f <= bound for f in first) / len(first)
            name = f"share of {len(first)} seeds with the optimum within {bound} at 47.7 M"
            lines.append(verdict(name + (", aim" if bound == 50 else ""), share, 1.0, least=True))
    learned = of(results, "front, cost learned", "hamming_gp")
    for number in (50, 100, 200) if learned and ours else ():
        pair = ours[: len(learned)], learned
        a, b = (statistics.mean(truth.share(r, number) for r in runs) for runs in pair)
        name = f"volume lost at {number} with the cost learned"
        lines.append(verdict(name, a - b, 0.01, least=False))
    lines += speed_verdicts(results, truth)
    return lines


def speed_verdicts(results: dict, truth: Truth) -> list[str]:
    lines = []
    for trials, bound in ((100, 50), (1000, 150), (5000, 500)):
        if f"milliseconds|{trials}" in results:
            value = results[f"milliseconds|{trials}"]
            name = f"ms of processor time a proposal at {trials:,} trials"
            lines.append(verdict(name, value, bound, least=False, digits=0))
    one, four = of(results, "workers", "1"), of(results, "workers", "4")
    if one and four:
        means = [statistics.mean(min(truth.reached(r), 120) for r in runs) for runs in (one, four)]
        name = f"mean evaluations to 95 %, four workers over one (n = {len(four)})"
        lines.append(verdict(name, means[1] / means[0], 1.1, least=False, digits=2))
    return lines


def text(results: dict) -> str:
    truth = Truth()
    parts = [
        "# Samplers on NAS-Bench-Macro",
        "By `python benchmarks/search.py run` and `print`; mean ± standard deviation over n seeds. "
        f"Python {platform.python_version()}, {os.cpu_count()} shared cores of a virtual machine; "
        "processor times were taken with one thread.",
        "## Asked and found", *verdicts(results, truth),
        "", "## Two objectives: error and multiply-adds", *front_table(results, truth),
        "", "## One objective: best accuracy under a limit of multiply-adds",
        *one_table(results, truth), "",
    ]  # fmt: skip
    head = "\n\n".join(parts[:3])
    return head + "\n\n" + "\n".join(parts[3:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("run", "print"))
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", default="", help="runs whose name holds this")
    arguments = parser.parse_args()
    if arguments.what == "run":
        run_all(arguments.minutes, arguments.seeds, arguments.only)
    page = text(kept())
    RESULTS.with_suffix(".md").write_text(page)
    print(page)


if __name__ == "__main__":
    main()
