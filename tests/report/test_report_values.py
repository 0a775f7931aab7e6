"""The numbers of a report, found again by hand from the records of its study."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from reported import IMAGES, study

from nas.outcome import TrialRecord
from nas.report import write_comparison, write_report
from nas.report.baselines import baselines
from nas.report.course import endings, history
from nas.report.genes import blocks_by_stage
from nas.report.interactive import figure
from nas.report.story import Story, read_story
from nas.report.tradeoff import accuracy_latency


def accuracy(record: TrialRecord) -> float:
    assert record.outcome is not None
    assert record.outcome.evaluation is not None
    return record.outcome.evaluation.accuracy


def multiply_adds(record: TrialRecord) -> int:
    assert record.outcome is not None
    assert record.outcome.costs is not None
    return record.outcome.costs.multiply_adds


def ended(story: Story, kind: str) -> list[TrialRecord]:
    return [r for r in story.records if r.outcome and r.outcome.kind == kind]


def with_some_over_the_limit(story: Story) -> tuple[Story, list[TrialRecord]]:
    """The story as if its most accurate candidates had been over a limit when trained."""
    best = sorted(ended(story, "evaluated"), key=accuracy)[-3:]
    over = [replace(r, outcome=replace(r.outcome, feasible=False)) for r in best if r.outcome]
    changed = {r.number: r for r in over}
    records = tuple(changed.get(r.number, r) for r in story.records)
    return replace(story, records=records, best=()), over


@pytest.mark.parametrize("by", ["trial", "time"])
def test_the_history_ends_at_the_highest_feasible_accuracy(story: Story, by: str) -> None:
    changed, over = with_some_over_the_limit(story)
    left_out = {r.number for r in over}
    feasible = [accuracy(r) for r in ended(story, "evaluated") if r.number not in left_out]
    found = history(changed, by=by)
    (line,) = [s for s in found.series if s.form == "steps"]
    assert line.y[-1] == max(feasible) < max(map(accuracy, over))
    assert list(line.y) == sorted(line.y)
    # Behind it a row for every candidate that is a point.
    assert len(found.table.rows) == len(ended(story, "evaluated"))
    assert found.table.rows[-1][-1] == f"{100 * max(feasible):.2f}"


def test_the_history_by_trial_never_goes_back_where_a_later_trial_ended_first(
    story: Story,
) -> None:
    last = max(r.finished for r in story.records if r.finished is not None)
    turned = tuple(replace(r, finished=last - r.number) for r in story.records)
    (line,) = [
        s for s in history(replace(story, records=turned), by="trial").series if s.form == "steps"
    ]
    assert list(line.x) == sorted(line.x)
    assert len(set(line.y)) > 1


def test_each_stage_has_every_evaluated_candidate_in_one_row_of_its_blocks(story: Story) -> None:
    kinds = ("shuffle_v1", "shuffle_v2", "sandglass")
    records = tuple(
        replace(r, genes={"stage1_kind": kinds[r.number % 3], "kind2": kinds[r.number % 2]})
        for r in story.records
    )
    genes = {"stage1_kind": kinds, "kind2": kinds[:2]}
    rows = blocks_by_stage(replace(story, records=records, genes=genes)).table.rows
    evaluated = [r.number for r in ended(story, "evaluated")]
    counts = {(stage, kind): int(count) for stage, kind, count, *_ in rows}
    assert counts == {
        **{("stage1", kind): sum(n % 3 == i for n in evaluated) for i, kind in enumerate(kinds)},
        **{("2", kind): sum(n % 2 == i for n in evaluated) for i, kind in enumerate(kinds[:2])},
    }
    for stage in ("stage1", "2"):
        assert sum(count for (one, _), count in counts.items() if one == stage) == len(evaluated)
        best = sum(int(row[3]) for row in rows if row[0] == stage)
        assert best == round(0.25 * len(evaluated))  # the best quarter


def test_the_choice_by_multiply_adds_alone_is_the_leanest_within_the_noise(story: Story) -> None:
    evaluated = ended(story, "evaluated")
    best = max(map(accuracy, evaluated))
    # One standard error of a share of so many images.
    noise = math.sqrt(best * (1 - best) / IMAGES)
    near = [r for r in evaluated if accuracy(r) >= best - noise]
    lean = min(near, key=multiply_adds)
    assert multiply_adds(lean) > min(map(multiply_adds, evaluated))
    assert multiply_adds(lean) < multiply_adds(max(evaluated, key=accuracy))
    (row,) = [row for row in baselines(story)[0].rows if row[0] == "by multiply-adds"]
    assert row[1].startswith(f"#{lean.number:03d} ")
    assert row[2] == f"{100 * accuracy(lean):.2f}"
    assert row[5] == str(multiply_adds(lean))


def test_what_was_refused_repeated_and_failed_is_told_trial_by_trial(story: Story) -> None:
    refused, repeated = ended(story, "refused"), ended(story, "repeated")
    assert len(refused) > 3
    assert repeated
    broken = {
        r.number: replace(
            r, outcome=replace(r.outcome, kind="failed", failure="training", reason="no memory")
        )
        for r in refused[:2]
        if r.outcome
    }
    records = tuple(broken.get(r.number, r) for r in story.records)
    found = endings(replace(story, records=records)).table.rows
    counts = {
        word: sum(int(n) for name, n, _ in found if name.split(":")[0] == word)
        for word in ("evaluated", "refused", "repeated", "failed")
    }
    assert counts == {
        "evaluated": len(ended(story, "evaluated")),
        "refused": len(refused) - 2,
        "repeated": len(repeated),
        "failed": 2,
    }
    assert ("failed: training", "2", "no memory") in found
    assert sum(counts.values()) == len(story.records)


def test_how_to_do_it_again_names_the_command_and_the_git_revision(path: Path) -> None:
    page = write_report(path).page.read_text()
    (section,) = re.findall(r'<section id="reproduce".*?</section>', page, re.DOTALL)
    assert "<dt>command</dt><dd>nas search --something</dd>" in section
    assert "<dt>git revision</dt><dd>c0ffee</dd>" in section


def test_what_is_over_a_limit_is_fainter_than_what_keeps_them(story: Story) -> None:
    changed, over = with_some_over_the_limit(story)
    made = figure(accuracy_latency(changed))["data"]
    (faint,) = [trace for trace in made if trace["meta"] == "infeasible"]
    assert faint["customdata"] == [r.number for r in sorted(over, key=lambda r: r.number)]
    # Half as strong, intervals too, and a ring that is thick enough to be seen.
    assert 0.45 <= faint["opacity"] <= 0.6
    assert faint["marker"]["line"]["width"] >= 1.5
    assert all("opacity" not in trace for trace in made if trace["meta"] != "infeasible")


def volumes(first: Path, second: Path) -> list[float]:
    """The hypervolumes that the page of two studies tells."""
    page = unescape(write_comparison(first, second).page.read_text())
    (row,) = re.findall(r"<tr><t[dh][^>]*>hypervolume</t[dh]>(.*?)</tr>", page)
    return [float(cell) for cell in re.findall(r">([\d.]+)<", row)]


def test_a_study_against_itself_covers_as_much(path: Path) -> None:
    one, other = volumes(path, path)
    assert one == other
    assert 0 < one < 1


def test_the_volume_is_the_area_below_the_steps_of_the_front(path: Path, story: Story) -> None:
    second = study(path.parent / "second", seed=9, proposals=15)
    points = [
        sorted(
            (r.outcome.latency.ms, accuracy(r))
            for r in ended(one, "evaluated")
            if r.outcome and r.outcome.latency and r.outcome.feasible
        )
        for one in (story, read_story(second))
    ]
    end = 1.01 * max(ms for found in points for ms, _ in found)
    expected = []
    for found in points:
        ends = [ms for ms, _ in found[1:]] + [end]
        heights = [max(a for _, a in found[: n + 1]) for n in range(len(found))]
        widths = [after - ms for after, (ms, _) in zip(ends, found, strict=True)]
        expected.append(sum(w * h for w, h in zip(widths, heights, strict=True)) / end)
    told = volumes(path, second)
    assert told == pytest.approx(expected, abs=6e-5)  # four decimals are told
    assert all(0 < one < 1 for one in told)
    assert told[0] != told[1]
