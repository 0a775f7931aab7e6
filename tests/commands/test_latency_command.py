"""nas latency and nas guidelines as they are typed, and one clear message for each bad input."""

from __future__ import annotations

import importlib.util
import json
import re
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from nas.cli import main
from nas.latency.store import Store

SHALLOW = "in1x8x8+stem8-s1+shuffle_v2:16-s2-n2+head0+out10"
DEEP = "in1x8x8+stem8-s1+shuffle_v2:16-s2-n14+head0+out10"
OWN = '''
import os
import torch
from torch import nn

class Strange(nn.Module):
    """An operator that ONNX lacks."""

    def forward(self, x):
        return torch.special.bessel_j0(x)

class Lying(nn.Module):
    """Other outputs in the measuring process."""

    def forward(self, x):
        return x + 1 if "MALLOC_TOP_PAD_" in os.environ else x

def plain():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(4))

def ready():
    made = plain()
    made(torch.zeros(1, 3, 8, 8))
    return made
'''
PROGRAMS = {
    "fails": "import sys; sys.exit('no device')",
    "nonsense": "print('hello')",
    "negative": """
import json, sys
calls = json.load(open(sys.argv[1]))["calls"]
print(json.dumps({"cores": 8, "times_ms": [[-1.0] * n for _, n in calls]}))
""",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own.py").write_text(OWN)
    for name, text in PROGRAMS.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one message a failing command ends with."""
    assert main(list(words)) in (1, 2), words
    shown = capsys.readouterr().err
    assert shown.count("error:") == 1, shown
    assert "Traceback" not in shown
    return " ".join(shown.split())


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main([*words, "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def test_a_runtime_that_is_not_installed_is_told_before_anything_is_measured(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "openvino" else find(name)
    )
    said = told(capsys, "latency", SHALLOW, DEEP, "--compare", "onnxruntime,openvino")
    assert "install it with: pip install openvino" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--compare", "onnxruntime,onix"], "target.runtime: must be a known runtime; got 'onix'"),
        (["--compare", "eager"], "compares two runtimes or more on two networks or more"),
        (["--compare", "eager,jit", "--profile"], "does one thing at a time; got --compare and"),
        (["target.threads=10000"], "target.threads: must not be more than the cores; got 10000"),
        (["--table", "mixd"], "mixed"),
    ],
)
def test_what_cannot_be_measured_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert message in told(capsys, "latency", SHALLOW, DEEP, *words)


def test_an_operator_that_the_runtime_lacks_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = told(capsys, "latency", "own.py:Strange", "--input", "3x8x8")
    assert "bessel_j0" in said
    assert "allowed: another runtime" in said


def test_a_module_that_does_not_run_on_its_input_is_told_as_such(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = told(capsys, "latency", "own.py:ready", "--input", "1x8x8")
    assert "network own.py:ready@1x8x8: must run on a batch of 1x8x8 images; got Runtime" in said
    assert "expected input" in said
    assert "--input" in said
    assert "mistake in latency-nas" not in said


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("fails", "got exit status 1: no device"),
        ("nonsense", "no JSON object: 'hello"),
        ("negative", "times that are not above 0"),
        ("none", "exit status 2"),
    ],
)
def test_a_program_of_the_users_that_does_not_do_its_part_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], program: str, message: str
) -> None:
    command = f"target.command=[{sys.executable},{program}.py]"
    assert message in told(capsys, "latency", SHALLOW, "target.where=command", command)


def test_a_host_that_nobody_knows_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys, "latency", SHALLOW, "target.where=ssh", "target.host=nowhere.invalid")
    assert "nowhere.invalid" in said


def test_a_fifth_guideline_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "nas guidelines: must be one of the four; got 'G5'" in told(capsys, "guidelines", "G5")
    assert "must name a PNG file" in told(capsys, "guidelines", "--to", "figure.txt")


@pytest.mark.slow
def test_outputs_that_differ_from_eager_are_told_before_anything_is_timed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["own.py:Lying", "--input", "3x8x8", "target=eager"]
    said = told(capsys, "latency", *words)
    assert "outputs must be eager's; got a difference of" in said
    assert "allowed up to 0.001" in said


@pytest.mark.slow
def test_networks_stand_side_by_side_as_json_in_the_order_given(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    value = printed(capsys, "latency", SHALLOW, DEEP)
    assert set(value) == {"target", "networks"}
    assert value["target"]["runtime"] == "onnxruntime"
    assert [one["name"] for one in value["networks"]] == [SHALLOW, DEEP]
    assert [one["rank"] for one in value["networks"]] == [1, 2]
    for one in value["networks"]:
        assert one["low"] <= one["ms"] <= one["high"]
        assert one["status"] in ("RESOLVED", "UNRESOLVED")
        assert one["multiply_adds"] > 0
    assert value["networks"][1]["ratio"] > 1.5
    assert Store(folder / "runs").count() == 2


@pytest.mark.slow
def test_any_torch_module_stands_beside_a_network(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["latency", "own.py:ready", "own.py:ready", "--input", "3x8x8"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^own.py:ready .* 1.000 +1 ", shown, re.MULTILINE)
    assert re.search(r"^disturbed +\d+% of calls interrupted", shown, re.MULTILINE)


@pytest.mark.slow
def test_runtimes_stand_side_by_side_with_the_agreement_of_their_ranks(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["latency", SHALLOW, DEEP, "--compare", "onnxruntime,jit"]) == 0
    shown = capsys.readouterr().out
    for pair in ("onnxruntime and jit", "onnxruntime and multiply-adds", "jit and multiply-adds"):
        assert re.search(rf"^{pair} +1.00", shown, re.MULTILINE)


@pytest.mark.slow
def test_a_runtime_that_refuses_a_network_is_left_out_of_the_comparison(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["own.py:ready", "own.py:Strange", "--input", "3x8x8", "--compare", "onnxruntime,eager"]
    assert main(["latency", *words, "objective.latency_statistic=p95"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^onnxruntime is left out: .*bessel_j0", shown, re.MULTILINE)
    assert "eager and multiply-adds" in shown
    with closing(sqlite3.connect("runs/latency.db")) as store:
        kept = set(store.execute("SELECT network, statistic FROM measurements"))
    assert kept == {("own.py:ready@3x8x8", "p95"), ("own.py:Strange@3x8x8", "p95")}


@pytest.mark.slow
def test_the_shares_of_a_profile_are_those_of_figure_2(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (one,) = printed(capsys, "latency", SHALLOW, "--profile")["networks"]
    assert one["name"] == SHALLOW
    assert {"convolution", "element-wise", "shuffle", "data movement"} <= set(one["shares"])
    assert sum(one["shares"].values()) == pytest.approx(1)
    assert main(["latency", SHALLOW, "--profile"]) == 0
    assert "convolution" in capsys.readouterr().out


@pytest.mark.slow
def test_a_table_is_measured_once_and_predicts_from_then_on(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    size = ["--input", "1x16x16", "--classes", "10"]
    first = printed(capsys, "latency", "--table", "shufflenet_v2", *size)
    assert first["accuracy"]["networks"] > 4
    assert first["accuracy"]["multiply_adds_error"] > 0
    path = Path(first["path"])
    written = path.stat().st_mtime_ns
    asked = ["shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "--table", "shufflenet_v2", *size]
    value = printed(capsys, "latency", *asked)
    assert path.stat().st_mtime_ns == written
    half, whole = (one["prediction"] for one in value["networks"])
    assert 0 < half["ratio"] < whole["ratio"]
    assert main(["latency", *asked]) == 0
    assert "networks it was not calibrated on" in capsys.readouterr().out


@pytest.mark.slow
def test_guidelines_end_with_a_sentence_each_and_a_figure(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["guidelines", "G4", "--to", "mine/g4.png"]) == 0
    assert Path("mine/g4.png").read_bytes().startswith(b"\x89PNG")
    shown = capsys.readouterr().out
    assert re.search(r"^G4 (holds|does not hold|is open) here \(element-wise", shown, re.MULTILINE)
    value = printed(capsys, "guidelines", "G4")
    assert Path(value["figure"]).is_file()
    assert all(row["memory_access"] > 0 for row in value["rows"])
