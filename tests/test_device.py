"""A study and its device: what is measured is kept, believed after a check, and used again."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest

import nas
from nas.composition import compose_parts
from nas.device import second_of
from nas.latency.memory import CHECKS
from nas.settings.compose import compose

QUICK = (
    "training.epochs=1",
    "objective.latency_ms=50",
    "space.widths=[12,24]",
    "space.depths=[1]",
    "space.start_from=[]",
    "sampler=random",
    "tracking=none",
    "study.sustained_seconds=0",
    "study.report=false",
    "evaluation.seeds=1",
    "execution=serial",
)


def notes(study: str) -> list[str]:
    lines = Path("runs", study, "log.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    told = [event["message"] for event in events if event["event"] == "note"]
    others = ("images of", "certifying", "regime check", "finalists")
    return [note for note in told if not note.startswith(others)]


def stored(level: str) -> int:
    """How many measurements of a level the folder's store has."""
    with contextlib.closing(sqlite3.connect("runs/latency.db")) as database:
        query = "SELECT count(*) FROM measurements WHERE level = ?"
        return int(database.execute(query, (level,)).fetchone()[0])


@pytest.mark.parametrize(
    ("reference", "second"),
    [
        ("shufflenet_v2_x0_5", "mobilenext_x0_35"),
        ("shufflenet_v1_g3_x0_5", "mobilenext_x0_35"),
        ("mobilenext_x0_5", "shufflenet_v2_x0_5"),
    ],
)
def test_the_second_reference_is_of_another_kind(reference: str, second: str) -> None:
    parts = compose_parts(compose([f"objective.latency_of={reference}"]))
    found = second_of(parts)
    assert found is not None
    name, network = found
    assert name == second
    assert parts.yardstick is not None
    assert network.input == parts.yardstick.input
    assert {u.kind for u in network.units}.isdisjoint(u.kind for u in parts.yardstick.units)


@pytest.mark.slow
def test_a_later_study_starts_from_what_an_earlier_one_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = nas.search(*QUICK, "study.trials=3", "study.name=first")
    assert notes("first") == []
    # The reference once, and each network that was measured.
    screened = stored("screen")
    assert screened >= 1 + first.counts.evaluated
    assert stored("certify") == 3 + 2  # the winners and both reference networks

    later = nas.search(*QUICK, "study.trials=3", "study.name=later")
    assert later.counts.evaluated == 3
    told = notes("later")
    assert "are known from earlier studies" in told[0]
    assert "the reference network takes" in told[1]
    # Three checks, and the end of them in one of two ways.
    assert any("checked and hold" in note or "no longer hold" in note for note in told)
    if any("checked and hold" in note for note in told):
        # The same seed proposes the same networks: the reference and the checks were measured.
        assert stored("screen") == screened + 1 + CHECKS

    Path("runs/latency.db").write_bytes(b"not a database at all" * 100)
    again = nas.search(*QUICK, "study.trials=1", "study.name=again")
    assert again.counts.evaluated == 1
    assert "was damaged" in notes("again")[0]
    assert list(Path("runs").glob("latency.db.damaged-*"))
