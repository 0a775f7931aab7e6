from __future__ import annotations

import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import plotly.graph_objects as plotly
import pytest
from PIL import Image
from reported import IMAGES, attributes, failing, study

from nas.errors import InputError, StudyError
from nas.outcome import TrialRecord
from nas.report import write_comparison, write_report
from nas.report.baselines import baselines, random_trials
from nas.report.chart import Chart
from nas.report.interactive import figure
from nas.report.page import charts_of
from nas.report.story import Story, read_story
from nas.settings.compose import compose
from nas.study.folder import DriverLock


class Page(HTMLParser):
    """What a browser would see of a page: its elements, and the text outside of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._inside = tag if tag in ("script", "style") else self._inside

    def handle_endtag(self, tag: str) -> None:
        self._inside = "" if tag == self._inside else self._inside

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def written(path: Path) -> str:
    return write_report(path).page.read_text()


def of(path: Path) -> Page:
    return Page(write_report(path).page.read_text())


def chart(story: Story, key: str) -> Chart:
    return next(one for one in charts_of(story) if one.key == key)


def test_the_page_asks_nobody_for_anything(written: str) -> None:
    page = Page(written)
    for _, known in page.elements:
        for name in ("src", "href", "action", "data"):
            value = known.get(name, "#")
            assert value.startswith(("#", "data:")), value
    (policy,) = [m["content"] for m in page.all("meta") if "http-equiv" in m]
    assert policy.startswith("default-src 'none'")
    assert written.count("* plotly.js v") == 1
    assert len(written) < 6_000_000


def test_every_figure_has_a_table_a_picture_and_words(written: str, story: Story) -> None:
    page = Page(written)
    drawn = [one for one in charts_of(story) if not one.is_empty]
    assert len(drawn) >= 9
    plots = [known for known in page.all("div") if known.get("class") == "plot"]
    stills = page.all("img")
    assert len(plots) == len(stills) == len(drawn)
    assert all(known["aria-label"] for known in plots)
    assert all(known["alt"] for known in stills)
    assert all(one.table.rows for one in drawn)
    for one in drawn:
        part = written.partition(f'<section id="{one.key}">')[2].partition("</details>")[0]
        assert len(Page(part).all("tr")) == 1 + len(one.table.rows), one.key


def test_the_figures_are_what_plotly_accepts(story: Story) -> None:
    for one in charts_of(story):
        made = figure(one)
        assert len(plotly.Figure(made).data) == len(one.series), one.key


def test_the_pictures_are_pictures(path: Path) -> None:
    for file in write_report(path).figures:
        with Image.open(io.BytesIO(file.read_bytes())) as picture:
            assert picture.size[0] > 600
            assert len(picture.convert("RGB").getcolors(100_000) or []) > 20, file.name


def test_the_card_names_the_winner_its_limit_and_what_to_type(written: str, story: Story) -> None:
    assert story.winner is not None
    assert story.winner.outcome is not None
    text = Page(written).text
    assert f"#{story.winner.number:03d}" in text
    assert story.winner.architecture.text in text
    assert "below the limit" in text
    assert f"nas latency first:{story.winner.number}" in text
    assert f"nas train first:{story.winner.number} " in text
    assert f"nas export first:{story.winner.number} --to DIR" in text
    assert f"on {IMAGES} images" in text
    # Against the most accurate feasible trial, found here by hand.
    best = max(
        (r.outcome for r in story.evaluated if r.outcome and r.outcome.feasible),
        key=lambda outcome: outcome.evaluation.accuracy if outcome.evaluation else 0.0,
    )
    assert best.evaluation is not None
    assert story.winner.outcome.evaluation is not None
    noise = story.noise(best.evaluation.accuracy)
    assert story.winner.outcome.evaluation.accuracy >= best.evaluation.accuracy - noise


def test_the_front_is_drawn_through_what_no_candidate_beats(story: Story) -> None:
    one = chart(story, "accuracy-latency")
    (line,) = [s for s in one.series if s.form == "steps"]
    points = [
        (r.outcome.latency.ms, r.outcome.evaluation.accuracy)
        for r in story.evaluated
        if r.outcome and r.outcome.latency and r.outcome.evaluation and r.outcome.feasible
    ]
    unbeaten = {
        p for p in points if not any(o != p and o[0] <= p[0] and o[1] >= p[1] for o in points)
    }
    assert set(zip(line.x, line.y, strict=True)) == unbeaten
    assert [mark.at for mark in one.marks] == [0.2]


def test_every_evaluated_candidate_is_a_row_and_a_point(story: Story) -> None:
    one = chart(story, "accuracy-latency")
    numbers = {n for series in one.series for n in series.numbers if n is not None}
    assert numbers == {r.number for r in story.evaluated}
    rows = [row for row in one.table.rows if row[0] != "reference"]
    assert len(rows) == len(story.evaluated)


def test_the_parts_of_the_time_are_the_whole(story: Story) -> None:
    one = chart(story, "time")
    minutes = sum(float(x) for x in one.series[0].x)
    assert minutes * 60 == pytest.approx(story.sessions.seconds, rel=0.05)


def test_a_weekend_between_two_sessions_is_no_work(path: Path, story: Story) -> None:
    first, last = story.sessions.spans[0][0], story.sessions.spans[-1][1]
    two = replace(story.sessions, spans=(*story.sessions.spans, (last + 1e5, last + 1e5 + 7)))
    assert two.seconds == pytest.approx(story.sessions.seconds + 7)
    assert two.worked(last + 5e4) == pytest.approx(story.sessions.seconds)
    assert two.worked(first - 5) == 0.0


def test_random_draws_are_those_before_the_sampler_learned(story: Story) -> None:
    startup = story.settings.sampler.startup_trials
    assert [r.number for r in random_trials(story)] == list(range(startup))


def test_what_the_sampler_gained_is_said_against_its_own_random_start(story: Story) -> None:
    startup = story.settings.sampler.startup_trials
    validation = {r.number: r.outcome.evaluation.accuracy for r in story.evaluated}  # type: ignore[union-attr]
    first = max(validation[n] for n in validation if n < startup)
    assert story.winner is not None
    gained = 100 * (validation[story.winner.number] - first)
    assert any(f"{gained:+.2f} points" in line for line in baselines(story)[1])


def test_text_of_others_is_never_markup(tmp_path: Path) -> None:
    evil = "</script><img src=x onerror=alert(1)>"
    plain = compose(["data=arrays", "data.path=images.npz"])
    settings = replace(plain, data=replace(plain.data, path=f"{evil}.npz"))
    made = study(tmp_path / "a'b & c", settings=settings, evaluate=failing, ms=10, proposals=12)
    found = write_report(made)
    text = found.page.read_text()
    page = Page(text)
    assert [one for one in page.all("img") if not one["src"].startswith("data:")] == []
    assert not any(name.startswith("on") for _, known in page.elements for name in known)
    # The scripts of the page and the data of its figures, none cut off by a text.
    assert text.count("</script>") == len(page.all("script"))
    assert evil in page.text
    assert "a'b & c" in page.text


def test_without_a_feasible_trial_the_page_says_how_far_and_what_to_relax(tmp_path: Path) -> None:
    path = study(tmp_path / "tight", ms=0.0001, proposals=12)
    text = of(path).text
    records: list[TrialRecord] = list(read_story(path).records)
    # Every candidate that is small enough to be measured is over the latency limit.
    slow = [r.outcome.latency.high for r in records if r.outcome and r.outcome.latency]
    assert "No candidate keeps every limit" in text
    found = re.search(r"trial (\d+), is ([\d.]+) % above the limit on latency", text)
    assert found is not None
    assert float(found[2]) == pytest.approx(100 * (min(slow) / 0.0001 - 1), rel=0.01)
    assert "objective.latency_ms=" in text


def test_one_trial_is_a_report(tmp_path: Path) -> None:
    text = of(study(tmp_path / "one", proposals=1)).text
    assert "1 proposals" in text
    assert "too few to tell what mattered" in text


def test_only_failures_are_told_with_their_reason(tmp_path: Path) -> None:
    text = of(study(tmp_path / "failed", evaluate=failing, ms=10, proposals=12)).text
    assert "failed: training: TrainingError" in text
    assert "loss: must be finite" in text
    assert "No candidate was trained" in text


def test_a_study_without_any_trial_is_a_report(tmp_path: Path) -> None:
    text = of(study(tmp_path / "none", proposals=0)).text
    assert "Nothing was proposed yet" in text


def test_a_study_that_is_being_run_says_so(tmp_path: Path) -> None:
    path = study(tmp_path / "live", proposals=5)
    lock = DriverLock(path)
    lock.acquire()
    try:
        assert "The study is being run" in of(path).text
        # Its own process, at the end, holds it too.
        ended = Page(write_report(path, ended=True).page.read_text()).text
        assert "The study is being run" not in ended
    finally:
        lock.release()


def test_a_limit_that_is_far_away_is_told_and_not_drawn(tmp_path: Path) -> None:
    one = chart(read_story(study(tmp_path / "wide", ms=50, proposals=10)), "accuracy-latency")
    assert one.marks == ()
    assert one.says.endswith("The limit, 50, is beyond the figure.")


def test_a_log_cut_off_by_a_kill_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = study(tmp_path / "cut", proposals=5)
    whole = read_story(path).sessions
    with (path / "log.jsonl").open("a") as log:
        log.write('{"time": 17')
    assert read_story(path).sessions == whole


def test_a_study_of_an_older_version_is_a_report_that_says_so(tmp_path: Path) -> None:
    path = study(tmp_path / "older", bare=True, proposals=15)
    with (path / "settings.yaml").open("a") as settings:
        settings.write("gone:\n  since: 1\n")
    page = of(path)
    assert "An older version wrote this study" in page.text
    assert "The settings could not be read" in page.text
    assert read_story(path).winner is not None


def test_a_name_that_is_no_study_is_told_with_the_nearest(path: Path) -> None:
    with pytest.raises(StudyError, match="allowed: first"):
        write_report(path.parent / "frist")


def test_two_studies_of_one_target_are_compared(path: Path) -> None:
    other = study(path.parent / "second", seed=9, proposals=30)
    page = Page(write_comparison(path, other).page.read_text())
    assert "hypervolume" in page.text
    assert "study.trials: 40 -> 30" in page.text
    assert len([known for known in page.all("div") if known.get("class") == "plot"]) == 2


def test_two_targets_are_not_compared(path: Path) -> None:
    other = study(path.parent / "elsewhere", target="ssh://board/tflite", proposals=3)
    assert attributes()["nas.target"] != "ssh://board/tflite"
    with pytest.raises(
        InputError, match="one and the same target; got local/onnxruntime/cpu/1 and"
    ):
        write_comparison(path, other)
