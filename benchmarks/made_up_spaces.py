"""Samplers on tables that are made up: other shapes than the one table they were compared on.

    python benchmarks/made_up_spaces.py run --minutes 4    # as many runs as fit; call it again
    python benchmarks/made_up_spaces.py print              # results/made_up_spaces.md

Each seed draws a table of its own. A run is one seed of one sampler, by the study's own proposer;
a network proposed again is answered from memory, one over a limit that counting can tell is
refused, neither is an evaluation. With one objective the score is by how many standard deviations
the network with the best told error is truly better than the mean network of the space; with
several it is the volume of the front, over the greatest that any sampler found on that table.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import platform
import statistics
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import optuna
from made_up_tables import CASES, DRAWN
from optuna.trial import TrialState

from nas.errors import SpaceExhaustedError
from nas.pareto import hypervolume
from nas.samplers.history import Codes
from nas.samplers.known import Known
from nas.samplers.mutation import random_codes
from nas.settings import SamplerSettings
from nas.space import Gene
from nas.study.foreknown import COUNTED
from nas.study.proposals import Proposer

RESULTS = Path(__file__).resolve().parent / "results" / "made_up_spaces.json"
SAMPLERS = ("hamming_gp", "tpe", "mutation", "random")
EVALUATIONS = (50, 100)
SEEDS = 10


class Run:
    """One sampler on one table."""

    def __init__(self, case: str, sampler: str, seed: int) -> None:
        self.table = table = CASES[case](np.random.default_rng([list(CASES).index(case), seed]))
        self.seed = seed
        self.names = [f"g{i}" for i in range(len(table.options))]
        self.proposer = Proposer(
            [Gene(n, tuple(range(o))) for n, o in zip(self.names, table.options, strict=True)],
            ("maximize", *("minimize",) * len(table.costs)),
            sampler=SamplerSettings(name=sampler),
            seed=seed,
            known=self.known(),
        )
        drawn = random_codes(np.random.default_rng(seed), table.options, DRAWN)
        errors = table.error(drawn)
        self.dreadful = float(errors.max())
        costs = [float(cost(drawn).max()) for cost in table.costs]
        self.worst = (float(np.median(errors)), *costs)

    def known(self) -> Known:
        table = self.table
        counted = bool(table.costs) and table.known_costs
        limit = table.violation if table.known_limit else None
        return Known(
            identity=lambda genes: table.same(self.row(genes)),
            values=(lambda genes: (None, *self.costs(genes))) if counted else None,
            features=(lambda genes: [math.log(c) for c in self.costs(genes)]) if counted else None,
            violation=(lambda genes: float(limit(self.codes(genes))[0])) if limit else None,
            most=COUNTED,
        )

    def costs(self, genes) -> list[float]:
        return [float(cost(self.codes(genes))[0]) for cost in self.table.costs]

    def row(self, genes) -> tuple[int, ...]:
        return tuple(genes[name] for name in self.names)

    def codes(self, genes) -> Codes:
        return np.array([self.row(genes)])

    def answer(self, genes) -> tuple[TrialState, list[float], float]:
        """As a study would be told: state, values (what is maximised first) and violation."""
        table, codes = self.table, self.codes(genes)
        costs = self.costs(genes)
        violation = float(table.violation(codes)[0]) if table.violation else 0.0
        if violation > 0:
            return TrialState.COMPLETE, [-self.dreadful, *costs], violation
        if table.fails and table.fails(codes)[0]:
            return TrialState.FAIL, [], 0.0
        luck = np.random.default_rng([self.seed, *table.same(self.row(genes))]).normal()
        error = float(table.error(codes)[0]) + table.noise * luck
        return TrialState.COMPLETE, [-error, *costs], violation

    def search(self) -> tuple[list[float], float]:
        """The score after each evaluation, and the CPU seconds."""
        start, scores, seen, best = time.process_time(), [], {}, -math.inf
        points, true = [], -self.dreadful
        for number in range(20 * EVALUATIONS[-1]):
            try:
                genes = self.proposer.draw().genes
            except SpaceExhaustedError:
                break
            network = self.table.same(self.row(genes))
            again = network in seen
            state, values, violation = seen.setdefault(network, self.answer(genes))
            self.proposer.tell(number, state, values or None, violation)
            if again or (violation > 0 and self.table.known_limit):
                continue
            if state == TrialState.COMPLETE and violation <= 0:
                points.append([-values[0], *values[1:]])
                if values[0] > best:
                    best, true = values[0], -float(self.table.error(self.codes(genes))[0])
            if len(self.worst) > 1:
                ended = len(scores) + 1 in EVALUATIONS
                minimised = ("minimize",) * len(self.worst)
                scores.append(hypervolume(points, minimised, self.worst) if ended else 0.0)
            else:
                scores.append(true)
            if len(scores) == EVALUATIONS[-1]:
                break
        return scores, time.process_time() - start


def run(case: str, sampler: str, seed: int) -> dict:
    scores, seconds = Run(case, sampler, seed).search()
    at = [scores[min(n, len(scores)) - 1] for n in EVALUATIONS] if scores else []
    return {"at": [round(score, 5) for score in at], "seconds": round(seconds, 2)}


def run_all(minutes: float, only: str, sampler: str) -> dict:
    start = time.monotonic()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for seed in range(SEEDS):
        for case, name in itertools.product(CASES, SAMPLERS):
            key = f"{case}|{name}|{seed}"
            if key in results or only not in case or sampler not in name:
                continue
            if time.monotonic() - start > 60 * minutes:
                print("time is up; call again")
                return results
            results[key] = run(case, name, seed)
            RESULTS.write_text(json.dumps(results).replace('}, "', '},\n"'))
    return results


def at(results: dict, case: str, sampler: str, which: int) -> dict[int, float]:
    """Seed -> score after that many evaluations."""
    found = {}
    for seed in range(SEEDS):
        runs = {s: results.get(f"{case}|{s}|{seed}") for s in SAMPLERS}
        if all(runs.values()):
            whole = max(run["at"][-1] for run in runs.values()) if "objectives" in case else 1.0
            found[seed] = runs[sampler]["at"][which] / whole
    return found


def row(results: dict, case: str, which: int) -> str | None:
    columns = [list(at(results, case, s, which).values()) for s in SAMPLERS]
    count = len(columns[0])
    if count < 2:
        return None
    cells = [f"{statistics.mean(c):.2f} ± {statistics.stdev(c):.2f}" for c in columns]
    best = max(range(1, len(SAMPLERS)), key=lambda i: statistics.mean(columns[i]))
    ahead = [ours - other for ours, other in zip(columns[0], columns[best], strict=True)]
    error = statistics.stdev(ahead) / count**0.5
    last = f"{statistics.mean(ahead):+.2f} ± {error:.2f} ({SAMPLERS[best]})"
    return f"| {case} | {count} | {EVALUATIONS[which]} | {' | '.join(cells)} | {last} |"


def text(results: dict) -> str:
    rows = [row(results, c, w) for c, w in itertools.product(CASES, range(len(EVALUATIONS)))]
    versions = ", ".join(f"{n} {version(n)}" for n in ("optuna", "numpy", "scipy"))
    head = f"| space | n | evaluations | {' | '.join(SAMPLERS)} | ahead of the best other |"
    return "\n".join([
        "# Samplers on made-up spaces",
        "",
        "By `python benchmarks/made_up_spaces.py run` and `print`: mean ± standard deviation of n "
        "seeds, each with a table of its own; the last column is the mean of the differences seed "
        f"by seed ± its standard error. Python {platform.python_version()}, {versions}.",
        "",
        "One objective: by how many standard deviations the network with the best told error is "
        "truly better than the mean network. Several: the volume of the front, up to the median "
        "error and the greatest costs, over the greatest that a sampler found on that table.",
        "",
        "Where nothing else is said errors are sums over genes of different weight, and 30 % of "
        "their variance of pairs of genes. Limits and costs are of layered networks: sums of "
        "products of widths and kernel sizes, the larger the better, ever less so.",
        "",
        head,
        "|---" * (head.count("|") - 1) + "|",
        *filter(None, rows),
        "",
    ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("run", "print"))
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--only", default="", help="spaces whose name holds this")
    parser.add_argument("--sampler", default="", help="samplers whose name holds this")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    minutes = arguments.minutes if arguments.what == "run" else 0.0
    page = text(run_all(minutes, arguments.only, arguments.sampler))
    RESULTS.with_suffix(".md").write_text(page)
    print(page)


if __name__ == "__main__":
    main()
