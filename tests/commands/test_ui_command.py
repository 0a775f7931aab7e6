"""nas ui as it is typed, with and without a browser; a server elsewhere stands for one here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nas.cli import main, parser

ELSEWHERE = "http://127.0.0.1:9"
OPEN = "from nas.commands.browser import opened; print(opened('http://127.0.0.1:9/#/a?b=c'))"


def opened(tmp_path: Path, **variables: str) -> tuple[str, str]:
    """What a fresh interpreter says, and what the browser was told; `browser.sh` is one."""
    script, asked = tmp_path / "browser.sh", tmp_path / "asked"
    script.write_text(f'#!/bin/sh\necho "$1" > {asked}\n')
    script.chmod(0o755)
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    known = {name: value for name, value in os.environ.items() if name not in screens}
    done = subprocess.run(
        [sys.executable, "-c", OPEN],
        env={**known, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout.strip(), asked.read_text().strip() if asked.exists() else ""


def test_the_address_is_opened_in_the_browser_there_is(tmp_path: Path) -> None:
    said = opened(tmp_path, BROWSER=f"{tmp_path}/browser.sh %s")
    assert said == ("True", "http://127.0.0.1:9/#/a?b=c")


def test_without_a_screen_no_browser_is_looked_for(tmp_path: Path) -> None:
    assert opened(tmp_path) == ("False", "")


def test_without_a_browser_the_address_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ui", "--uri", ELSEWHERE]) == 0
    shown = capsys.readouterr().out
    assert f"  {ELSEWHERE}/#/experiments\n" in shown
    assert "open the address" in shown


def test_json_is_the_address_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ui", "--uri", ELSEWHERE, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["address"] == f"{ELSEWHERE}/#/experiments"


def test_a_new_search_file_is_told_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "search.yaml"
    assert main(["init", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": str(path)}
    assert path.is_file()


def test_every_verb_answers_in_json() -> None:
    verbs = next(a for a in parser()._actions if a.dest == "verb").choices
    assert verbs is not None
    for name in verbs:
        assert parser().parse_args([name, "--json"]).json, name
