"""A study while it runs: a live view on a terminal, one line per trial elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from rich.console import Console
from rich.live import Live

from nas.events import Counts, Stage, StopReason, StudyInfo, Waiting
from nas.outcome import Certificate, EpochResult, Outcome, TrialRecord
from nas.progress import Progress, best_of, ending, line_of, reference_words, view
from nas.status import counted
from nas.tables import interval, percent, span, waited_for

REDRAW_SECONDS = 0.1
"""Epochs of small networks come faster than anyone reads."""

RECENT = 5
"""Finished trials shown in the live view; on a terminal the others are in `nas ui`."""


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
        self.progress = Progress(study, time.monotonic(), counts=counts, best=best_of(None, past))
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
        self._line(f"reference {reference_words((name, outcome))}")

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
        self._does(trial.number, "proposed")

    def stage(self, number: int | None, stage: Stage) -> None:
        """See `nas.events.Listener`."""
        self._does(number, stage)

    def epoch(self, number: int | None, result: EpochResult, of: int) -> None:
        """See `nas.events.Listener`."""
        assert self.progress is not None  # started comes first
        self.progress.pace.epoch(number, result, of, time.monotonic())
        words = f"training, epoch {result.epoch} of {of}, {percent(result.accuracy)}"
        self._does(number, words, at_once=False)

    def trial_finished(self, trial: TrialRecord, counts: Counts) -> None:
        """See `nas.events.Listener`."""
        assert self.progress is not None  # started comes first
        self.progress.pace.finished(trial, time.monotonic())
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
