"""How the study went: the best so far, where the time went, what was not evaluated and why."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from statistics import median

from nas.outcome import TrialRecord
from nas.quantities import percent, span
from nas.report.chart import Axis, Chart, Series, Table
from nas.report.sessions import FINISHING, OVERHEAD
from nas.report.story import Story
from nas.report.words import accuracy_of, hover, name_of


def history(story: Story, *, by: str) -> Chart:
    """The best feasible accuracy so far, by trial or by working time."""
    # Of several workers a later trial may end first.
    finished = sorted(
        (r for r in story.records if r.outcome and r.finished is not None),
        key=lambda r: _at(story, r, by),
    )
    points = [(_at(story, r, by), r) for r in finished if r.outcome and r.outcome.evaluation]
    whole = {r.number for r in story.evaluated}
    own = [(x, r) for x, r in points if r.number in whole]
    best: list[tuple[float, float]] = []
    rows: list[tuple[str, ...]] = []
    for x, record in own:
        accuracy = accuracy_of(record.outcome)
        if record.outcome and record.outcome.feasible and (not best or accuracy > best[-1][1]):
            best.append((x, accuracy))
        known = f"{100 * best[-1][1]:.2f}" if best else "-"
        rows.append((f"{x:.4g}", name_of(record), f"{100 * accuracy:.2f}", known))
    if best and finished:
        best.append((_at(story, finished[-1], by), best[-1][1]))
    axis, words = (
        (Axis("trial"), "by trial") if by == "trial" else (Axis("minutes of work"), "by time")
    )
    series = [
        Series(
            "evaluated",
            "candidate",
            "points",
            [x for x, _ in own],
            [accuracy_of(r.outcome) for _, r in own],
            words=[hover(name_of(r), r.outcome) for _, r in own if r.outcome],
            numbers=[r.number for _, r in own],
        ),
        Series("best feasible", "front", "steps", [x for x, _ in best], [a for _, a in best]),
        *_reference_line(story, [x for x, _ in own]),
    ]
    return Chart(
        key=f"history-{by}",
        title=f"Best so far, {words}",
        says=_last_gain(best) if best else "No candidate keeps every limit yet.",
        alt=f"Best feasible accuracy {words}: {len(best[:-1])} improvements; see the table.",
        x=axis,
        y=Axis("validation accuracy", "percent"),
        series=tuple(one for one in series if len(one.x)),
        table=Table(
            (axis.title, "network", "accuracy, %", "best feasible so far, %"),
            tuple(rows),
        ),
    )


def _at(story: Story, record: TrialRecord, by: str) -> float:
    if by == "trial":
        return float(record.number)
    return story.sessions.worked(record.finished or record.started) / 60


def _reference_line(story: Story, across: Sequence[float]) -> list[Series]:
    if story.reference is None or story.reference[1].evaluation is None or not across:
        return []
    name, outcome = story.reference
    value = accuracy_of(outcome)
    return [Series(name, "reference", "line", [min(across), max(across)], [value, value])]


def _last_gain(best: Sequence[tuple[float, float]]) -> str:
    gains = best[:-1]
    first, last = gains[0], gains[-1]
    if len(gains) == 1:
        return f"The best, {percent(last[1])}, was the first that kept every limit."
    return f"From {percent(first[1])} to {percent(last[1])} in {len(gains) - 1} steps."


WORDS = {
    "training": "training",
    "measuring": "measuring latency",
    "lease": "waiting for the machine",
    "counting": "counting",
    FINISHING: "more seeds, test images",
    OVERHEAD: "overhead",
}


def time_spent(story: Story) -> Chart:
    """Training, measuring, waiting for the machine, counting, the end, and what is left."""
    spent = dict(story.sessions.spent)
    waiting = _waiting_share(story) * spent.get("measuring", 0.0)
    spent |= {"measuring": spent.get("measuring", 0.0) - waiting, "lease": waiting}
    parts = [(words, spent.get(stage, 0.0)) for stage, words in WORDS.items()]
    known = [(name, value) for name, value in parts if value > 0]
    total = sum(value for _, value in known)
    rows = tuple((n, span(v), f"{100 * v / total:.1f}") for n, v in known)
    times = len(story.sessions.spans)
    says = f"{span(total)} of work in {f'{times} sessions' if times > 1 else 'all'}; a moment in "
    says += "which several candidates are under way is divided among them."
    return Chart(
        key="time",
        title="Where the time went",
        says=says if known else "Nothing was spent yet.",
        alt="Where the time went: " + "; ".join(f"{n} {s}" for n, s, _ in rows) + ".",
        x=Axis("minutes"),
        y=Axis("", "words"),
        series=(
            Series(
                "time",
                "candidate",
                "sideways",
                [v / 60 for _, v in reversed(known)],
                [n for n, _ in reversed(known)],
                words=[f"{n}\n{span(v)}" for n, v in reversed(known)],
            ),
        )
        if known
        else (),
        table=Table(("what", "time", "share, %"), rows),
    )


def _waiting_share(story: Story) -> float:
    """The share of the measuring in which the machine was another's."""
    measured = [r.outcome for r in story.records if r.outcome and r.outcome.kind != "repeated"]
    measured += [story.reference[1]] if story.reference else []
    pairs = [
        (o.seconds.get("measuring", 0.0), float(o.latency.conditions.get("lease_seconds", 0.0)))
        for o in measured
        if o.latency and o.seconds.get("measuring")
    ]
    seconds = sum(second for second, _ in pairs)
    return min(1.0, sum(waited for _, waited in pairs) / seconds) if seconds else 0.0


def endings(story: Story) -> Chart:
    """How proposals ended: evaluated, refused by which limit and by how much, repeated, failed."""
    rows = _endings(story)
    return Chart(
        key="endings",
        title="What was refused, repeated or failed, and why",
        says=f"{sum(n for _, n, _ in rows)} proposals. Nothing over a limit is trained.",
        alt="How proposals ended: " + "; ".join(f"{n} {name}" for name, n, _ in rows) + ".",
        x=Axis("proposals"),
        y=Axis("", "words"),
        series=(
            Series(
                "proposals",
                "second",
                "sideways",
                [n for _, n, _ in reversed(rows)],
                [name for name, _, _ in reversed(rows)],
                words=[f"{name}: {n}\n{why}" for name, n, why in reversed(rows)],
            ),
        )
        if rows
        else (),
        table=Table(("ended", "proposals", "why"), tuple((n, str(c), w) for n, c, w in rows)),
    )


def _endings(story: Story) -> list[tuple[str, int, str]]:
    outcomes = [r.outcome for r in story.records if r.outcome]
    rows = []
    evaluated = [o for o in outcomes if o.kind == "evaluated"]
    if evaluated:
        broken = sum(not o.feasible for o in evaluated)
        why = f"trained; {broken} break a limit" if broken else "trained"
        lower = len(story.halfway)
        why += f"; {lower} ended on a lower rung" if lower else ""
        rows.append(("evaluated", len(evaluated), why))
    over: dict[str, list[float]] = {}
    for outcome in outcomes:
        if outcome.kind == "refused" and outcome.violations:
            name, violation = max(outcome.violations.items(), key=lambda item: item[1])
            words = name.removesuffix("_of").replace("_", "-")
            if outcome.unresolved and words == "latency":
                words = "latency unresolved"
            over.setdefault(words, []).append(100 * (math.exp(violation) - 1))
    for words, shares in sorted(over.items()):
        why = f"by {min(shares):.0f} to {max(shares):.0f} %, half of them by {median(shares):.0f} %"
        rows.append((f"refused: {words}", len(shares), f"over the limit {why} or more"))
    repeated = sum(o.kind == "repeated" for o in outcomes)
    if repeated:
        rows.append(("repeated", repeated, "the same network as before: answered from memory"))
    failures = Counter(o.failure for o in outcomes if o.kind == "failed")
    for failure, number in failures.most_common():
        reason = next(o.reason for o in outcomes if o.kind == "failed" and o.failure == failure)
        rows.append((f"failed: {failure}", number, reason))
    running = sum(r.outcome is None for r in story.records)
    if running:
        rows.append(("unfinished", running, "running, or to be taken up by a resume"))
    return rows
