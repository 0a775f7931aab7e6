"""What each part contributed, counted from the runs where that is exact."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from end_to_end_parts.replay import Candidate
from end_to_end_parts.setting import Setting


def contributions(lines: list[dict[str, Any]], setting: Setting) -> Iterator[str]:
    runs = [one for one in lines if one["kind"] == "run"]
    script = [one for one in runs if one["side"] == "script"]
    tool = [one for one in runs if one["side"] == "tool"]
    loops = [one for one in lines if one["kind"] == "loops"]
    yield "What each part saves, one at a time (they do not multiply exactly):\n"
    if script:
        refused, repeated = zip(*map(wasted, script), strict=True)
        yield (
            "- refusal before training: the script spent "
            f"{_percent(refused)} of its CPU seconds on training candidates over the limit"
        )
        yield f"- memory of repeats: {_percent(repeated)} on training candidates again"
    if tool:
        saved = [rungs_saved(run, setting) for run in tool]
        yield (
            f"- rungs: the tool's candidates took {_times(saved)} fewer CPU seconds of training "
            "than all their epochs would have taken"
        )
    for one in loops[-1:]:
        medians = [statistics.median(ratios) for ratios in one["ratios"].values()]
        yield (
            f"- loop: an epoch takes {one['geometric_mean']:.2f} times fewer CPU seconds "
            f"(geometric mean of {len(medians)} networks, {min(medians):.2f} to {max(medians):.2f})"
        )
    yield "- sampler, and parts switched off: the rows `tool, ...` of the first table, if run\n"
    yield "CPU seconds by what they were spent on until a side was ended, mean of the seeds:\n"
    for name, some in (("tool", tool), ("script", script)):
        if some:
            whole = statistics.mean(run["cpu_seconds"] for run in some)
            parts = {what for run in some for what in run["spent"]}
            means = {
                what: statistics.mean(run["spent"].get(what, 0.0) for run in some) for what in parts
            }
            words = [f"{what} {means[what]:.0f}" for what in sorted(means, key=means.__getitem__)]
            yield f"- {name}: {', '.join(reversed(words))}; {whole:.0f} in all"
    yield ""
    yield (
        "`between` is proposing, storing and tracking a trial, `start` everything before the first "
        "network is looked at.\n"
    )


def wasted(run: dict[str, Any]) -> tuple[float, float]:
    """Shares of a script's CPU seconds: training what is over the limit, and training again."""
    every = [Candidate.from_json(one) for one in run["candidates"]]
    whole = every[-1].cpu_seconds
    over = sum(one.training for one in every if not one.keeps and one.kind != "repeated")
    again = sum(one.training + one.measuring for one in every if one.kind == "repeated")
    return over / whole, again / whole


def rungs_saved(run: dict[str, Any], setting: Setting) -> float:
    """All epochs' CPU seconds of the candidates that were trained, over what was spent on them."""
    trained = [
        one
        for one in map(Candidate.from_json, run["candidates"])
        if one.kind == "evaluated" and one.training > 0 and one.epochs
    ]
    spent = sum(one.training for one in trained)
    return sum(setting.epochs * one.training / one.epochs for one in trained) / spent


def _percent(shares: tuple[float, ...]) -> str:
    ends = f"{100 * min(shares):.0f} to {100 * max(shares):.0f}"
    return f"{100 * statistics.mean(shares):.0f} % ({ends} % in {len(shares)} seeds)"


def _times(ratios: list[float]) -> str:
    mean = statistics.geometric_mean(ratios)
    return f"{mean:.2f} times ({min(ratios):.2f} to {max(ratios):.2f})"
