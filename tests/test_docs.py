"""Every code block of README and docs: Python is run, commands are read by the real parser."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from nas.cli import _parsed, main

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def blocks(language: str) -> list[object]:
    return [
        pytest.param(
            found[2],
            id=f"{page.name}-{number}",
            # A whole search; tests/test_session.py runs another one by default.
            marks=[pytest.mark.slow] * ("nas.search(" in found[2] and language == "python"),
        )
        for page in PAGES
        for number, found in enumerate(BLOCK.finditer(page.read_text()))
        if found[1] == language
    ]


@pytest.mark.parametrize("code", blocks("python"))
def test_python_in_the_docs_runs(code: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("text", blocks("sh"))
def test_commands_in_the_docs_are_commands(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for line in text.splitlines():
        for command in re.split(r"&&|\|", line):
            words = shlex.split(command, comments=True)
            if words[:1] != ["nas"]:
                continue
            arguments = _parsed(words[1:])
            if arguments.verb == "search" and not arguments.multirun:
                for file in (w for w in words if w.endswith(".yaml") and not Path(w).exists()):
                    assert main(["init", file]) == 0
                quiet = [word for word in words[1:] if word not in ("--dry-run", "--cfg", "job")]
                assert main([*quiet, "--cfg", "job"]) == 0, line


def test_every_page_is_linked_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    for page in PAGES[1:]:
        assert f"docs/{page.name}" in readme, page.name
