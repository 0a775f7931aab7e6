"""A study while it runs: a live view on a terminal, one line per trial elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nas.events import Counts, Stage, StopReason, StudyInfo, Waiting
from nas.objective import rank
from nas.outcome import Certificate, EpochResult, Outcome, TrialRecord
from nas.status import counted
from nas.tables import (
    cost_words,
    facts,
    interval,
    percent,
    span,
    times_reference,
    told,
    waited_for,
)

REDRAW_SECONDS = 0.1
"""Epochs of small networks come faster than anyone reads."""

RECENT = 5
"""Finished trials shown in the live view; on a terminal the others are in `nas ui`."""


@dataclass(frozen=True)
class Progress:
    """All that the view shows.

    Units:
        since: when this process began, seconds of a monotonic clock; first: how many candidates
        were evaluated by then; paced: when the first trial of this process began, None before.
    """

    info: StudyInfo
    since: float
    first: int = 0
    paced: float | None = None
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


FEWEST_PACED = 3
"""Candidates from which a pace is taken, or a fifth of all where that is fewer."""


def seconds_left(progress: Progress, now: float) -> float | None:
    """Seconds until the study has its candidates, from the pace of this process; None at first."""
    done = progress.counts.evaluated - progress.first
    missing = progress.info.trials - progress.counts.evaluated
    if missing <= 0:
        return 0.0
    # The first may be the reference network, which is not trained twice.
    if done < max(1, min(FEWEST_PACED, progress.info.trials // 5)):
        return None
    # Loading the images and training the reference network happen once, not once a candidate.
    paced = progress.since if progress.paced is None else progress.paced
    return (now - paced) / done * missing


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
            ("reference", _known(progress.reference)),
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


def _known(reference: tuple[str, Outcome] | None) -> str:
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


class Display:
    """Shows what a study tells its listeners (`nas.events.Listener`).

    The live view is drawn when something happens and by no thread of its own, so that nothing
    runs beside a measurement. A reader that went away (`nas search | head`) ends the display, not
    the study.
    """

    def __init__(self, console: Console) -> None:
        self.progress: Progress | None = None
        self._console = console
        self._live: Live | None = None
        self._doing: dict[int | None, str] = {}
        self._recent: deque[str] = deque(maxlen=RECENT)
        self._lost: str | None = None
        self._drawn = 0.0
        self._gone = False

    @property
    def study(self) -> StudyInfo | None:
        """The study that is shown, once it has started."""
        return self.progress.info if self.progress else None

    def started(self, study: StudyInfo, past: list[TrialRecord]) -> None:
        """See `nas.events.Listener`."""
        counts = counted(past)
        self.progress = Progress(
            study,
            time.monotonic(),
            first=counts.evaluated,
            counts=counts,
            best=best_of(None, past),
        )
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
            # A process that is killed cannot put a hidden cursor back.
            self._console.show_cursor(True)
            self._draw(at_once=True)
            return
        went_on = f", going on with {len(past)} trials" if study.resumed else ""
        self._print(f"study {study.name} in {study.folder}{went_on}")
        self._print(f"goal: {study.goal}")
        for limit in study.limits:
            self._print(f"limit: {limit}")
        self._print(f"target: {study.target}")

    def reference_known(self, name: str, outcome: Outcome) -> None:
        """See `nas.events.Listener`."""
        self._doing.pop(None, None)
        self._change(reference=(name, outcome))
        self._line(f"reference {_known((name, outcome))}")

    def note(self, message: str) -> None:
        """See `nas.events.Listener`."""
        self._recent.append(message)
        self._change(recent=tuple(self._recent), now=message)
        self._line(message)

    def device_lost(self, waiting: Waiting) -> None:
        """See `nas.events.Listener`."""
        first = self._lost is None
        self._lost = self._lost or (self.progress.now if self.progress else "")
        self._change(now=waited_for(waiting))
        if first:
            self._line(f"{waited_for(waiting)}; the study goes on when it answers")

    def device_back(self, waiting: Waiting) -> None:
        """See `nas.events.Listener`."""
        before, self._lost = self._lost, None
        self._change(now=before or "measuring")
        self._line(f"the device answers again, after {span(time.time() - waiting.since)}")

    def trial_started(self, trial: TrialRecord) -> None:
        """See `nas.events.Listener`."""
        assert self.progress is not None  # started comes first
        if self.progress.paced is None:
            self.progress = replace(self.progress, paced=time.monotonic())
        self._does(trial.number, "proposed")

    def stage(self, number: int | None, stage: Stage) -> None:
        """See `nas.events.Listener`."""
        self._does(number, stage)

    def epoch(self, number: int | None, result: EpochResult, of: int) -> None:
        """See `nas.events.Listener`."""
        words = f"training, epoch {result.epoch} of {of}, {percent(result.accuracy)}"
        self._does(number, words, at_once=False)

    def trial_finished(self, trial: TrialRecord, counts: Counts) -> None:
        """See `nas.events.Listener`."""
        assert self.progress is not None  # started comes first
        best = best_of(self.progress.best, [trial])
        self._doing.pop(trial.number, None)
        self._recent.append(f"trial {trial.number}: {ending(trial, self.progress.reference)}")
        self._change(counts=counts, best=best, recent=tuple(self._recent), now=self._now())
        self._line(line_of(trial, self.progress, time.monotonic()))

    def certified(self, name: str, certificate: Certificate) -> None:
        """See `nas.events.Listener`."""
        verdict = certificate.verdict and f", limit {certificate.verdict}"
        self.note(f"certified {name}: {interval(certificate.latency)} ms{verdict}")

    def stopped(self, reason: StopReason, message: str, counts: Counts) -> None:
        """See `nas.events.Listener`."""
        live, self._live = self._live, None
        if live:
            with self._as_long_as_read():
                live.stop()

    def _does(self, number: int | None, words: str, *, at_once: bool = True) -> None:
        self._doing[number] = words
        self._change(now=self._now(), at_once=at_once)

    def _now(self) -> str:
        """What is under way, a line each."""
        return "\n".join(
            f"{'reference network' if number is None else f'trial {number}'}: {words}"
            for number, words in self._doing.items()
        )

    def _change(self, *, at_once: bool = True, **changes: object) -> None:
        assert self.progress is not None  # started comes first
        self.progress = replace(self.progress, **changes)  # type: ignore[arg-type]  # its own fields
        self._draw(at_once=at_once)

    def _draw(self, *, at_once: bool) -> None:
        now = time.monotonic()
        if self._live and self.progress and (at_once or now - self._drawn > REDRAW_SECONDS):
            self._drawn = now
            with self._as_long_as_read():
                self._live.update(view(self.progress, now), refresh=True)

    def _line(self, text: str) -> None:
        if self._live is None:
            self._print(text)

    def _print(self, text: str) -> None:
        if self._gone:
            return
        with self._as_long_as_read():
            self._console.print(text, soft_wrap=True)
            self._console.file.flush()

    @contextmanager
    def _as_long_as_read(self) -> Iterator[None]:
        """Write, and never again once the reader or the terminal has gone."""
        try:
            yield
        except OSError:
            self._gone, self._live = True, None
