"""When a study was worked on, and on what, by its log."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nas.outcome import TrialRecord

FINISHING, OVERHEAD = "finishing", "overhead"


@dataclass(frozen=True)
class Sessions:
    """When a process worked on the study: (start, end) of each time, in seconds since 1970.

    `spent` are the seconds of each stage of all sessions: a moment in which several candidates are
    under way is divided among them, one in which none is counts as overhead. What comes after the
    search (more seeds, test images) is `finishing`. Empty without a log.
    """

    spans: tuple[tuple[float, float], ...]
    spent: Mapping[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """All of it; a weekend between two of them does not count."""
        return sum(end - start for start, end in self.spans)

    def worked(self, moment: float) -> float:
        """The working time until a moment."""
        return sum(max(0.0, min(end, moment) - start) for start, end in self.spans)


def sessions_of(
    log: str,
    records: Sequence[TrialRecord],
    *,
    concluded: float | None = None,
    live_until: float | None = None,
) -> Sessions:
    """The sessions by the text of a log, by the trials where there is none.

    `concluded` is when the search's last end was reached, `live_until` the present of a study that
    is being run; both in seconds since 1970.
    """
    spans: list[list[float]] = []
    spent: defaultdict[str, float] = defaultdict(float)
    under_way: dict[int | None, str] = {}
    for event in _events(log):
        moment = float(event["time"])
        if event["event"] in ("started", "resumed") or not spans:
            spans.append([moment, moment])
            under_way = {}
        _divide(spent, moment - spans[-1][1], under_way)
        spans[-1][1] = max(spans[-1][1], moment)
        _follow(under_way, event)
    if not spans and records:
        spans = [[records[0].started, max(r.finished or r.started for r in records)]]
    last = spans[-1] if spans else [0.0, 0.0]
    if live_until is not None and live_until > last[1]:
        _divide(spent, live_until - last[1], under_way)
        last[1] = live_until
    elif concluded is not None and concluded > last[1]:
        spent[FINISHING] += concluded - last[1]
        last[1] = concluded
    return Sessions(tuple((start, end) for start, end in spans), dict(spent))


def _events(log: str) -> Iterator[dict[str, Any]]:
    for line in log.splitlines():
        try:
            event = json.loads(line)
            float(event["time"])
            event["event"]
        except (ValueError, TypeError, KeyError):
            continue  # a line that was cut off by a kill
        yield event


def _divide(
    spent: defaultdict[str, float], seconds: float, under_way: Mapping[int | None, str]
) -> None:
    # A candidate that waits for a worker is not worked on.
    stages = [stage for stage in under_way.values() if stage != "waiting"] or [OVERHEAD]
    for stage in stages:
        spent[stage] += max(0.0, seconds) / len(stages)


def _follow(under_way: dict[int | None, str], event: Mapping[str, Any]) -> None:
    """Who is under way after an event; the reference network and the finalists are None."""
    if event["event"] == "stage":
        under_way[event.get("trial")] = event.get("stage", OVERHEAD)
    elif event["event"] == "outcome":
        under_way.pop(event.get("trial"), None)
    elif event["event"] in ("reference", "certified"):
        under_way.pop(None, None)
    elif event["event"] == "stopped":
        under_way.clear()
