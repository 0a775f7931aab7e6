"""What a person sees: the report and the MLflow UI of a real search, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import ANSWER_SECONDS, Browser, open_browser, programs
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

import nas
from nas.report.page import charts_of
from nas.report.story import Story, read_story
from nas.tracking import Server, serve

pytestmark = pytest.mark.browser

CANDIDATES = 60
CHEAP = (
    "data=digits",
    f"study.trials={CANDIDATES}",
    "training.epochs=1",
    "space.widths=[12,16,24]",
    "space.depths=[1]",
    "space.kernel_sizes=[3]",
    "space.start_from=[]",
    "objective.latency_ms=50",
    "objective.multiply_adds=700000",
    "study.name=digits",
)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of 60 candidates, trained for an epoch each; some proposals are over a limit."""
    programs()
    folder = tmp_path_factory.mktemp("browser") / "runs"
    found = nas.search(*CHEAP, f"study.folder={folder}")
    assert found.counts.evaluated == CANDIDATES
    assert found.problems == ()
    return folder / "digits"


@pytest.fixture(scope="session")
def story(study: Path) -> Story:
    return read_story(study)


@pytest.fixture(scope="session")
def server(study: Path) -> Iterator[Server]:
    with serve(study.parent, study="digits", port=5470) as running:
        yield running


@pytest.fixture
def browser() -> Iterator[Browser]:
    with open_browser() as found:
        yield found


@pytest.fixture
def report(browser: Browser, study: Path) -> Browser:
    """The report, drawn."""
    browser.size(1440)
    browser.driver.get((study / "report" / "report.html").as_uri())
    until(browser, "return performance.getEntriesByName('drawn').length > 0")
    return browser


def until(browser: Browser, script: str) -> object:
    return WebDriverWait(browser.driver, ANSWER_SECONDS).until(lambda _: browser.run(script))


def text(browser: Browser) -> str:
    return browser.driver.find_element(By.TAG_NAME, "body").text


def test_the_report_is_drawn_soon_without_an_error_or_a_request(
    report: Browser, study: Path, story: Story
) -> None:
    assert (study / "report" / "report.html").stat().st_size < 6_000_000
    # The page's own clock, from the first byte to the last figure; a shared machine gets twice.
    drawn = report.run("return performance.getEntriesByName('drawn')[0].startTime")
    assert float(str(drawn)) < 2 * 3000
    assert report.errors() == []
    assert report.hosts() == set()
    charts = [chart for chart in charts_of(story) if not chart.is_empty]
    shapes = report.run(
        "return Array.from(document.querySelectorAll('.plot'),"
        " p => p.querySelectorAll('.point, .points path, .js-line').length)"
    )
    assert isinstance(shapes, list)
    assert len(shapes) == len(charts) >= 9
    assert min(shapes) > 0


def test_a_point_that_is_pointed_at_shows_its_network(report: Browser) -> None:
    report.run(
        "const p = document.querySelector('.plot');"
        "const c = p.data.findIndex(t => t.meta === 'candidate');"
        "Plotly.Fx.hover(p, [{curveNumber: c, pointNumber: 0}])"
    )
    shown = str(report.run("return document.querySelector('.hoverlayer').textContent"))
    assert "validation accuracy" in shown
    assert "multiply-adds" in shown


def test_the_arrow_keys_go_from_point_to_point_and_say_what_is_there(report: Browser) -> None:
    plot = report.driver.find_element(By.CSS_SELECTOR, ".plot")
    report.run("arguments[0].focus()", plot)
    said = []
    for key in (Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT):
        plot.send_keys(key)
        said.append(report.driver.find_element(By.CSS_SELECTOR, ".spoken").text)
    assert "validation accuracy" in said[0]
    assert said[1] != said[0] == said[2]
    plot.send_keys(Keys.ESCAPE)
    assert report.driver.find_element(By.CSS_SELECTOR, ".spoken").text == ""


def test_a_table_opens_and_is_sorted_by_the_column_that_is_pressed(report: Browser) -> None:
    details = report.driver.find_element(By.CSS_SELECTOR, "#accuracy-latency details")
    details.find_element(By.TAG_NAME, "summary").send_keys(Keys.ENTER)
    assert details.get_attribute("open")
    button = details.find_elements(By.CSS_SELECTOR, "th button")[0]
    button.send_keys(Keys.ENTER)
    numbers = [
        int(cell.text)
        for cell in details.find_elements(By.CSS_SELECTOR, "tbody td:first-child")
        if cell.text.isdigit()
    ]
    assert len(numbers) == CANDIDATES
    assert numbers == sorted(numbers, reverse=True)


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_wider_than_the_window(report: Browser, width: int, dark: bool) -> None:
    report.size(width, dark=dark)
    report.driver.refresh()
    until(report, "return performance.getEntriesByName('drawn').length > 0")
    assert report.run("return document.documentElement.scrollWidth") == width
    wide = report.run(
        "return Array.from(document.querySelectorAll('.plot svg.main-svg, .networks svg'),"
        " e => e.getBoundingClientRect().right).filter(r => r > innerWidth)"
    )
    assert wide == []
    paper, ink = report.run(
        "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
    )  # type: ignore[misc]  # two colours
    light = [sum(map(int, colour[4:-1].split(","))) for colour in (paper, ink)]
    assert (light[0] < light[1]) == dark


def test_on_paper_pictures_stand_for_the_figures(report: Browser) -> None:
    report.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    shown = report.run(
        "const seen = s => Array.from(document.querySelectorAll(s), e => e.offsetHeight);"
        "return [seen('.plot'), seen('.still')]"
    )
    plots, stills = shown  # type: ignore[misc]  # two lists
    assert max(plots) == 0
    assert min(stills) > 100


def test_the_mlflow_ui_opens_at_the_candidates_with_the_winner_in_sight(
    browser: Browser, server: Server, story: Story
) -> None:
    browser.size(1440)
    browser.driver.get(server.address("digits"))
    until(browser, "return document.body.innerText.includes('#0')")
    assert story.winner is not None
    until(browser, f"return document.body.innerText.includes('#{story.winner.number:03d} ')")
    shown = text(browser)
    for column in ("accuracy", "latency_ms"):
        assert column in shown


def test_the_studys_run_shows_its_winner_and_the_way_to_the_report(
    browser: Browser, server: Server
) -> None:
    address = server.address("digits")
    experiment = address.partition("/experiments/")[2].partition("/")[0]
    parent = address.rpartition("nas-")[2]
    browser.size(1440)
    browser.driver.get(f"{server.url}/#/experiments/{experiment}/runs/{parent}")
    link = "a[href*='artifacts/report/report.html']"
    until(browser, f'return document.querySelector("{link}") !== null')
    assert "winner" in text(browser)
