"""The file of docs/own_space.md, as a user has it: a space and a unit outside the package."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nas.testing import check_space, check_unit
from nas.user_file import load
from search_spaces import Mixed

PAGE = (Path(__file__).parent.parent / "docs" / "own_space.md").read_text()


@pytest.fixture
def folder(tmp_path):
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "my_space.py").write_text(block)
    return tmp_path


def test_the_space_and_the_unit_of_the_page_keep_the_contracts(folder):
    check_space(load(f"{folder}/my_space.py:MySpace"), draws=8)
    check_unit(f"{folder}/my_space.py:Smooth")


def test_the_unit_of_the_page_is_a_block_of_the_mixed_space(folder):
    kind = f"{folder}/my_space.py:Smooth"
    space = Mixed(input=(1, 8, 8), classes=10, kinds=["shuffle_v2", kind, f"{kind}-act.hardswish"])
    check_space(space, draws=8)
    genes = {gene.name: gene.options[0] for gene in space.genes}
    genes |= {"stage1_kind": kind, "stage2_kind": f"{kind}-act.hardswish"}
    first, second, _ = space.decode(genes).plans
    assert (first["unit"], first["act"]) == (kind, "silu")
    assert (second["unit"], second["act"]) == (kind, "hardswish")


def test_the_page_shows_a_space_and_a_unit_in_40_lines():
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(block.splitlines()) <= 40


NOTED = """
import os
from pathlib import Path

def noted(self, x):
    if self.training:
        (Path(__file__).parent / f"trained.{os.getppid()}").touch()
    return nn.Sequential.forward(self, x)

Smooth.forward = noted
"""
"""Added to the page's file: leaves a file named after the parent of what trains the unit."""


@pytest.mark.slow
def test_the_command_of_the_page_searches_it_in_processes_of_their_own(folder):
    with (folder / "my_space.py").open("a") as file:
        file.write(NOTED)
    (line,) = re.findall(r"^nas (search .*)$", PAGE, re.MULTILINE)
    words = [*line.split(), "study.trials=1", "study.name=own", "training.epochs=1"]
    words += ["execution=processes", "tracking=none", "evaluation.seeds=1"]
    words += ["study.sustained_seconds=0", "study.report=false"]
    done = subprocess.run(
        [sys.executable, "-m", "nas.cli", *words],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "1 of 1 evaluated" in done.stdout
    assert "my_space.py:Smooth:" in done.stdout
    # The search is a child of this process, what trains in a process of its own is a grandchild.
    parents = {int(path.suffix[1:]) for path in folder.glob("trained.*")}
    assert parents - {os.getpid()}
