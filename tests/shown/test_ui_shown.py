"""What a person sees of a study in the MLflow UI, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from browser import ANSWER_SECONDS, Browser, asked_by_pages, open_browser, until
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from tracked_studies import trial_runs

from nas.outcome import TrialRecord
from nas.report.story import Story
from nas.tracking import Server, view
from nas.tracking.labels import run_name

pytestmark = pytest.mark.browser

HERE = {"127.0.0.1"}
NO_USERS = "/mlflow/users/current "
"""MLflow's page asks who is logged in, and a server without users answers 404."""

PAGE = 100
"""The UI fetches so many runs; the others come when they are asked for."""

ACCURACY = "metrics.`accuracy`"
NAME = "attributes.`Run Name`"
HEADS = (
    "return Array.from(document.querySelectorAll('.ag-header-cell[col-id]'))"
    ".map(e => [e.getBoundingClientRect().left, e.getAttribute('col-id')])"
    ".sort((a, b) => a[0] - b[0]).map(one => one[1])"
)
CELLS = (
    "return Array.from(document.querySelectorAll('.ag-row'))"
    ".map(e => [Number(e.getAttribute('row-index')),"
    " e.querySelector('.ag-cell[col-id=\"' + CSS.escape(arguments[0]) + '\"]')])"
    ".filter(one => one[1] !== null).sort((a, b) => a[0] - b[0]).map(one => one[1].textContent)"
)
REPORT = "a[href*='artifacts/report/report.html']"
SEARCH = "[data-testid='runs-search-autocomplete'] input"


def open_list(browser: Browser, address: str, *, number: int) -> None:
    """A list of so many runs, in a window that has room for all columns and rows."""
    browser.size(2400, height=400 + 34 * number)
    browser.driver.get(address)
    matching(browser, number)


def matching(browser: Browser, number: int) -> None:
    """Wait until the list has so many runs."""
    said = "/(\\d+)\\s+matching run/.exec(document.body.innerText)?.[1]"
    until(browser, f"return {said} === '{number}'")
    until(
        browser,
        f"return document.querySelectorAll('.ag-center-cols-container .ag-row').length >= {number}",
    )


def cells(browser: Browser, column: str) -> list[str]:
    found = browser.run(CELLS, column)
    assert isinstance(found, list)
    return found


def accuracies(browser: Browser) -> list[float]:
    """The column as it is shown, from top to bottom."""
    return [float(text) for text in cells(browser, ACCURACY) if text]


def shown(browser: Browser, expected: list[float]) -> None:
    """Wait until the column holds these; the grid fills its rows after it has drawn them."""
    waiting = WebDriverWait(browser.driver, ANSWER_SECONDS)
    waiting.until(lambda _: accuracies(browser) == pytest.approx(expected))


def errors(browser: Browser) -> list[str]:
    """What the console was told, but for the one that any MLflow without users causes."""
    return [one for one in browser.errors() if NO_USERS not in one]


def feasible(story: Story) -> list[TrialRecord]:
    """The candidates that were evaluated and keep every limit; a repeat is none of its own."""
    return [r for r in story.evaluated if r.outcome is not None and r.outcome.feasible]


def whole(browser: Browser, number: int) -> list[float]:
    """The column once all its rows are filled."""
    waiting = WebDriverWait(browser.driver, ANSWER_SECONDS)
    waiting.until(lambda _: len(accuracies(browser)) == number)
    return accuracies(browser)


def names(browser: Browser) -> list[str]:
    """The names of the runs, those that are filled."""
    return [name for name in cells(browser, NAME) if "#" in name]


def stripped(name: str) -> str:
    """A name without the colour, `#115026`, that the list writes before it."""
    return name[name.rindex("#") :]


def named(name: str) -> float:
    """The accuracy in a name, percent."""
    return float(re.search(r" ([\d.]+)% ", name)[1])  # type: ignore[index]  # of a trained one


def reached(records: list[TrialRecord]) -> list[float]:
    """Their accuracies, from the study itself."""
    return [r.outcome.evaluation.accuracy for r in records if r.outcome and r.outcome.evaluation]


def test_the_saved_view_has_its_columns_in_order_and_the_feasible_ones_by_accuracy(
    browser: Browser, server: Server, story: Story
) -> None:
    kept = feasible(story)
    open_list(browser, server.address("digits"), number=len(kept))
    heads = browser.run(HEADS)
    assert isinstance(heads, list)
    assert [head for head in heads if head in view.COLUMNS] == list(view.COLUMNS)
    assert heads.index(NAME) < heads.index(ACCURACY)
    shown(browser, sorted(reached(kept), reverse=True))
    assert story.winner is not None
    assert any(f"#{story.winner.number:03d} " in name for name in names(browser))
    assert "1" in cells(browser, "tags.`nas.winner`")
    assert errors(browser) == []
    assert browser.hosts() <= HERE


def test_the_list_turns_round_when_the_accuracy_is_pressed(
    browser: Browser, server: Server, story: Story
) -> None:
    kept = feasible(story)
    open_list(browser, server.address("digits"), number=len(kept))
    head = browser.driver.find_element(By.CSS_SELECTOR, f'.ag-header-cell[col-id="{ACCURACY}"]')
    head.find_element(By.XPATH, ".//*[text()='accuracy']").click()
    shown(browser, sorted(reached(kept)))


def test_all_trials_are_filtered_to_the_feasible_ones_in_the_search_box(
    browser: Browser, server: Server, story: Story
) -> None:
    _, experiment, parent = parts(server)
    kept = feasible(story)
    trials = [r for r in story.records if r.outcome]
    assert len(kept) < len(trials)
    address = view.plain_address(server.url, experiment, parent)
    open_list(browser, address, number=min(PAGE, len(trials)))
    box = browser.driver.find_element(By.CSS_SELECTOR, SEARCH)
    box.send_keys(Keys.CONTROL, "a")
    box.send_keys(view.query(parent, feasible=True))
    box.send_keys(Keys.ENTER)
    matching(browser, len(kept))
    # The accuracy's column lies outside the window; each name holds it.
    expected = sorted((named(run_name(r)) for r in kept), reverse=True)
    waiting = WebDriverWait(browser.driver, ANSWER_SECONDS)
    waiting.until(lambda _: [named(name) for name in names(browser)] == expected)
    assert sorted(map(stripped, names(browser))) == sorted(map(run_name, kept))


def test_two_hundred_candidates_are_one_sorted_list_without_unfolding(
    browser: Browser, server: Server, many: str
) -> None:
    open_list(browser, server.address(many), number=PAGE)
    first = whole(browser, PAGE)
    assert first == sorted(first, reverse=True)
    browser.size(2400, height=400 + 34 * 200)
    more = "//button[.//text()='Load more' or text()='Load more']"
    browser.driver.find_element(By.XPATH, more).click()
    matching(browser, 200)
    both = whole(browser, 2 * PAGE)
    assert both == sorted(both, reverse=True)
    assert both[:PAGE] == first


def test_accuracy_against_latency_is_drawn_beside_the_list(
    browser: Browser, server: Server
) -> None:
    browser.size(1440, height=1200)
    browser.driver.get(f"{server.address('digits')}&compareRunsMode=CHART")
    until(browser, "return document.querySelectorAll('.js-plotly-plot').length >= 2")
    shown = str(until(browser, "return document.querySelector('.js-plotly-plot')?.textContent"))
    assert "latency_ms" in shown
    assert "accuracy" in shown
    points = "return document.querySelectorAll('.js-plotly-plot .scatterlayer .point').length"
    assert int(str(until(browser, points))) > 0
    assert errors(browser) == []


def test_the_studys_run_shows_its_winner_its_target_and_the_way_to_the_report(
    browser: Browser, server: Server, story: Story
) -> None:
    _, experiment, parent = parts(server)
    browser.driver.get(f"{server.url}/#/experiments/{experiment}/runs/{parent}")
    until(browser, f'return document.querySelector("{REPORT}") !== null')
    shown = browser.driver.find_element(By.TAG_NAME, "body").get_attribute("textContent") or ""
    assert story.winner is not None
    assert re.search(rf"winner\s*#{story.winner.number:03d} ", shown)
    assert story.target in shown
    assert errors(browser) == []


def test_the_times_of_a_trials_calls_are_a_picture_among_its_files(
    browser: Browser, server: Server, study: Path, story: Story
) -> None:
    _, experiment, _ = parts(server)
    assert story.winner is not None
    run = trial_runs(study.parent)[story.winner.number].info.run_id
    page = f"{server.url}/#/experiments/{experiment}/runs/{run}/artifacts/latency.svg"
    browser.driver.get(page)
    drawn = "return Array.from(document.images).some(i => i.src.startsWith('blob:')"
    until(browser, f"{drawn} && i.naturalWidth > 600)")


def test_nobody_outside_this_machine_is_asked_for_anything(
    server: Server, study: Path, tmp_path: Path
) -> None:
    log = tmp_path / "network.json"
    with open_browser(f"--log-net-log={log}") as browser:
        browser.size(1440)
        browser.driver.get((study / "report" / "report.html").as_uri())
        until(browser, "return performance.getEntriesByName('drawn').length > 0")
        browser.driver.get(f"{server.address('digits')}&compareRunsMode=CHART")
        until(browser, "return document.querySelectorAll('.js-plotly-plot').length >= 2")
        _, experiment, parent = parts(server)
        browser.driver.get(f"{server.url}/#/experiments/{experiment}/runs/{parent}")
        until(browser, f'return document.querySelector("{REPORT}") !== null')
    assert asked_by_pages(log) == HERE


def parts(server: Server) -> tuple[str, str, str]:
    """The address of the study in its saved view, its experiment, and its own run."""
    address = server.address("digits")
    experiment = address.partition("/experiments/")[2].partition("/")[0]
    return address, experiment, address.rpartition("nas-")[2]
