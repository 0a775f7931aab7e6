"""What `benchmarks/search.py` found, as one page: what was asked, and tables of everything."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
from importlib.metadata import version
from itertools import product
from pathlib import Path

from nas.pareto import front, hypervolume

TABLE = Path(__file__).parent / "data" / "nasbench_macro.json"
DIRECTIONS = ("minimize", "minimize")
LIMITS = (36.8e6, 47.7e6, 59.3e6)
ONE = {limit: f"one objective, {limit / 1e6:.1f} M" for limit in LIMITS}
OURS = "hamming_gp"
NEAR = 0.95
NEVER = float("inf")


class Truth:
    """The table: its front, its optimum, and the two measures of a run (a list of its rows)."""

    def __init__(self, *costs: str) -> None:
        rows = json.loads(TABLE.read_text())["rows"].values()
        # In the order of the rows' codes, which are numbers to the base of three.
        costs = costs or ("multiply_adds",)
        self.points = [(round(1 - r["accuracy"], 6), *(r[c] for c in costs)) for r in rows]
        errors, *spent = zip(*self.points, strict=True)
        self.worst = (statistics.median(errors), *map(max, spent))
        self.whole = self._volume(self.points)

    def _volume(self, points: list) -> float:
        if len(self.worst) > 2:
            directions = ("minimize",) * len(self.worst)
            ends = sorted(p for p in set(points) if p[0] < self.worst[0])
            return hypervolume([ends[i] for i in front(ends, directions)], directions, self.worst)
        ends, best = [], NEVER
        for error, cost in sorted(points, key=lambda p: (p[1], p[0])):
            if error < best:
                ends.append((error, cost))
                best = error
        assert len(front(ends[:50], DIRECTIONS)) == len(ends[:50])
        return hypervolume(ends, DIRECTIONS, self.worst)

    def share(self, rows: list[int], number: int) -> float:
        """Of the true front's volume, after so many evaluations."""
        return self._volume([self.points[row] for row in rows[:number]]) / self.whole

    def near(self, rows: list[int]) -> float:
        """Evaluations to 95 % of the volume."""
        low, high = 0, len(rows)
        if not rows or self.share(rows, high) < NEAR:
            return NEVER
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.share(rows, middle) >= NEAR else (middle, high)
        return high

    def regret(self, rows: list[int], number: int, limit: float) -> float:
        """Percentage points to the best within the limit."""
        best = min(error for error, cost in self.points if cost <= limit)
        within = [e for e, cost in (self.points[row] for row in rows[:number]) if cost <= limit]
        return 100 * (min(within, default=1.0) - best)

    def optimum(self, rows: list[int], limit: float) -> float:
        """Evaluations to the best within the limit."""
        numbers = range(1, len(rows) + 1)
        return next((n for n in numbers if self.regret(rows, n, limit) < 1e-9), NEVER)


def runs_of(results: dict, case: str, sampler: str = OURS) -> dict[str, list[int]]:
    """Seed -> the rows that were evaluated, in order."""
    start = f"{case}|{sampler}|"
    return {
        key.removeprefix(start): value["found"]
        for key, value in results.items()
        if key.startswith(start)
    }


def spread(values: list[float]) -> str:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.3f} ± {deviation:.3f}"


def middle(values: list[float], most: int) -> str:
    found = statistics.median(values)
    return f"{found:.0f}" if found < NEVER else f"not within {most}"


def cpu_ms(results: dict, case: str, sampler: str) -> str:
    start = f"{case}|{sampler}|"
    runs = [value for key, value in results.items() if key.startswith(start)]
    return f"{1e3 * statistics.mean(r['seconds'] / len(r['found']) for r in runs):.0f}"


def table(head: str, rows: list[str]) -> list[str]:
    return [f"| {head} |", "|" + "---|" * (head.count("|") + 1), *rows, ""]


def front_table(results: dict, truth: Truth, samplers: tuple[str, ...]) -> list[str]:
    lines = []
    rows = [("front", s) for s in samplers]
    rows += [("front, cost learned", OURS), ("front, no features", OURS), ("four workers", OURS)]
    for case, sampler in rows:
        runs = list(runs_of(results, case, sampler).values())
        if not runs:
            continue
        most = min(map(len, runs))
        cells = [
            spread([truth.share(r, n) for r in runs]) if n <= most else "" for n in (50, 100, 200)
        ]
        name = sampler if case == "front" else f"{sampler}, {case.removeprefix('front, ')}"
        lines.append(
            f"| {name} | {len(runs)} | {' | '.join(cells)} | "
            f"{middle([truth.near(r) for r in runs], most)} | {cpu_ms(results, case, sampler)} |"
        )
    head = "sampler | n | volume at 50 | at 100 | at 200 | median evaluations to 95 % | ms of CPU"
    return table(head, lines)


def three_table(results: dict) -> list[str]:
    if not runs_of(results, "three objectives"):
        return []
    lines, truth = [], Truth("multiply_adds", "parameters")
    rows = [("", OURS), (", costs learned", OURS), ("", "nsga2")]
    for more, sampler in rows:
        runs = list(runs_of(results, f"three objectives{more}", sampler).values())
        if runs:
            cells = [spread([truth.share(r, n) for r in runs]) for n in (25, 50, 100)]
            ms = cpu_ms(results, f"three objectives{more}", sampler)
            lines.append(f"| {sampler}{more} | {len(runs)} | {' | '.join(cells)} | {ms} |")
    title = "## Three objectives: error, multiply-adds and parameters"
    return [title, "", *table("sampler | n | volume at 25 | at 50 | at 100 | ms of CPU", lines)]


def one_table(results: dict, truth: Truth, samplers: tuple[str, ...]) -> list[str]:
    lines = []
    for limit, name in ONE.items():
        for case, sampler in [*((name, s) for s in samplers), (f"{name}, features", OURS)]:
            runs = list(runs_of(results, case, sampler).values())
            if not runs:
                continue
            cells = [spread([truth.regret(r, n, limit) for r in runs]) for n in (50, 100)]
            first = [truth.optimum(r, limit) for r in runs]
            inside = sum(f < NEVER for f in first)
            lines.append(
                f"| {limit / 1e6:.1f} M | {sampler}{case.removeprefix(name)} | {len(runs)} | "
                f"{' | '.join(cells)} | {inside} of {len(runs)} | {middle(first, 100)} | "
                f"{cpu_ms(results, case, sampler)} |"
            )
    head = (
        "limit | sampler | n | regret at 50, points | at 100 | optimum within 100 | "
        "median evaluations to it | ms of CPU"
    )
    return table(head, lines)


def verdict(name: str, value: float, bound: float, *, least: bool, digits: int = 3) -> str:
    kept = value >= bound if least else value <= bound
    sign = ">=" if least else "<="
    word = "reached" if kept else "**not reached**"
    return f"| {name} | {sign} {bound:g} | {value:.{digits}f} | {word} |"


def asked(results: dict, truth: Truth) -> list[str]:
    ours = runs_of(results, "front")
    lines = [verdict("seeds of the front's case", len(ours), 20, least=True, digits=0)]
    for number, bound in ((50, 0.87), (100, 0.955), (200, 0.984)) if ours else ():
        mean = statistics.mean(truth.share(r, number) for r in ours.values())
        lines.append(verdict(f"mean volume at {number}", mean, bound, least=True))
    for bound, word in ((92, ""), (60, ", aim")) if ours else ():
        found = statistics.median([truth.near(r) for r in ours.values()])
        name = f"median evaluations to 95 % of the volume{word}"
        lines.append(verdict(name, found, bound, least=False, digits=0))
    for limit, bound in zip(LIMITS, (0.01, 0.01, 0.07), strict=True):
        if runs := runs_of(results, ONE[limit]):
            mean = statistics.mean(truth.regret(r, 50, limit) for r in runs.values())
            name = f"mean regret at 50 under {limit / 1e6:.1f} M, points ({len(runs)} seeds)"
            lines.append(verdict(name, mean, bound, least=False))
    if runs := runs_of(results, ONE[LIMITS[1]]):
        first = [truth.optimum(r, LIMITS[1]) for r in runs.values()]
        share = sum(f <= 100 for f in first) / len(first)
        name = f"share of {len(first)} seeds with the optimum within 100 at 47.7 M"
        lines.append(verdict(name, share, 1.0, least=True, digits=2))
        found = statistics.median(first)
        name = "median evaluations to the optimum at 47.7 M, aim"
        lines.append(verdict(name, found, 50, least=False, digits=0))
    lines += [*beside(results, truth), *speed(results)]
    return table("what | bound | found |", lines)


def beside(results: dict, truth: Truth) -> list[str]:
    """The cost learned, and four workers, against the same seeds of the front's case."""
    lines, ours = [], runs_of(results, "front")
    learned = runs_of(results, "front, cost learned")
    seeds = [seed for seed in ours if seed in learned]
    for number in (50, 100) if seeds else ():
        lost = statistics.mean(
            truth.share(ours[s], number) - truth.share(learned[s], number) for s in seeds
        )
        name = f"volume lost at {number} with the cost learned ({len(seeds)} seeds)"
        lines.append(verdict(name, lost, 0.01, least=False))
    four = runs_of(results, "four workers")
    seeds = [seed for seed in ours if seed in four]
    if len(seeds) > 1:
        # Whoever is not there by the end counts as if there then.
        one, more = ([min(truth.near(runs[s]), 120) for s in seeds] for runs in (ours, four))
        ratio = sum(more) / sum(one)
        apart = statistics.stdev(b - ratio * a for a, b in zip(one, more, strict=True))
        error = apart / statistics.mean(one) / math.sqrt(len(seeds))
        name = (
            f"mean evaluations to 95 %, four workers over one ({len(seeds)} seeds, "
            f"standard error {error:.2f})"
        )
        lines.append(verdict(name, ratio, 1.1, least=False, digits=2))
    return lines


def speed(results: dict) -> list[str]:
    lines = []
    bounds = ((100, 50), (1000, 150), (5000, 500))
    for more, (trials, bound) in product(("", ", one objective"), bounds):
        if taken := results.get(f"milliseconds{more}|{trials}"):
            name = (
                f"median ms of CPU a proposal{more or ', two objectives'} at {trials:,} trials "
                f"({len(taken)} proposals, {min(taken):.0f}-{max(taken):.0f})"
            )
            lines.append(verdict(name, statistics.median(taken), bound, least=False, digits=0))
    return lines


def processes(results: dict) -> list[str]:
    lines = []
    for library in ("ours", "scikit-learn"):
        found = [results.get(f"process|{library}|{n}") for n in (100, 200)]
        if all(found):
            lines.append(f"| {library} | {found[0]} | {found[1]} |")
    return table("process | s of CPU to fit 100 | to fit 200", lines)


def again(results: dict) -> str:
    found = results.get("again")
    if not found:
        return ""
    return (
        f" {found['equal']} of {found['runs']} runs of {OURS} (the front, three limits) proposed "
        "the same networks when they were made again with the code of this page."
    )


def text(results: dict, samplers: tuple[str, ...]) -> str:
    truth = Truth()
    versions = ", ".join(f"{n} {version(n)}" for n in ("optuna", "numpy", "scipy", "scikit-learn"))
    lines = [
        "# Samplers on NAS-Bench-Macro",
        "",
        "By `python benchmarks/search.py run` and `print`; mean ± standard deviation over n seeds. "
        f"Python {platform.python_version()}, {versions}; a virtual machine of "
        f"{os.cpu_count()} x86-64 cores, busy with other work; one thread. CPU is processor time "
        "of a whole trial, the proposal, the look-up and the loop. Four workers: by the study's "
        "own proposer, four candidates always under way, the oldest ends first." + again(results),
        "",
        "## Asked and found",
        "",
        *asked(results, truth),
        "## Two objectives: error and multiply-adds",
        "",
        *front_table(results, truth, samplers),
        *three_table(results),
        "## One objective: best accuracy under a limit of multiply-adds",
        "",
        *one_table(results, truth, samplers),
        "## Fitting the process",
        "",
        "Rank scores of random rows of the table. scikit-learn: `GaussianProcessRegressor`, "
        "constant x RBF + white noise on one-hot genes, a length for each of 24 options as it "
        "ties none; ours: a weight for each of 8 genes.",
        "",
        *processes(results),
    ]
    return "\n".join(lines)
