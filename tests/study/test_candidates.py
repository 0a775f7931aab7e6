"""One proposal looked at: what is refused, and in which words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from tiny import Tiny, examiner

from nas.architecture import Architecture
from nas.latency.decision import judged
from nas.limits import bounds_of
from nas.objective import Limit, Objective
from nas.outcome import Latency, Outcome
from nas.screening import CLOCK

NOTHING: dict[str, float] = {}
LIMIT = Objective("constrained", limits=(Limit("latency", 2.0),))


def network() -> Architecture:
    space = Tiny()
    return space.decode({gene.name: gene.options[0] for gene in space.genes})


def examined(
    low: float, high: float, clock: str = "wall", conditions: Mapping[str, float] = NOTHING
) -> Outcome:
    ms = (low + high) / 2
    found = Latency(
        ms=ms, low=low, high=high, ratio=ms, ratio_low=low, ratio_high=high, statistic="median",
        clock=clock, status="RESOLVED", target="t", reference="r", reference_ms=1.0, rounds=8,
        processes=5, seconds=1.0, conditions=dict(conditions),
    )  # fmt: skip
    measured = judged(found, bounds_of(LIMIT))
    looked = replace(examiner(LIMIT), measure=lambda a, g: measured)
    return looked.examine(network(), {}, enter=lambda _: None, report=lambda *_: None)


def test_what_was_only_predicted_is_refused_in_words_that_say_so() -> None:
    found = examined(4.0, 6.0, clock=CLOCK)
    assert found.kind == "refused"
    assert found.reason == "latency <= 2 ms: predicted from its blocks to exceed it, not measured"
    assert not found.feasible


@pytest.mark.parametrize(
    ("low", "high", "kind", "unresolved", "words"),
    [
        (1.8, 1.98, "evaluated", False, ""),
        (2.1, 2.2, "refused", False, "latency <= 2 ms: exceeded by 10.0 %"),
        (1.9, 2.1, "refused", True, "latency <= 2 ms: unresolved, its interval reaches 5.0 % over"),
    ],
)
def test_an_interval_that_is_not_on_one_side_of_its_limit_is_refused_as_unresolved(
    low: float, high: float, kind: str, unresolved: bool, words: str
) -> None:
    found = examined(low, high)
    assert (found.kind, found.unresolved) == (kind, unresolved)
    assert found.reason.startswith(words)
    assert found.feasible == (kind == "evaluated")
    assert Outcome.from_json(found.to_json()) == found


def test_a_limit_that_no_measuring_settles_is_refused_in_words_that_say_so() -> None:
    found = examined(1.9, 2.1, conditions={"invocations_differ": 0.08})
    assert found.unresolved
    assert found.reason == (
        "latency <= 2 ms: unresolved, its interval reaches 5.0 % over it; milliseconds of two "
        "invocations differ by up to 8.0 % here, which measuring longer does not narrow; a limit "
        "against a network (objective.latency_of) is free of that"
    )
