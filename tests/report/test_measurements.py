from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reported import study

from nas.outcome import Outcome
from nas.report.measurements import conditions, quality
from nas.report.story import Story, read_story


def with_conditions(story: Story, **known: object) -> Story:
    def changed(outcome: Outcome | None) -> Outcome | None:
        if outcome is None or outcome.latency is None:
            return outcome
        return replace(outcome, latency=replace(outcome.latency, conditions=dict(known)))

    records = tuple(replace(r, outcome=changed(r.outcome)) for r in story.records)
    return replace(story, records=records)


def test_regime_and_disturbance_of_the_measurements_are_told(tmp_path: Path) -> None:
    story = read_story(study(tmp_path / "one", proposals=12))
    known = with_conditions(story, second_reference_drift=0.031, preempted_share=0.25, load=1.5)
    rows = dict(conditions(known).rows)
    regime = next(value for name, value in rows.items() if name.startswith("regime"))
    assert regime == "median 0.031, 0.031 to 0.031"
    assert rows["share of calls that were interrupted"].startswith("median 0.25")
    assert rows["load of the machine"].startswith("median 1.5")


def test_the_interval_of_each_measurement_is_a_row_and_a_point(tmp_path: Path) -> None:
    story = read_story(study(tmp_path / "one", proposals=12))
    made = quality(story)
    timed = [r for r in story.records if r.outcome and r.outcome.latency and not r.outcome.repeats]
    drawn = {n: y for s in made.series for n, y in zip(s.numbers, s.y, strict=True)}
    assert len(timed) > 5
    for record, row in zip(timed, made.table.rows, strict=True):
        latency = record.outcome.latency  # type: ignore[union-attr]  # timed
        half = (latency.high - latency.low) / 2 / latency.ms  # type: ignore[union-attr]  # timed
        assert (row[0], row[2]) == (str(record.number), f"{100 * half:.1f}")
        assert drawn[record.number] == half
