from __future__ import annotations

import json
from pathlib import Path

import pytest
from reported import study

from nas.cli import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    study(tmp_path / "runs" / "one", proposals=6)
    return tmp_path / "runs"


def test_the_command_tells_where_the_page_is(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "one", f"study.folder={folder}"]) == 0
    said = capsys.readouterr().out
    page = folder / "one" / "report" / "report.html"
    assert str(page) in said
    assert page.is_file()


def test_json_is_the_paths_and_nothing_else(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["report", "one", f"study.folder={folder}", "--to", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert Path(told["page"]) == out / "report.html"
    assert all(Path(figure).is_file() for figure in told["figures"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "takes one study, or two to compare; got none"),
        (["a", "b", "c"], "got 3"),
        (["one", "study.trials=3"], "takes no settings but study.folder"),
    ],
)
def test_what_it_does_not_take_is_told(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", *words]) == 2
    assert said in capsys.readouterr().err
