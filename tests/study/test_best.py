"""Who may be called the best, once certificates are there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tiny import run
from tracked_studies import certificate, outcome, record

from nas.objective import Objective
from nas.outcome import Outcome
from nas.study.best import BestKeeper, best_of, contenders, refuted
from nas.study.storage import StudyStorage


@pytest.mark.parametrize(
    ("verdict", "may_win"), [("kept", True), ("unresolved", True), ("broken", False), ("", True)]
)
def test_a_network_whose_certificate_breaks_its_limit_is_no_winner(
    verdict: str, may_win: bool
) -> None:
    first = replace(outcome(accuracy=0.95), certificate=certificate(verdict=verdict))
    trials = [record(0, first), record(1, outcome(accuracy=0.90)), record(2, outcome("refused"))]
    assert refuted(first) != may_win
    best = best_of(Objective("constrained"), contenders(trials), noise=0.0)
    assert [number for number, _ in best] == ([0, 1] if may_win else [1])


def test_a_value_over_the_limit_is_no_winner_even_where_its_interval_is_not_all_over() -> None:
    found = replace(certificate(verdict="unresolved"), within=False)
    assert refuted(replace(outcome(), certificate=found))


def test_a_study_that_goes_on_does_not_call_a_refuted_network_its_best_again(
    tmp_path: Path,
) -> None:
    told: list[list[int]] = []
    keeper = BestKeeper(Objective("constrained"), 0, tmp_path, "", told.append)
    broken = replace(outcome(accuracy=0.99), certificate=certificate(verdict="broken"))
    keeper.take([record(0, broken), record(1, outcome(accuracy=0.90))])
    keeper.add(record(2, outcome(accuracy=0.91)))
    assert told == [[2, 1]]


def test_certificates_are_kept_with_the_study_and_found_with_its_trials(tmp_path: Path) -> None:
    run(tmp_path / "s", proposals=6, sampler="random")
    storage = StudyStorage.open(tmp_path / "s")
    evaluated = [t for t in storage.records() if t.outcome and t.outcome.kind == "evaluated"]
    first, second = evaluated[:2]
    storage.certify({first.architecture.fingerprint: certificate(0.1)})
    storage.certify({second.architecture.fingerprint: certificate(0.2, "broken")})
    storage.close()
    again = StudyStorage.open(tmp_path / "s")
    found = {t.number: t.outcome.certificate for t in again.records() if t.outcome}
    assert found[first.number] == certificate(0.1)
    assert found[second.number] == certificate(0.2, "broken")
    others = set(found) - {first.number, second.number}
    assert {found[number] for number in others} == {None}
    outcomes = [t.outcome for t in again.records() if t.outcome]
    assert [Outcome.from_json(one.to_json()) for one in outcomes] == outcomes
    again.close()
