"""The description of a study that the MLflow UI shows above its run: Markdown with a table."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from nas.outcome import Latency, Outcome
from nas.tracking.labels import kinds, magnitude, three_digits
from nas.tracking.state import StudyState

SHOWN = 10
_MARKS = re.compile(r"([\\`*_{}\[\]()#+\-!|~])")


def escaped(text: str) -> str:
    """Any text as plain text in Markdown, also inside a table."""
    one_line = " ".join(text.split())
    safe = one_line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKS.sub(r"\\\1", safe)


def description(state: StudyState, *, address: str = "", report: str = "") -> str:
    """What a newcomer needs: goal, limits, target, progress, winner, and where to go next.

    `address` is that of the study's candidates in the UI and `report` that of its report, if they
    are known yet.
    """
    study = state.study
    facts = [
        ("Progress", _progress(state)),
        ("Goal", study.goal),
        ("Limits", "; ".join(study.limits) or "none"),
        ("Target", study.target),
        ("Data and space", f"{study.data}, {study.space}"),
    ]
    if state.message:
        facts.insert(0, ("Ended", state.message))
    # The UI folds all but the first lines away: what was found comes first.
    parts = ["\n".join(_table(state))]
    if not state.best:
        parts.append("No candidate keeps every limit yet." + _nearest(state))
    if address:
        parts.append(f"[All candidates that keep the limits, the most accurate first]({address})")
    if report:
        parts.append(f"[The report: figures, what mattered, where the time went]({report})")
    parts.append("\n".join(f"- **{name}:** {escaped(value)}" for name, value in facts))
    parts.append(f"Go on with `nas resume {study.name}`; settings and versions are in Artifacts.")
    return "\n\n".join(part for part in parts if part)


def _progress(state: StudyState) -> str:
    counts = state.counts
    return (
        f"{counts.evaluated} of {state.study.trials} evaluated, {counts.refused} refused, "
        f"{counts.repeated} repeated, {counts.failed} failed"
    )


def _nearest(state: StudyState) -> str:
    if state.nearest is None or state.nearest.outcome is None:
        return ""
    limit, value = max(state.nearest.outcome.violations.items(), key=lambda item: item[1])
    # A violation is ln(value / limit).
    share = 100 * (math.exp(value) - 1)
    return (
        f" The nearest, trial {state.nearest.number}, is {share:.1f} % above "
        f"{escaped(limit.removesuffix('_of').replace('_', '-'))}: relax that limit, or allow "
        "smaller networks."
    )


def _table(state: StudyState) -> list[str]:
    word = "winner" if state.concluded else "most accurate so far"
    rows = []
    for place, record in enumerate(state.best[:SHOWN], 1):
        assert record.outcome is not None  # only evaluated trials are among the best
        name = f"#{record.number:03d} {kinds(record.architecture)}"
        first = f"**{word}**" if place == 1 else str(place)
        rows.append(_row(first, name, record.outcome, state.tested.get(record.number)))
    if state.reference:
        name, outcome = state.reference
        rows.append(_row("reference", name, outcome, state.tested.get(None)))
    if not rows:
        return []
    shown = [name for name in rows[0] if any(row[name] for row in rows)]
    head = [_line(shown), "| --- " * len(shown) + "|"]
    return [*head, *(_line([row[name] for name in shown]) for row in rows)]


def _row(place: str, name: str, outcome: Outcome, test: float | None) -> dict[str, str]:
    latency, costs = outcome.latency, outcome.costs
    names = ("place", "network", "accuracy", "test accuracy", "latency", "certified", "p95")
    row = dict.fromkeys(names, "")
    row |= {"place": place, "network": escaped(name)}
    if outcome.evaluation:
        row["accuracy"] = f"{outcome.evaluation.accuracy:.1%}"
    if test is not None:
        row["test accuracy"] = f"{test:.1%}"
    row["latency"] = _latency(latency)
    if outcome.certificate:
        certificate = outcome.certificate
        unsure = " (limit unresolved)" if certificate.verdict == "unresolved" else ""
        row["certified"] = _latency(certificate.latency) + unsure
        row["p95"] = f"{three_digits(certificate.p95_ms)} ms"
    row["multiply-adds"] = magnitude(costs.multiply_adds) if costs else ""
    row["parameters"] = magnitude(costs.parameters) if costs else ""
    return row


def _latency(latency: Latency | None) -> str:
    if latency is None:
        return ""
    ms, low, high = map(three_digits, (latency.ms, latency.low, latency.high))
    return f"{ms} ms ({low} to {high})"


def _line(cells: Sequence[str]) -> str:
    # The UI draws tables without any space between the columns.
    return "| " + " | ".join(f"{cell}&nbsp;&nbsp;" for cell in cells) + " |"
