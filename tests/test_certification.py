"""The end of a whole search: winners and reference certified, once; who breaks the limit is out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import nas
from nas.session import resume
from nas.status import status
from nas.study.storage import StudyStorage

QUICK = (
    "training.epochs=1",
    "objective.latency_ms=50",
    "space.widths=[12,24]",
    "space.depths=[1]",
    "space.start_from=[]",
    "tracking=none",
    "study.sustained_seconds=0.2",
    "study.report=false",
    "evaluation.seeds=1",
)


def certified(folder: Path) -> list[str]:
    lines = (folder / "log.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    return [event["name"] for event in events if event["event"] == "certified"]


@pytest.mark.slow
def test_winners_are_certified_once_and_one_that_breaks_its_limit_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = nas.search(*QUICK, "study.trials=4", "study.name=one")
    assert found.problems == ()
    assert len(found.winners) == 3
    for finalist in (*found.winners, found.reference):
        assert finalist is not None
        certificate = finalist.certificate
        assert certificate is not None
        assert (certificate.verdict, certificate.latency.processes) == ("kept", 5)
        assert certificate.p50_ms <= certificate.p95_ms <= certificate.p99_ms
        assert certificate.sustained_seconds == 0.2
    folder = tmp_path / "runs" / "one"
    names = [*(finalist.name for finalist in found.winners), "shufflenet_v2_x0_5"]
    assert certified(folder) == names

    again = resume("one", folder=tmp_path / "runs", command="test")
    assert [f.certificate for f in again.winners] == [f.certificate for f in found.winners]
    assert certified(folder) == names  # nothing a second time

    # As if the winner had turned out too slow when it was certified.
    storage = StudyStorage.open(folder)
    winner = found.winners[0]
    assert winner.certificate is not None
    broken = replace(winner.certificate, verdict="broken", within=False)
    storage.certify({winner.outcome.architecture.fingerprint: broken})
    storage.close()
    final = resume("one", folder=tmp_path / "runs", command="test")
    assert [finalist.name for finalist in final.broken] == [winner.name]
    assert winner.name not in [finalist.name for finalist in final.winners]
    assert len(final.winners) == 3
    assert all(finalist.certificate for finalist in final.winners)
    assert len(certified(folder)) == len(names) + 1  # the next best
    (stood,) = status(tmp_path / "runs")
    assert stood.best_trial == final.winners[0].trial


@pytest.mark.slow
def test_a_front_is_certified_without_a_limit_and_by_the_95th_percentile_if_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [word for word in QUICK if "latency_ms" not in word]
    found = nas.search(
        *words, "objective=pareto", "objective.latency_statistic=p95", "study.trials=2"
    )
    assert found.problems == ()
    for finalist in found.winners:
        assert finalist.certificate is not None
        assert finalist.certificate.verdict == ""
        assert finalist.certificate.latency.statistic == "p95"
        assert finalist.outcome.latency is not None
        assert finalist.outcome.latency.statistic == "p95"
