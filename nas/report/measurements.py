"""How good the measurements are: intervals, and under which conditions they were taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median

from nas.outcome import Latency, TrialRecord
from nas.quantities import interval, span
from nas.report.chart import Axis, Chart, Role, Series, Table
from nas.report.story import Story
from nas.report.words import hover, name_of


def quality(story: Story) -> Chart:
    """The half-width of each latency's interval."""
    pairs = _measured(story)
    latencies = [one for _, one in pairs]
    groups: tuple[tuple[str, Role], ...] = (("RESOLVED", "candidate"), ("UNRESOLVED", "second"))
    series = []
    for status, role in groups:
        members = [(r, one) for r, one in pairs if one.status == status]
        series.append(
            Series(
                status.lower(),
                role,
                "points",
                [float(r.number) for r, _ in members],
                [half_width(one) for _, one in members],
                words=[hover(name_of(r), r.outcome) for r, _ in members if r.outcome],
                numbers=[r.number for r, _ in members],
            )
        )
    resolved = sum(one.status == "RESOLVED" for one in latencies)
    says = "Nothing was measured."
    if latencies:
        half = 100 * median(map(half_width, latencies))
        says = (
            f"{resolved} of {len(latencies)} latencies are resolved (the ratio to the reference "
            "is as sure as aimed at); half of the intervals in milliseconds are within "
            f"+-{half:.1f} %."
        )
    return Chart(
        key="measurements",
        title="How good the measurements are",
        says=says,
        alt=f"Half-width of the interval of each measured latency. {says}",
        x=Axis("trial"),
        y=Axis("half of the 95 % interval", "percent"),
        series=tuple(one for one in series if len(one.x)),
        table=Table(
            ("trial", "latency, ms (95 %)", "half of the interval, %", "ratio", "measured for"),
            tuple(
                (
                    str(r.number),
                    interval(one),
                    f"{100 * half_width(one):.1f}",
                    one.status.lower(),
                    span(one.seconds),
                )
                for r, one in pairs
            ),
        ),
    )


def conditions(story: Story) -> Table:
    """Regime, disturbance and load of all measurements."""
    return Table(("condition", "value"), tuple(_conditions([one for _, one in _measured(story)])))


def _measured(story: Story) -> list[tuple[TrialRecord, Latency]]:
    """The networks that were timed, with what was found; a table's latencies are no such thing."""
    return [
        (r, r.outcome.latency)
        for r in story.measured
        if r.outcome and r.outcome.latency and r.outcome.latency.clock != "table"
    ]


def half_width(latency: Latency) -> float:
    """Half of the interval, as a share of the latency."""
    return (latency.high - latency.low) / 2 / latency.ms if latency.ms else 0.0


def _conditions(latencies: Sequence[Latency]) -> list[tuple[str, str]]:
    """What was the same for all, counted; what differed, as median and range."""
    if not latencies:
        return []
    rows = [("measured networks", str(len(latencies)))]
    for name, values in (
        ("clock", [one.clock for one in latencies]),
        ("statistic", [one.statistic for one in latencies]),
        ("level", [str(one.conditions.get("level", "-")) for one in latencies]),
        ("processes", [str(one.processes) for one in latencies]),
        ("governor", [str(one.conditions.get("governor") or "-") for one in latencies]),
    ):
        rows.append((name, _counted(values)))
    rows.append(("measuring, each", _spread([one.seconds for one in latencies], form="seconds")))
    for key, name in (
        ("quiet_share", "quiet share of the rounds"),
        ("preempted_share", "share of calls that were interrupted"),
        ("duplicate_ratio", "the reference against its own copy"),
        ("reference_drift", "drift of the reference"),
        ("second_reference_drift", "regime: drift of a network of another kind against it"),
        ("load", "load of the machine"),
        ("mhz", "lowest frequency, MHz"),
        ("celsius", "highest temperature, degrees"),
        ("cooling", "steps by which clocks were held down"),
        ("throttled", "times the processor throttled itself"),
        ("lease_seconds", "waiting for the machine"),
    ):
        found = [one.conditions.get(key) for one in latencies]
        known = [float(v) for v in found if isinstance(v, int | float)]
        if known:
            form = "seconds" if key == "lease_seconds" else "plain"
            rows.append((name, _spread(known, form=form)))
    return rows


def _counted(values: Sequence[str]) -> str:
    found = Counter(values).most_common(3)
    return found[0][0] if len(found) == 1 else ", ".join(f"{v} ({n})" for v, n in found)


def _spread(values: Sequence[float], *, form: str) -> str:
    def word(value: float) -> str:
        return span(value) if form == "seconds" else f"{value:.3g}"

    return f"median {word(median(values))}, {word(min(values))} to {word(max(values))}"
