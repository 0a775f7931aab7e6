"""The file of docs/own_space.md, as a user has it: a space and a unit outside the package."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from nas.testing import check_space, check_unit
from nas.user_file import load

PAGE = (Path(__file__).parent.parent / "docs" / "own_space.md").read_text()


@pytest.fixture
def folder(tmp_path):
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "my_space.py").write_text(block)
    return tmp_path


def test_the_space_and_the_unit_of_the_page_keep_the_contracts(folder):
    check_space(load(f"{folder}/my_space.py:MySpace"), draws=8)
    check_unit(f"{folder}/my_space.py:Smooth")


@pytest.mark.slow
def test_the_command_of_the_page_searches_it_in_processes_of_their_own(folder):
    (line,) = re.findall(r"^nas (search .*)$", PAGE, re.MULTILINE)
    words = [*line.split(), "study.trials=1", "study.name=own", "training.epochs=1"]
    done = subprocess.run(
        [sys.executable, "-m", "nas.cli", *words, "tracking=none"],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "1 of 1 evaluated" in done.stdout
    assert "my_space.py:Smooth:" in done.stdout
