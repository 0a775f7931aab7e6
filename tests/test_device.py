"""A study and its device: what is measured is kept, believed after a check, and used again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import nas
from nas.latency.memory import CHECKS
from nas.latency.store import Store

QUICK = (
    "training.epochs=1",
    "objective.latency_ms=50",
    "space.widths=[12,24]",
    "space.depths=[1]",
    "space.start_from=[]",
    "sampler=random",
    "tracking=none",
    "study.trials=5",
)


def notes(study: str) -> list[str]:
    lines = Path("runs", study, "log.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    return [event["message"] for event in events if event["event"] == "note"]


@pytest.mark.slow
def test_a_later_study_starts_from_what_an_earlier_one_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = nas.search(*QUICK, "study.name=first")
    assert notes("first") == []
    # The reference once, and each network that was measured.
    stored = Store(Path("runs")).count()
    assert stored >= 1 + first.counts.evaluated

    later = nas.search(*QUICK, "study.name=later")
    assert later.counts.evaluated == 5
    told = notes("later")
    assert "are known from earlier studies" in told[0]
    assert "the reference network takes" in told[1]
    # Three checks, and the end of them in one of two ways.
    assert any("checked and hold" in note or "no longer hold" in note for note in told)
    if any("checked and hold" in note for note in told):
        # The same seed proposes the same networks: the reference and the checks were measured.
        assert Store(Path("runs")).count() == stored + 1 + CHECKS

    Path("runs/latency.db").write_bytes(b"not a database at all" * 100)
    again = nas.search(*QUICK, "study.name=again")
    assert again.counts.evaluated == 5
    assert "was damaged" in notes("again")[0]
    assert list(Path("runs").glob("latency.db.damaged-*"))
