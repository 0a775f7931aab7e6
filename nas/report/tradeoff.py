"""Accuracy against what it costs, and latency against multiply-adds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nas.outcome import Outcome, TrialRecord
from nas.pareto import front
from nas.quantities import amount
from nas.report.chart import Axis, Chart, Mark, Role, Series, Table
from nas.report.story import Story
from nas.report.words import (
    COLUMNS,
    accuracy_of,
    hover,
    name_of,
    published_names,
    record_row,
    reference_rows,
)

UNTRAINED = (
    " Published networks that were no candidates have no accuracy on these images; "
    "space.start_from=[NAME] begins a study with one that the space holds."
)

Value = Callable[[Outcome], float]

FAR = 2.0
"""A limit further away than so many times the last point would press all points together."""


def accuracy_latency(story: Story) -> Chart:
    """Accuracy against latency: intervals, front, limit, reference network."""
    value, low, high = _latency(story)
    title = "latency, ms"
    if story.by_ratio:
        title = f"latency, times that of {_limit_network(story)}"
    return _against(
        story,
        key="accuracy-latency",
        title="Accuracy against latency",
        axis=Axis(title),
        value=value,
        span=lambda o: (low(o), high(o)),
        known=lambda o: o.latency is not None,
        bound="latency_of" if story.by_ratio else "latency",
    )


def accuracy_multiply_adds(story: Story) -> Chart:
    """Accuracy against multiply-adds: front, limit, reference network."""
    name = "multiply_adds_of" if "multiply_adds_of" in story.bounds else "multiply_adds"
    return _against(
        story,
        key="accuracy-multiply-adds",
        title="Accuracy against multiply-adds",
        axis=Axis("multiply-adds (FLOPs of the papers)", "count"),
        value=_multiply_adds,
        span=None,
        known=lambda o: o.costs is not None,
        bound=name,
    )


def _multiply_adds(outcome: Outcome) -> float:
    assert outcome.costs is not None
    return float(outcome.costs.multiply_adds)


def _latency(story: Story) -> tuple[Value, Value, Value]:
    """How a latency is drawn: as the ratio where that decides, else in milliseconds."""
    fields = ("ratio", "ratio_low", "ratio_high") if story.by_ratio else ("ms", "low", "high")

    def reader(field: str) -> Value:
        return lambda outcome: float(getattr(outcome.latency, field))

    ms, low, high = map(reader, fields)
    return ms, low, high


def _limit_network(story: Story) -> str:
    return story.settings.objective.latency_of or story.settings.objective.reference


def _against(
    story: Story,
    *,
    key: str,
    title: str,
    axis: Axis,
    value: Value,
    span: Callable[[Outcome], tuple[float, float]] | None,
    known: Callable[[Outcome], bool],
    bound: str,
) -> Chart:
    feasible = [r for r in story.evaluated if r.outcome and r.outcome.feasible and known(r.outcome)]
    infeasible = [
        r for r in story.evaluated if r.outcome and not r.outcome.feasible and known(r.outcome)
    ]
    xs = [value(r.outcome) for r in feasible if r.outcome]
    ys = [accuracy_of(r.outcome) for r in feasible]
    best = front(list(zip(xs, ys, strict=True)), ("minimize", "maximize"))

    names = published_names(story)

    def title_of(record: TrialRecord) -> str:
        known = names.get(record.architecture.fingerprint)
        return f"{name_of(record)}, {known} as published" if known else name_of(record)

    def points(name: str, role: Role, records: Sequence[TrialRecord]) -> Series:
        outcomes = [r.outcome for r in records if r.outcome]
        return Series(
            name,
            role,
            "points",
            [value(o) for o in outcomes],
            [accuracy_of(o) for o in outcomes],
            words=[hover(title_of(r), o) for r, o in zip(records, outcomes, strict=True)],
            x_spans=[span(o) for o in outcomes] if span else None,
            y_spans=_accuracy_spans(story, outcomes),
            numbers=[r.number for r in records],
        )

    winners = [r for r in story.best[:1] if r.outcome and known(r.outcome)]
    on_front = [feasible[n] for n in sorted(best, key=lambda n: (xs[n], ys[n]))]
    halfway = [r for r in story.halfway if r.outcome and known(r.outcome)]
    papers = [
        r
        for r in (*feasible, *infeasible)
        if r.architecture.fingerprint in names and r not in winners
    ]
    # Most studies begin with the reference network: it is one point, and has its own name.
    itself = [r for r in papers if _is_reference(story, r)]
    elsewhere = [*winners, *on_front, *papers]
    series = [
        points("ended on a lower rung", "infeasible", halfway),
        points("infeasible", "infeasible", [r for r in infeasible if r not in papers]),
        points("feasible", "candidate", [r for r in feasible if r not in elsewhere]),
        Series(
            "Pareto front",
            "front",
            "steps",
            [value(r.outcome) for r in on_front if r.outcome],
            [accuracy_of(r.outcome) for r in on_front],
        ),
        points("on the front", "front", [r for r in on_front if r not in (*winners, *papers)]),
        points("published networks", "reference", [r for r in papers if r not in itself]),
        points("winner", "winner", winners),
        *(
            [points(story.settings.objective.reference, "reference", itself)]
            if itself
            else _reference(story, value, known, span)
        ),
    ]
    limit = story.bounds.get(bound)
    reach = FAR * max((float(x) for one in series for x in one.x), default=0.0)
    marks = [Mark("x", limit, "limit")] if limit is not None and limit <= reach else []
    absent = UNTRAINED if span and story.reference and len(papers) == len(itself) else ""
    far = f" The limit, {limit:g}, is beyond the figure." if limit is not None and not marks else ""
    return Chart(
        key=key,
        title=title,
        says=_says(story, feasible, on_front, spans=span is not None) + absent + far,
        alt=f"{title}: {len(feasible)} feasible and {len(infeasible)} infeasible candidates, "
        f"{len(on_front)} of them on the front; the numbers are in the table below.",
        x=axis,
        y=Axis("validation accuracy", "percent"),
        series=tuple(one for one in series if len(one.x)),
        table=Table(
            COLUMNS,
            (
                *(record_row(r) for r in sorted(story.evaluated, key=_falling)),
                *reference_rows(story),
            ),
        ),
        marks=tuple(marks),
    )


def _says(
    story: Story, feasible: Sequence[TrialRecord], on_front: Sequence[TrialRecord], *, spans: bool
) -> str:
    if not story.evaluated:
        return "No candidate was trained: there is no accuracy to draw."
    words = f"{len(feasible)} candidates keep every limit; {len(on_front)} are on the front"
    bars = ["95 % intervals of the latency"] if spans else []
    if story.images:
        bars.append(f"one standard error of the accuracy ({story.images} validation images)")
    return f"{words}; bars are {' and '.join(bars)}." if bars else f"{words}."


def _falling(record: TrialRecord) -> float:
    return -accuracy_of(record.outcome)


def _accuracy_spans(story: Story, outcomes: Sequence[Outcome]) -> list[tuple[float, float]] | None:
    if not story.images:
        return None
    values = [accuracy_of(outcome) for outcome in outcomes]
    return [(a - story.noise(a), min(1.0, a + story.noise(a))) for a in values]


def _is_reference(story: Story, record: TrialRecord) -> bool:
    return story.reference is not None and (
        story.reference[1].architecture.fingerprint == record.architecture.fingerprint
    )


def _reference(
    story: Story,
    value: Value,
    known: Callable[[Outcome], bool],
    span: Callable[[Outcome], tuple[float, float]] | None,
) -> list[Series]:
    if story.reference is None:
        return []
    name, outcome = story.reference
    if not known(outcome) or outcome.evaluation is None:
        return []
    return [
        Series(
            name,
            "reference",
            "points",
            [value(outcome)],
            [accuracy_of(outcome)],
            words=[hover(f"{name}, the reference", outcome)],
            x_spans=[span(outcome)] if span else None,
            y_spans=_accuracy_spans(story, [outcome]),
            numbers=[None],
        )
    ]


def latency_multiply_adds(story: Story) -> Chart:
    """Latency against multiply-adds of every measured network, with both rank correlations."""
    records = [r for r in story.measured if r.outcome and r.outcome.latency]
    groups: tuple[tuple[str, Role, list[TrialRecord]], ...] = (
        ("over a limit, not trained", "infeasible", [r for r in records if not _trained(r)]),
        ("evaluated", "candidate", [r for r in records if _trained(r)]),
    )
    series = [
        Series(
            name,
            role,
            "points",
            [_multiply_adds(r.outcome) for r in members if r.outcome],
            [r.outcome.latency.ms for r in members if r.outcome and r.outcome.latency],
            words=[hover(name_of(r), r.outcome) for r in members if r.outcome],
            y_spans=[
                (r.outcome.latency.low, r.outcome.latency.high)
                for r in members
                if r.outcome and r.outcome.latency
            ],
            numbers=[r.number for r in members],
        )
        for name, role, members in groups
        if members
    ]
    says = _correlations(records)
    return Chart(
        key="latency-multiply-adds",
        title="Latency against multiply-adds",
        says=says,
        alt=f"Latency against multiply-adds of {len(records)} measured networks. {says}",
        x=Axis("multiply-adds (FLOPs of the papers)", "count"),
        y=Axis("latency, ms"),
        series=tuple(series),
        table=Table(COLUMNS, tuple(record_row(r) for r in records)),
    )


def _trained(record: TrialRecord) -> bool:
    return record.outcome is not None and record.outcome.evaluation is not None


LEAST_PAIRS = 5


def _correlations(records: Sequence[TrialRecord]) -> str:
    outcomes = [r.outcome for r in records if r.outcome]
    if len(outcomes) < LEAST_PAIRS:
        return f"{len(outcomes)} networks were measured: too few for a rank correlation."
    from scipy.stats import kendalltau, spearmanr

    counts = [_multiply_adds(o) for o in outcomes]
    times = [o.latency.ms for o in outcomes if o.latency]
    if len(set(counts)) == 1 or len(set(times)) == 1:
        return "All networks are equal in one of both: there is no rank correlation."
    rho, tau = spearmanr(counts, times).statistic, kendalltau(counts, times).statistic
    wrong = (1 - tau) / 2
    return (
        f"Over {len(outcomes)} measured networks, Spearman's rank correlation is {rho:.2f} and "
        f"Kendall's {tau:.2f}: of two networks drawn at random, the one with fewer multiply-adds "
        f"is the slower one in about {100 * wrong:.0f} of 100 cases. "
        f"({amount(min(counts))} to {amount(max(counts))} multiply-adds.)"
    )
