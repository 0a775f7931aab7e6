"""The pictures of README and docs, all of one study: its report and its list in the MLflow UI.

    python benchmarks/pictures.py runs/STUDY [FOLDER]     # FOLDER: docs/images

Needs Chromium and its driver. Colours are counted down to 256, which keeps each file small.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests")]

from browser import Browser, open_browser, until  # noqa: E402

from nas.tracking import serve  # noqa: E402

WIDE, README, PHONE, PHONE_HIGH = 1440, 1180, 390, 844
TOP = 1560
"""Pixels of a report down to its first figure."""

DRAWN = "return performance.getEntriesByName('drawn').length > 0"
ROWS = "return document.querySelectorAll('.ag-center-cols-container .ag-row').length > 10"
CHARTS = "return document.querySelectorAll('.js-plotly-plot .scatterlayer .point').length > 20"
DARK = "localStorage.setItem('_mlflow_dark_mode_toggle_enabled', arguments[0])"
CLOSED = "localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false')"
"""MLflow's assistant opens beside the first page that a browser shows, and not again."""

SETTLE = "const end = arguments[0]; setTimeout(end, 3000)"
"""Cells are filled, and transitions end, after the rows are there."""


def taken(browser: Browser, *, most: int) -> Image.Image:
    """The page as it is, down to so many pixels."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.png"
        browser.picture(path, most=most)
        return Image.open(path).convert("RGB")


def kept(picture: Image.Image, path: Path) -> None:
    picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {picture.width}x{picture.height}, {path.stat().st_size / 1e3:.0f} kB")


def beside(*pictures: Image.Image) -> Image.Image:
    whole = Image.new("RGB", (sum(p.width for p in pictures), max(p.height for p in pictures)))
    left = 0
    for picture in pictures:
        whole.paste(picture, (left, 0))
        left += picture.width
    return whole


def report(browser: Browser, page: str, width: int, *, dark: bool = False) -> Image.Image:
    """A report down to its first figure."""
    browser.size(width, dark=dark)
    browser.driver.get(page)
    until(browser, DRAWN)
    return taken(browser, most=TOP)


def phone(browser: Browser, page: str, *, dark: bool) -> Image.Image:
    """The card of the winner on a phone."""
    browser.size(PHONE, height=PHONE_HIGH, dark=dark)
    browser.driver.get(page)
    until(browser, DRAWN)
    edges = browser.run(
        "const r = document.querySelector('#winner').getBoundingClientRect();"
        "const c = document.querySelector('.card').getBoundingClientRect();"
        "return [r.top + scrollY, c.bottom + scrollY]"
    )
    top, bottom = (int(edge) for edge in edges)  # type: ignore[attr-defined]  # two numbers
    whole = taken(browser, most=bottom + 14)
    return whole.crop((0, top, whole.width, whole.height))


def runs(browser: Browser, address: str, wanted: str, *, dark: bool = False) -> Image.Image:
    """A page of the MLflow UI once it shows what is wanted."""
    browser.size(WIDE)
    browser.driver.get(address)
    browser.driver.execute_async_script(SETTLE)
    browser.run(DARK, "true" if dark else "false")
    browser.run(CLOSED)
    browser.driver.get("about:blank")
    browser.driver.get(address)
    until(browser, wanted)
    browser.driver.execute_async_script(SETTLE)
    return taken(browser, most=900)


def main() -> None:
    study = Path(sys.argv[1])
    to = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "docs" / "images"
    page = (study / "report" / "report.html").resolve().as_uri()
    with open_browser() as browser:
        kept(report(browser, page, README), to / "report.png")
        both = beside(*(report(browser, page, WIDE, dark=dark) for dark in (False, True)))
        half = both.resize((both.width // 2, both.height // 2), Image.Resampling.LANCZOS)
        kept(half, to / "report_light_dark.png")
        both = beside(*(phone(browser, page, dark=dark) for dark in (False, True)))
        kept(both, to / "report_phone.png")
        with serve(study.parent, study=study.name, port=5480) as server:
            address = server.address(study.name)
            kept(runs(browser, address, ROWS), to / "mlflow_runs.png")
            kept(runs(browser, address, ROWS, dark=True), to / "mlflow_runs_dark.png")
            charts = f"{address}&compareRunsMode=CHART"
            kept(runs(browser, charts, CHARTS), to / "mlflow_charts.png")
            runs(browser, address, ROWS)  # light again
            browser.size(PHONE, height=PHONE_HIGH)
            browser.driver.refresh()
            browser.driver.execute_async_script(SETTLE)
            kept(taken(browser, most=PHONE_HIGH), to / "mlflow_phone.png")


if __name__ == "__main__":
    main()
