"""Whole commands on a table instead of training: seconds instead of minutes."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
import tiny

from nas.study.storage import StudyStorage

SPACE = Path(tiny.__file__)
LIMIT_FILES = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
from nas.cli import main
sys.exit(main({words!r}))
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every combination of the tiny space's genes, with accuracy and costs by formula."""
    space = tiny.Tiny()
    rows = {}
    for combination in itertools.product(*(gene.options for gene in space.genes)):
        genes = dict(zip((gene.name for gene in space.genes), combination, strict=True))
        units = [genes[f"width{n}"] * 2 ** (n - 1) * genes[f"depth{n}"] for n in (1, 2, 3)]
        depth = sum(genes[f"depth{n}"] for n in (1, 2, 3))
        size = sum(units)
        rows["/".join(map(str, combination))] = {
            "accuracy": 0.5 + 0.4 * (1 - 200 / (200 + size)) + 0.01 * depth,
            "multiply_adds": size,
            "parameters": size,
        }
    path = tmp_path_factory.mktemp("table") / "tiny.json"
    path.write_text(json.dumps({"format": 1, "key": "genes", "rows": rows}))
    return path


def words(table: Path, *more: str) -> list[str]:
    return [
        "search",
        "evaluation=table",
        f"evaluation.path={table}",
        f"space.source={SPACE}:Tiny",
        "objective.multiply_adds=500",
        "tracking=none",
        "study.name=one",
        *more,
    ]


def nas(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nas.cli", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def trials(folder: Path) -> list[tuple[object, ...]]:
    storage = StudyStorage.open(folder / "runs" / "one")
    try:
        return [(t.number, t.state.name, tuple(t.params.items()), t.values) for t in storage.trials]
    finally:
        storage.close()


@pytest.mark.slow
def test_a_full_disk_is_one_message_and_costs_nothing_that_was_found(
    table: Path, tmp_path: Path
) -> None:
    whole = tmp_path / "whole"
    full = tmp_path / "full"
    whole.mkdir()
    full.mkdir()
    assert nas(whole, *words(table, "study.trials=25")).returncode == 0
    # Files of at most 400 kB: the write-ahead log is full after a few trials.
    script = LIMIT_FILES.format(size=400_000, words=words(table, "study.trials=25"))
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=full, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert ended.stderr.count("error:") == 1
    assert "Traceback" not in ended.stderr
    assert "nas resume one" in ended.stderr
    before = [t for t in trials(full) if t[1] != "RUNNING"]
    assert 0 < len(before) < len(trials(whole))
    assert nas(full, "resume", "one").returncode == 0
    assert trials(full)[: len(before)] == before
    assert trials(full) == trials(whole)


def test_a_table_costs_neither_counting_nor_measuring_nor_training(
    table: Path, tmp_path: Path
) -> None:
    script = (
        "import sys\n"
        "from nas.cli import main\n"
        f"status = main({words(table, 'study.trials=3')!r})\n"
        "print(sorted({'torch', 'thop', 'mlflow', 'onnxruntime'} & set(sys.modules)))\n"
        "sys.exit(status)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "[]"


def test_a_resume_that_changes_what_a_trial_means_is_refused_with_the_difference(
    table: Path, tmp_path: Path
) -> None:
    assert nas(tmp_path, *words(table, "study.trials=2")).returncode == 0
    refused = nas(tmp_path, "resume", "one", "objective.multiply_adds=600")
    assert refused.returncode == 2
    assert "objective.multiply_adds: 500" in refused.stderr
    found = trials(tmp_path)
    more = nas(tmp_path, "resume", "one", "study.trials=4")
    assert more.returncode == 0, more.stderr
    assert trials(tmp_path)[: len(found)] == found


def test_a_limit_against_a_network_needs_no_table(table: Path, tmp_path: Path) -> None:
    arguments = [w for w in words(table) if not w.startswith("objective")]
    refused = nas(tmp_path, *arguments)
    assert refused.returncode == 2
    assert "with evaluation=table a limit is a number" in refused.stderr
    assert not (tmp_path / "runs" / "one").exists()
