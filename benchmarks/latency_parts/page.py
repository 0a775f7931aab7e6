"""The raw values of all sections as one page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np
from latency_parts.accuracy import CHAINS, expected_by, held_out, spread
from latency_parts.conditions import CONDITIONS
from latency_parts.invocations import figures, shift
from latency_parts.replay import deviation, known, replayed

Runs = list[dict[str, Any]]
Raw = dict[str, Runs]
KINDS = (("screen", "ratio"), ("decide", "ratio"), ("decide", "ms"), ("autorange", "ms"))
NAMES = {"screen": "screen", "decide": "decide", "autorange": "`blocked_autorange`"}
TABLE_LIMITS = {"jit": (0.05, 0.5), "eager": (0.06, 0.5), "onnxruntime": (0.10, 0.75)}


def page(raw: Raw) -> str:
    lines = [
        "# Latency: what the instrument keeps",
        "",
        "Written by `python benchmarks/latency.py`; every section names the command that makes it "
        "again, its machine, versions and load. Raw values: `latency.json`. A figure that misses "
        "its target is marked **not reached**. `replayed` is what intervals of this code would "
        "have covered, worked out from the raw values of a section; what invocations differ by is "
        "taken from all of them but the one to be covered.",
        "",
    ]
    return "\n".join([*lines, *bodies("latency", raw, SECTIONS)])


def bodies(
    script: str, raw: Raw, sections: Mapping[str, Callable[[Raw], Iterator[str]]]
) -> Iterator[str]:
    """The sections that were measured, each with its circumstances."""
    for section, body in sections.items():
        if raw.get(section):
            yield from (f"## {section}", "", *circumstances(script, section, raw[section]), "")
            yield from (*body(raw), "")


def circumstances(script: str, section: str, runs: Runs) -> Iterator[str]:
    seen = [run["seen"] for run in runs]
    busy = "; ".join("/".join(f"{one:.0f}" for one in run["busy_percent"]) for run in seen)
    loads = ", ".join(f"{run['load_before']:.1f}" for run in seen)
    begun = ", ".join(f"{run['started']} UTC ({run['seconds']:.0f} s)" for run in seen)
    commits = ", ".join(dict.fromkeys(run["commit"] for run in seen))
    yield f"`python benchmarks/{script}.py --section {section}`: {len(runs)} invocation(s), "
    yield f"{begun}, at {commits}. "
    yield f"{seen[-1]['machine']}; {seen[-1]['versions']}. Load average before: {loads}; percent "
    yield f"of each core busy on the whole, ours included: {busy}."


def _row(name: str, target: str, value: str, reached: bool | None) -> str:
    said = {True: "reached", False: "**not reached**", None: ""}[reached]
    return f"| {name} | {target} | {value} | {said} |"


HEAD = ["| figure | target | found | |", "|---|---|---|---|"]


def _percent(value: float, digits: int = 1) -> str:
    return f"{100 * value:.{digits}f} %"


def _condition(raw: Raw, name: str) -> Iterator[str]:
    """Repeatability of every kind of number, then what is asked of `decide`."""
    runs = raw[name]
    number = len(runs[0]["decide"])
    yield f"{number} networks, {len(runs)} invocations, ONNX Runtime, one thread, one image."
    yield ""
    if len(runs) < 2:
        yield "Nothing to compare with yet: run it again with `--add`."
        return
    yield "| number | between invocations: median | 90th percentile | most | tau | tau > 2 % |"
    yield "|---|---|---|---|---|---|"
    found = {}
    for of, key in KINDS:
        if runs[0][of]:
            one = found[of, key] = figures(runs, of=of, key=key)
            yield (
                f"| {NAMES[of]}, {key} | {_percent(one['median'])} | {_percent(one['p90'])} | "
                f"{_percent(one['most'])} | {one['tau']:.3f} | {one['tau_2']:.3f} |"
            )
    yield ""
    yield from HEAD
    for key in ("ratio", "ms"):
        one = found["decide", key]
        for figure, limit in (("median", 0.02), ("p90", 0.04), ("most", 0.08)):
            value = one[figure]
            what = f"decide, {key}: difference between invocations, {figure} of {one['n']}"
            yield _row(what, f"<= {_percent(limit, 0)}", _percent(value), value <= limit)
    one = found["decide", "ratio"]
    yield _row("decide: tau over pairs > 2 % apart", ">= 0.99", f"{one['tau_2']:.3f}",
               one["tau_2"] >= 0.99)  # fmt: skip
    yield _row("decide: tau", ">= 0.95", f"{one['tau']:.3f}", one["tau"] >= 0.95)
    for of, limit in (("screen", 0.6), ("decide", 3.0)):
        worst = max(run[f"{of}_seconds"] for run in runs)
        # What a `Latency` counts: loading, waiting and timing, not building and exporting.
        timed = max(np.mean([one["seconds"] for one in run[of].values()]) for run in runs)
        yield _row(
            f"{of}: seconds a network, building and exporting it apart", f"<= {limit}",
            f"{timed:.2f}", bool(timed <= limit),
        )  # fmt: skip
        yield _row("the same with building and exporting", "", f"{worst:.2f}", None)
    for of, key in KINDS[:3]:
        one = found[of, key]
        what = f"95 % interval of {of} ({key}) covers another invocation"
        value = f"{_percent(one['covered'])} (half-width {_percent(one['half_width'])})"
        yield _row(what, ">= 90 %", value, one["covered"] >= 0.9)
    if raw.get(CONDITIONS[0]) and len(known(raw)) > 2:
        yield from _replayed(raw, name)
    if name != CONDITIONS[0] and raw.get(CONDITIONS[0]):
        moved = np.array(shift(runs, raw[CONDITIONS[0]]))
        value = float(abs(np.median(moved)))
        limit = "<= 3 %" if name == "same-core" else ""
        reached = value <= 0.03 if limit else None
        yield _row(f"decide: shift of the ratio by {name}, median network", limit, _percent(value),
                   reached)  # fmt: skip
        most = float(np.abs(moved).max())
        reached = most <= 0.03 if limit else None
        yield _row("the same, network that is moved most", limit, _percent(most), reached)


def _replayed(raw: Raw, name: str) -> Iterator[str]:
    if name == CONDITIONS[0]:
        number, found = len(known(raw)), _percent(deviation(known(raw)))
        what = f"reference, ms: deviation between {number} invocations, also beside training"
        yield _row(what, "", found, None)
    for of, key in (("screen", "ratio"), ("decide", "ratio"), ("screen", "ms"), ("decide", "ms")):
        one = replayed(raw, name, of=of, key=key)
        what = f"replayed: this code's interval of {of} ({key}), without what the covered one tells"
        value = f"{_percent(one['covered'])} (half-width {_percent(one['half_width'])})"
        yield _row(what, ">= 90 %", value, one["covered"] >= 0.9)


def _spike(raw: Raw) -> Iterator[str]:
    runs = raw["spike"]
    measured = [(name, one) for run in runs for name, one in run["networks"].items()]
    yield "Measured / expected - 1 of a network with a unit repeated, per number of repetitions."
    yield "The unit's cost is known from chains of it outside the network: `alone`, or `behind a "
    yield "convolution`, as within a network, where ONNX Runtime fuses its addition and keeps its "
    yield "layout. `held out`: from the other numbers of repetitions in the same network."
    yield ""
    yield "| network | unit's cost from | share of the network | +1 | +2 | +4 | +8 |"
    yield "|---|---|---|---|---|---|---|"
    found: dict[str, list[float]] = defaultdict(list)
    for name, one in measured:
        ways = {CHAINS[chain]: expected_by(one, chain) for chain in one["units"]}
        shares = [_percent(unit) for unit in one["units"].values()]
        ways["held out"] = held_out(one)
        for (way, errors), share in zip(ways.items(), [*shares, ""], strict=True):
            found[way] += errors.values()
            cells = " | ".join(f"{100 * error:+.1f} %" for error in errors.values())
            yield f"| {name} | {way} | {share} | {cells} |"
    yield ""
    yield from HEAD
    for way, errors in found.items():
        sizes = np.abs(errors)
        for figure, value in (("median", np.median(sizes)), ("largest", sizes.max())):
            yield _row(f"spike-in, unit {way}: {figure} of {len(errors)}", "<= 1.5 %",
                       _percent(value, 2), bool(value <= 0.015))  # fmt: skip


def _copies(raw: Raw) -> Iterator[str]:
    found = [spread(one) for run in raw["copies"] for one in run["ratios"].values()]
    yield from HEAD
    yield _row(f"four copies of a network, largest / smallest, worst of {len(found)}", "<= 2.5 %",
               _percent(max(found), 2), max(found) <= 0.025)  # fmt: skip
    yield _row("the same, median", "", _percent(float(np.median(found)), 2), None)


def _training(raw: Raw) -> Iterator[str]:
    inside, moved = {"ratio": [], "ms": []}, {"ratio": [], "ms": []}
    for run in raw["training"]:
        for name, idle in run["idle"].items():
            for key, low, high in (("ratio", "ratio_low", "ratio_high"), ("ms", "low", "high")):
                beside = run["beside"][name]
                inside[key].append(beside[low] <= idle[key] <= beside[high])
                moved[key].append(abs(beside[key] / idle[key] - 1))
    yield from HEAD
    for key in ("ratio", "ms"):
        share = float(np.mean(inside[key]))
        yield _row(
            f"beside two training processes: {key} idle is within the interval reported, of "
            f"{len(inside[key])}", ">= 95 %", _percent(share), share >= 0.95,
        )  # fmt: skip
        yield _row(f"the same: shift of {key}, median / largest", "",
                   f"{_percent(np.median(moved[key]))} / {_percent(max(moved[key]))}",
                   None)  # fmt: skip


def _lease(raw: Raw) -> Iterator[str]:
    run = raw["lease"][-1]
    worst = max(run["waited"]) / run["batch"]
    yield from HEAD
    yield _row(f"exclusive waiter past three shared holders, longest of {len(run['waited'])}",
               "<= 2 batches", f"{worst:.2f} batches of {run['batch']} s", worst <= 2)  # fmt: skip


def _table(raw: Raw, runtime: str) -> Iterator[str]:
    run = raw[f"table-{runtime}"][-1]
    one, (limit, share) = run["accuracy"], TABLE_LIMITS[runtime]
    part = one["error"] / one["multiply_adds_error"]
    yield f"{run['blocks']} distinct blocks and {one['networks'] + 8} networks, 8 of them for the "
    yield f"calibration, in {run['build_seconds']:.0f} s."
    yield ""
    yield from HEAD
    yield _row(f"mean error on {one['networks']} other networks", f"<= {_percent(limit, 0)}",
               _percent(one["error"]), one["error"] <= limit)  # fmt: skip
    yield _row(f"of the error of fitted multiply-adds ({_percent(one['multiply_adds_error'])})",
               f"<= {share}", f"{part:.2f}", part <= share)  # fmt: skip
    yield _row("seconds that the table takes", "about 60", f"{run['build_seconds']:.0f}",
               run["build_seconds"] <= 60)  # fmt: skip
    yield _row("90th percentile of the error", "", _percent(one["p90"]), None)
    yield _row("within 10 %", "", _percent(one["within_10"]), None)
    yield _row("tau", "", f"{one['tau']:.3f}", None)
    yield _row("a prediction", "< 1 ms", f"{run['predict_ms']:.2f} ms", run["predict_ms"] < 1)


def _certified(raw: Raw) -> Iterator[str]:
    pairs = list(chain.from_iterable(run["pairs"] for run in raw["certified"]))
    kept = [one for one in pairs if one["kept"]]
    yield "Each network has limits from its search-time ratio up to 20 % above it."
    yield ""
    yield "| limit above the ratio | certified | broken | unresolved | certified and kept later |"
    lines = []
    for margin in sorted({one["margin"] for one in pairs}):
        mine = [one for one in pairs if one["margin"] == margin]
        good, bad = sum(one["kept"] for one in mine), sum(one["broken"] for one in mine)
        later = sum(one["kept_later"] for one in mine if one["kept"])
        lines.append(
            f"| {_percent(margin)} | {good} | {bad} | {len(mine) - good - bad} | "
            f"{later} of {good} |"
        )
    yield "|---|---|---|---|---|"
    yield from lines
    yield ""
    yield from HEAD
    share = float(np.mean([one["kept_later"] for one in kept])) if kept else float("nan")
    yield _row(f"of {len(kept)} certified pairs of network and limit, keep it when measured later",
               ">= 95 %", _percent(share), share >= 0.95)  # fmt: skip


SECTIONS: dict[str, Callable[[Raw], Iterator[str]]] = {
    **{name: lambda raw, name=name: _condition(raw, name) for name in CONDITIONS},
    "spike": _spike,
    "copies": _copies,
    "training": _training,
    "lease": _lease,
    **{f"table-{r}": lambda raw, r=r: _table(raw, r) for r in TABLE_LIMITS},
    "certified": _certified,
}
