from __future__ import annotations

import json

import pytest

from nas.report.sessions import FINISHING, OVERHEAD, sessions_of

TWO_WORKERS = [
    (0, "started", {}),
    (2, "stage", {"trial": None, "stage": "measuring"}),
    (5, "reference", {}),
    (5, "stage", {"trial": 0, "stage": "training"}),
    (6, "stage", {"trial": 1, "stage": "counting"}),
    (8, "stage", {"trial": 1, "stage": "waiting"}),
    (10, "outcome", {"trial": 0}),
    (10, "stage", {"trial": 1, "stage": "training"}),
    (13, "outcome", {"trial": 1}),
    (14, "stopped", {}),
]


def log(events: list[tuple[int, str, dict[str, object]]]) -> str:
    return "\n".join(json.dumps({"time": at, "event": name, **more}) for at, name, more in events)


def test_a_moment_is_divided_among_all_that_are_worked_on() -> None:
    found = sessions_of(log(TWO_WORKERS), [])
    # 0-2 and 13-14 nobody; 2-5 the reference; 6-8 both trials; 8-10 one of them waits its turn.
    assert found.spent == pytest.approx(
        {OVERHEAD: 3.0, "measuring": 3.0, "training": 1 + 1 + 2 + 3, "counting": 1.0}
    )
    assert sum(found.spent.values()) == pytest.approx(found.seconds)


def test_what_comes_after_the_search_is_work_too() -> None:
    found = sessions_of(log(TWO_WORKERS), [], concluded=20.0)
    assert found.spent[FINISHING] == pytest.approx(6.0)
    assert found.seconds == pytest.approx(20.0)


def test_nothing_of_a_killed_session_is_under_way_in_the_next() -> None:
    killed = TWO_WORKERS[:6]
    again = [(1000, "resumed", {}), (1004, "stage", {"trial": 1, "stage": "training"})]
    found = sessions_of(log([*killed, *again]), [], concluded=14.0, live_until=1006.0)
    assert found.seconds == pytest.approx(8 + 6)
    assert found.spent[OVERHEAD] == pytest.approx(2 + 4)
    assert FINISHING not in found.spent
