"""A finished search as tests/test_pace.py replays it: when what was told, until its very end.

    nas search
    python benchmarks/recorded_search.py runs/STUDY > tests/recorded_search.json

Everything is in the study's own log; its end is when the page of its report was written.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from nas.result import ENDED
from nas.settings.stored import read
from nas.study.storage import StudyStorage

REPORT_SECONDS = 60.0
"""A report that was written later than so long after the finalists was written again."""

WHAT = (
    "seconds since it began; an epoch as [trial, epoch, of] (trial -1: the reference network), "
    "an outcome as [trial, seconds of training]"
)


def event(entry: dict[str, Any], began: float) -> list[Any] | None:
    """What the time left is told by, or told at."""
    at, kind, trial = round(entry["time"] - began, 1), entry["event"], entry.get("trial")
    number = -1 if trial is None else trial
    if kind == "epoch":
        return [at, kind, number, entry["epoch"], entry["of"]]
    if kind == "outcome":
        return [at, entry["outcome"], number, round(entry["seconds"].get("training", 0.0), 1)]
    return [at, kind, -1] if kind in ("certified", "stopped") else None


def main() -> None:
    path = Path(sys.argv[1])
    log = [json.loads(line) for line in (path / "log.jsonl").read_text().splitlines()]
    began = log[0]["time"]
    assert {one["event"] for one in log}.isdisjoint({"resumed"}), "in one go"
    storage = StudyStorage.open(path)
    try:
        concluded = storage.get(ENDED)["time"]
        training = storage.get("nas.reference")["seconds"]["training"]
        origin = storage.get("nas.origin")
        settings = read(path / "settings.yaml")
    finally:
        storage.close()
    ended = (path / "report" / "report.html").stat().st_mtime
    assert concluded < ended < concluded + REPORT_SECONDS, "the report of its own end"
    head = {
        "what": f"{path.name} at {origin['git']['commit'][:7]}, on {origin['cores']} cores of an "
        f"{origin['processor']}; {WHAT}",
        "seconds": round(ended - began, 1),
        "trials": settings.study.trials,
        "reference_training": round(training, 1),
        "settings": settings.to_json(),
    }
    events = [found for one in log if (found := event(one, began))]
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    lines.append('"events": [\n  ' + ",\n  ".join(map(json.dumps, events)) + "\n ]")
    print("{\n " + ",\n ".join(lines) + "\n}")


if __name__ == "__main__":
    main()
