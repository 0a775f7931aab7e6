from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest
from tracked_studies import latency, outcome, record, study_info

from nas.latency.calls import histogram
from nas.latency.protocol import Group
from nas.tracking.histogram import histogram_svg
from nas.tracking.rows import trial_row
from nas.tracking.state import TrialState

SVG = "{http://www.w3.org/2000/svg}"


def groups(*milliseconds: float) -> list[Group]:
    """Two calls a group."""
    ns = [1e6 * ms for ms in milliseconds]
    return [Group((1.0, 1.0), 0, 0, tuple(ns[n : n + 2])) for n in range(0, len(ns), 2)]


def measured(*milliseconds: float):
    return latency(0.15, conditions={"calls": histogram(groups(*milliseconds))})


def bars(svg: str) -> list[float]:
    """The heights of the bars."""
    rects = ElementTree.fromstring(svg).iter(f"{SVG}rect")
    return [float(one.get("height", "0")) for one in rects if one.get("fill") == "#2a6fbb"]


def test_every_call_is_in_one_class_or_beyond():
    # 199 calls from 0.100 to 0.199 ms, and one that was interrupted.
    times = [0.1 + 0.0005 * n for n in range(199)]
    found = histogram(groups(*times, 7.0))
    assert sum(found["counts"]) + found["beyond"] == 200
    assert found["slowest_ms"] == pytest.approx(7.0)
    assert found["low_ms"] == pytest.approx(0.1)
    # The 99th percentile of 200: the slow one would otherwise leave all others in one class.
    assert found["high_ms"] < 0.2
    assert min(found["counts"]) > 0


def test_interrupted_calls_do_not_press_the_others_together():
    # 90 calls around 0.14 ms, and one in ten is interrupted for 4 ms.
    found = histogram(groups(*[0.13 + 0.0002 * n for n in range(90)], *[4.0] * 10))
    assert found["high_ms"] < 0.3
    assert found["beyond"] == 10
    assert sum(count > 0 for count in found["counts"]) > 10


def test_calls_that_all_took_the_same_are_one_class():
    found = histogram(groups(*[0.25] * 10))
    assert sum(found["counts"]) == 10
    assert found["beyond"] == 0


def test_the_bars_are_as_high_as_there_are_calls():
    svg = histogram_svg(measured(*[0.1] * 10, *[0.15] * 30), title="a <b> & c")
    heights = sorted(height for height in bars(svg) if height)
    assert len(heights) == 2
    assert heights[1] / heights[0] == pytest.approx(3, rel=0.01)
    root = ElementTree.fromstring(svg)
    assert root.findtext(f"{SVG}title") == "a <b> & c"
    assert "40 calls by the wall clock" in (root.findtext(f"{SVG}desc") or "")


def test_nothing_leaves_the_picture_when_the_interval_is_wider_than_the_calls():
    svg = histogram_svg(measured(*[0.149] * 4, *[0.151] * 4), title="x")
    for one in ElementTree.fromstring(svg).iter(f"{SVG}rect"):
        begin, wide = float(one.get("x", "0")), float(one.get("width", "0"))
        assert 0 <= begin <= begin + wide <= 640


def test_a_trial_that_was_timed_has_its_histogram_among_its_files():
    timed = replace(outcome(), latency=measured(0.1, 0.2))
    files = trial_row(study_info(), TrialState(record(17, timed), "FINISHED")).artifacts()
    assert "#017 v1.sandglass" in files["latency.svg"]
    untimed = trial_row(study_info(), TrialState(record(17, outcome()), "FINISHED")).artifacts()
    assert "latency.svg" not in untimed
