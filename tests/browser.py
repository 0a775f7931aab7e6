"""A real browser for tests: Debian's Chromium, driven through its own driver by Selenium."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--hide-scrollbars",
    # The browser's own errands are no requests of the page.
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)
ANSWER_SECONDS = 60
"""The machine may be shared: a page is given long to load, and is judged by its own clock."""


def programs() -> tuple[str, str]:
    """The browser and its driver; a test without them is skipped, on CI it fails."""
    found = shutil.which("chromium"), shutil.which("chromedriver")
    if all(found):
        return found  # type: ignore[return-value]  # neither is None
    reason = "needs chromium and chromedriver (Debian: chromium chromium-driver)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    # Two hundred megabytes that a contributor may not want; CI always has them.
    pytest.skip(reason)


class Browser:
    """One window; remembers what the pages said and whom they asked."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def size(
        self, width: int, *, height: int = 900, dark: bool = False, media: str = "screen"
    ) -> None:
        """The window's size in pixels, the mode the user prefers, screen or print."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        shown = {"media": media, "features": [scheme]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", shown)

    def fresh(self) -> None:
        """An empty page in a window of usual size; what was logged before is forgotten."""
        self.driver.get("about:blank")
        self.size(1440)
        self.errors()
        self.hosts()

    def run(self, script: str, *arguments: object) -> object:
        """What a script returns."""
        return self.driver.execute_script(script, *arguments)

    def errors(self) -> list[str]:
        """What the console was told since the last call, warnings left out."""
        found = self.driver.get_log("browser")
        return [entry["message"] for entry in found if entry["level"] == "SEVERE"]

    def hosts(self) -> set[str]:
        """The hosts that were asked for something since the last call."""
        messages = [json.loads(e["message"])["message"] for e in self.driver.get_log("performance")]
        asked = [
            urlsplit(message["params"]["request"]["url"])
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]
        return {url.hostname or "" for url in asked if url.scheme in ("http", "https", "ws")}

    def picture(self, path: Path, *, most: int = 20_000) -> None:
        """The whole page, down to so many pixels, as a PNG."""
        width, height = self.run(
            "const e = document.documentElement; return [e.clientWidth, e.scrollHeight]"
        )  # type: ignore[misc]  # two numbers
        area = {"x": 0, "y": 0, "width": width, "height": min(height, most), "scale": 1}
        taken = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot",
            {"format": "png", "captureBeyondViewport": True, "clip": area},
        )
        path.write_bytes(base64.b64decode(taken["data"]))


def until(browser: Browser, script: str, *arguments: object) -> object:
    """Wait until a script returns something; what it returns."""
    waiting = WebDriverWait(browser.driver, ANSWER_SECONDS)
    return waiting.until(lambda _: browser.run(script, *arguments))


def asked_by_pages(log: Path) -> set[str]:
    """The hosts that pages and their workers asked, by the browser's own network log
    (--log-net-log); its errands (updates, the time) have no origin.
    """
    asked = r'"initiator":"(?!not an origin")[^"]*".*?"url":"(?:https?|wss?)://([^/":]+)'
    return set(re.findall(asked, log.read_text(errors="replace")))


@contextmanager
def open_browser(*switches: str) -> Iterator[Browser]:
    """A browser that is gone afterwards."""
    browser, driver = programs()
    options = Options()
    options.binary_location = browser
    for switch in (*SWITCHES, *switches):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    window = Chrome(options=options, service=Service(driver))
    try:
        window.set_page_load_timeout(ANSWER_SECONDS)
        window.set_script_timeout(ANSWER_SECONDS)
        yield Browser(window)
    finally:
        window.quit()
