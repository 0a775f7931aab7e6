"""How a running study stands, in values and in the words and the view made of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nas.events import Counts, StudyInfo
from nas.objective import rank
from nas.outcome import Outcome, TrialRecord
from nas.pace import Pace
from nas.tables import cost_words, facts, percent, span, times_reference, told


@dataclass(frozen=True)
class Progress:
    """All that the view shows.

    Units:
        since: when this process began, seconds of a monotonic clock.
    """

    info: StudyInfo
    since: float
    pace: Pace = field(default_factory=Pace)
    counts: Counts = field(default_factory=Counts)
    reference: tuple[str, Outcome] | None = None
    best: tuple[int, Outcome] | None = None
    now: str = "starting"
    recent: tuple[str, ...] = ()


def best_of(
    best: tuple[int, Outcome] | None, trials: Iterable[TrialRecord]
) -> tuple[int, Outcome] | None:
    """The best feasible network of `best` and these trials."""
    known = [best] if best else []
    known += [(trial.number, trial.outcome) for trial in trials if trial.outcome]
    return next(iter(rank(known, noise=0.0)), None)


def seconds_left(progress: Progress, now: float) -> float | None:
    """Seconds until the end of the search by the pace of this process, None before there is one."""
    settings, pace = progress.info.settings, progress.pace
    missing = progress.info.trials - progress.counts.evaluated
    reference = progress.reference[1] if progress.reference else None
    left = pace.left(missing, now)
    if left is None:
        return None
    if missing <= 0:
        return max(0.0, pace.ending(settings, reference) - pace.idle(now))
    hours = settings.get("study", {}).get("hours")
    if hours is not None:
        left = min(left, max(0.0, 3600 * hours - (now - progress.since)))
    return left + pace.ending(settings, reference)


def line_of(trial: TrialRecord, progress: Progress, now: float) -> str:
    """A finished trial in one line, with how the study stands."""
    left = seconds_left(progress, now)
    parts = [
        f"trial {trial.number}: {ending(trial, progress.reference)}",
        f"{progress.counts.evaluated} of {progress.info.trials} evaluated",
        told(progress.counts),
    ]
    if progress.best:
        number, best = progress.best
        accuracy = best.evaluation.accuracy if best.evaluation else None
        parts.append(f"best {percent(accuracy)} (trial {number})")
    if left:
        parts.append(f"about {span(max(1, left))} left")
    return "; ".join(parts)


def ending(trial: TrialRecord, reference: tuple[str, Outcome] | None) -> str:
    """How a trial ended."""
    outcome = trial.outcome
    assert outcome is not None  # asked of finished trials only
    if outcome.kind != "evaluated":
        return f"{outcome.kind}, {outcome.reason}"
    words: list[str] = [outcome.kind]
    if outcome.evaluation:
        words.append(f"{percent(outcome.evaluation.accuracy)} validation{_place(outcome)}")
    words.append(cost_words(outcome.latency, outcome.costs))
    times = times_reference(outcome.latency, reference[1] if reference else None)
    if reference and times is not None:
        words.append(f"{times:.2f} x {reference[0]}")
    return ", ".join(word for word in words if word)


def _place(outcome: Outcome) -> str:
    """Of how short a training the accuracy is, where it is not of the whole."""
    evaluation = outcome.evaluation
    if evaluation is None or evaluation.whole:
        return ""
    return f" after {evaluation.rungs[-1].epochs} epochs (rung {evaluation.rung})"


def view(progress: Progress, now: float) -> RenderableType:
    """The live view."""
    info, left = progress.info, seconds_left(progress, now)
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        ProgressBar(total=info.trials, completed=progress.counts.evaluated, width=24),
        f"{progress.counts.evaluated} of {info.trials} evaluated; {told(progress.counts)}",
    )
    rows = facts(
        [
            ("study", f"{info.name}: {info.goal}"),
            ("limits", "; ".join(info.limits)),
            ("reference", reference_words(progress.reference)),
            ("best", _best(progress)),
            ("now", progress.now),
            (
                "time",
                f"{span(now - progress.since)} so far"
                + (f", about {span(max(1, left))} left" if left else ""),
            ),
        ]
    )
    recent = [
        Text(f"  {line}", style="dim", overflow="ellipsis", no_wrap=True)
        for line in progress.recent
    ]
    return Group(*recent, rows, bar)


def reference_words(reference: tuple[str, Outcome] | None) -> str:
    """The reference network and how it did."""
    if reference is None:
        return "none yet"
    name, outcome = reference
    accuracy = percent(outcome.evaluation.accuracy) if outcome.evaluation else "-"
    return f"{name}: {accuracy} validation, {cost_words(outcome.latency, outcome.costs)}"


def _best(progress: Progress) -> str:
    if progress.best is None:
        return "none that keeps the limits yet"
    number, outcome = progress.best
    words = (
        f"trial {number}: {percent(outcome.evaluation.accuracy if outcome.evaluation else None)}"
    )
    if progress.reference and progress.reference[1].evaluation and outcome.evaluation:
        gain = outcome.evaluation.accuracy - progress.reference[1].evaluation.accuracy
        words += f" ({100 * gain:+.2f} points)"
    words += f", {cost_words(outcome.latency, outcome.costs)}"
    known = progress.reference
    times = times_reference(outcome.latency, known[1] if known else None)
    return words + (f", {times:.2f} x {known[0]}" if known and times is not None else "")
