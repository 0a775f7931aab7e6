"""The page of benchmarks/end_to_end.py."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from end_to_end_parts.contributions import contributions
from end_to_end_parts.luck import sentence
from end_to_end_parts.replay import Candidate, accuracy_at, incumbents, reached
from end_to_end_parts.setting import SEEDS, SWITCHED_OFF, TOOL, Setting

MARKS = (40, 60, 80, 120, 160, 200, 250, 300, 350, 400)


def page(lines: list[dict[str, Any]], setting: Setting) -> str:
    runs = [one for one in lines if one["kind"] == "run"]
    runs.sort(key=lambda run: (run["side"], run["seed"]))
    if not runs:
        raise SystemExit("the results: must hold a run; got none; allowed: run it on")
    return "\n".join(
        [
            *_head(runs, setting),
            *_accuracies(runs),
            *_ratios(runs),
            *_counts(runs),
            *contributions(lines, setting),
            *(sentence(one) for one in [line for line in lines if line["kind"] == "luck"][-1:]),
            *_winners(runs),
        ]
    )


def candidates_of(run: dict[str, Any]) -> list[Candidate]:
    return [Candidate.from_json(one) for one in run["candidates"]]


def curve_of(run: dict[str, Any]) -> list[Candidate]:
    return incumbents(candidates_of(run), run["refuted"])


def _head(runs: list[dict[str, Any]], setting: Setting) -> Iterator[str]:
    first = runs[0]
    both = [run for run in runs if run["side"] not in SWITCHED_OFF]
    fewer = [run for run in runs if run["side"] in SWITCHED_OFF]
    loads = [load for run in both for load in run["load"]]
    shares = setting.validation_share, setting.test_share
    train = round(setting.images * (1 - sum(shares)))
    versions = ", ".join(f"{name} {value}" for name, value in first["versions"].items())
    yield "# The whole tool against the script a user would write (benchmarks/end_to_end.py)\n"
    yield (
        f"Machine: {first['machine']}, shared: load average {min(loads):.1f} to {max(loads):.1f}. "
        f"Python {first['python']}, {versions}; {first['date']}.\n"
    )
    yield (
        f"Fashion-MNIST, 28x28: the first {setting.images:,} images, of which {train} to train on, "
        f"{setting.images * shares[0]:.0f} to choose by, {setting.images * shares[1]:.0f} to test; "
        f"{setting.epochs} epochs of one-cycle in batches of {setting.batch_size}. The mixed "
        f"space, widths {setting.widths}; no slower than ShuffleNet v2 0.5x under ONNX Runtime. "
        "One thread a side, both sides of a seed at the same time, until each had used "
        f"{_budget(both, setting)}. The tool: `nas search {' '.join(TOOL)}`, its tracking on.\n"
    )
    if fewer:
        loads = [load for run in fewer for load in run["load"]]
        yield (
            f"{', '.join(f'`{name}`' for name in SWITCHED_OFF)}: the tool with a part off, both at "
            f"the same time, at loads of {min(loads):.1f} to {max(loads):.1f}, until each had used "
            f"{_budget(fewer, setting)}.\n"
        )


def _budget(runs: list[dict[str, Any]], setting: Setting) -> str:
    used = [run["budget_seconds"] for run in runs]
    if min(used) >= setting.budget_seconds:
        return f"{setting.budget_seconds:.0f} CPU seconds"
    return (
        f"{min(used):.0f} to {max(used):.0f} CPU seconds (meant were {setting.budget_seconds:.0f}, "
        "the machine was too busy for those)"
    )


def _accuracies(runs: list[dict[str, Any]]) -> Iterator[str]:
    common = min(run["budget_seconds"] for run in runs)
    marks = [*(mark for mark in MARKS if mark < common), common]
    yield (
        "Test accuracy, %, of the best certified network so far, by CPU seconds used: mean "
        "± standard deviation of the seeds that have one (how many).\n"
    )
    yield "| side | " + " | ".join(f"{mark:.0f} s" for mark in marks) + " |"
    yield "|---" * (len(marks) + 1) + "|"
    for side in dict.fromkeys(run["side"] for run in runs):
        curves = [curve_of(run) for run in runs if run["side"] == side]
        cells = [_spread([accuracy_at(curve, mark) for curve in curves]) for mark in marks]
        yield f"| {side} | " + " | ".join(cells) + " |"
    yield ""


def _spread(values: list[float | None]) -> str:
    known = [100 * one for one in values if one is not None]
    if not known:
        return "- (0)"
    deviation = f" ± {statistics.stdev(known):.1f}" if len(known) > 1 else ""
    return f"{statistics.mean(known):.1f}{deviation} ({len(known)})"


def ratio_of(tool: list[Candidate], script: list[Candidate]) -> tuple[float, float, float | None]:
    """The script's last accuracy, and the CPU seconds to it of the script and of the tool."""
    level = script[-1].test
    assert level is not None  # every incumbent is tested
    since = reached(script, level)
    assert since is not None  # its own last one has it
    return level, since, reached(tool, level)


def _ratios(runs: list[dict[str, Any]]) -> Iterator[str]:
    budgets = {run["seed"]: run["budget_seconds"] for run in runs}
    by_side = {(run["side"], run["seed"]): curve_of(run) for run in runs}
    yield (
        "CPU seconds to equal accuracy: to the accuracy that the script ends with, and never less "
        "after that; then to the one that the tool ends with.\n"
    )
    yield (
        "| seed | script's end, % | script, s | tool, s | ratio | tool's end, % | tool, s | "
        "script, s | ratio |"
    )
    rows, found = [], []
    for seed in range(SEEDS):
        tool, script = by_side.get(("tool", seed)), by_side.get(("script", seed))
        if not tool or not script:
            continue
        level, theirs, ours = ratio_of(tool, script)
        top, own, late = ratio_of(script, tool)
        if ours is not None:
            found.append(theirs / ours)
        budget = budgets[seed]
        rows.append(
            f"| {seed} | {100 * level:.1f} | {theirs:.0f} | {_seconds(ours)} | "
            f"{f'{theirs / ours:.2f} x' if ours else f'< {theirs / budget:.2f} x'} | "
            f"{100 * top:.1f} | {own:.0f} | {_seconds(late)} | "
            f"{f'{late / own:.2f} x' if late else f'> {budget / own:.2f} x'} |"
        )
    yield "|---" * 9 + "|"
    yield from rows
    yield ""
    if found and len(found) == len(rows):
        mean = statistics.geometric_mean(found)
        verdict = "reached" if mean >= 10 else "**not reached**"
        yield (
            f"To the script's accuracy the tool needed {mean:.2f} times fewer CPU seconds "
            f"(geometric mean of {len(found)} seeds, {min(found):.2f} to {max(found):.2f}). "
            f"Aim 10 x: {verdict}.\n"
        )
    else:
        yield (
            f"The tool reached the script's accuracy in {len(found)} of {len(rows)} seeds. "
            "Aim 10 x: **not reached**.\n"
        )


def _seconds(value: float | None) -> str:
    return "not reached" if value is None else f"{value:.0f}"


def _counts(runs: list[dict[str, Any]]) -> Iterator[str]:
    yield (
        "| side | seed | trained | of them to the end | over the limit and trained | refused | "
        "repeated | best so far, but certified over the limit | wall, s |"
    )
    yield "|---" * 9 + "|"
    for run in runs:
        every = candidates_of(run)
        trained = [one for one in every if one.training > 0]
        broken = len(set(run["refuted"]))
        whole = sum(one.epochs > 0 and (one.whole or one.kind == "repeated") for one in trained)
        over = sum(not one.keeps for one in trained)
        yield (
            f"| {run['side']} | {run['seed']} | {len(trained)} | {whole} | {over} | "
            f"{sum(one.kind == 'refused' for one in every)} | "
            f"{sum(one.kind == 'repeated' for one in every)} | {broken} | "
            f"{run['wall_seconds']:.0f} |"
        )
    yield ""


def _winners(runs: list[dict[str, Any]]) -> Iterator[str]:
    yield "Winners, with the certified ratio to ShuffleNet v2 0.5x's latency:\n"
    for run in runs:
        curve = curve_of(run)
        if not curve:
            yield f"- {run['side']}, seed {run['seed']}: nobody"
            continue
        one = curve[-1]
        certificate = run["certificates"][one.fingerprint]
        yield (
            f"- {run['side']}, seed {run['seed']}: {100 * (one.test or 0):.1f} % at "
            f"{certificate['ratio']:.2f} x ({certificate['low']:.2f} to "
            f"{certificate['high']:.2f}): `{one.text}`"
        )
