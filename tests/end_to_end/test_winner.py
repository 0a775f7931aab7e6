"""A network on its way into use, by the commands as they are typed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from nas.architecture import Architecture
from nas.cli import main
from nas.export.folder import read
from nas.export.forms import DYNAMIC, FORMS, PROGRAM, STATIC
from nas.network import build
from nas.weights import save

TEXT = "in1x8x8+stem8-s1+shuffle_v1:24-s2-n2-g2+shuffle_v2:48-s2-n2+sandglass:48+head0+out10"
NETWORK = Architecture.from_text(TEXT)


REFERENCE = "in1x8x8+stem8-s1+shuffle_v2:32-s2-n3+head0+out10"
"""Of few units: as a program of torch.export it is loaded twice in each of ten processes."""

QUICK = ["training.epochs=2", "training.batch_size=64", "tracking=none"]
NAME = f"{NETWORK.fingerprint[:12]}-digits-001"


@pytest.mark.slow
def test_train_export_register_verify_as_they_are_typed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", TEXT, *QUICK]) == 0
    assert f"nas export {NAME} --to exported/{NAME}" in capsys.readouterr().out
    assert main(["export", NAME, "--to", "out", "--no-latency", "--register"]) == 0
    assert f"models:/{NAME}@candidate" in capsys.readouterr().out
    assert read(Path("out")).epochs == 2
    # Elsewhere: no study, no run, no training.
    shutil.rmtree("runs")
    assert main(["verify", "out", "--json"]) == 0
    checks = {c["what"]: c["agrees"] for c in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["accuracy"] is True
    assert all(checks[f"outputs of {form}"] for form in FORMS)
    assert main(["verify", "out", "target=eager", "--no-latency"]) == 0
    assert main(["verify", "out", "data=digits"]) == 2


@pytest.mark.slow
def test_each_exported_file_is_measured_and_once_more_when_it_is_verified(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    save(build(NETWORK), tmp_path / "w.safetensors", architecture=NETWORK)
    small = f"objective.reference={REFERENCE}"
    assert main(["export", TEXT, "--weights", "w.safetensors", "--to", "out", small, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["folder"] == "out"
    found = read(Path("out"))
    assert set(found.latencies) == {STATIC, DYNAMIC, PROGRAM}
    assert all(one.ms > 0 for one in found.latencies.values())
    assert found.latencies[STATIC].target.split("/")[3] == "onnxruntime"
    assert found.latencies[PROGRAM].target.split("/")[3] == "program"
    capsys.readouterr()
    status = main(["verify", "out", "--json"])
    checks = {c["what"]: c["agrees"] for c in json.loads(capsys.readouterr().out)["checks"]}
    # On a machine that others use latencies may disagree; they are compared, and that is told.
    assert all(checks[f"latency of {name}"] is not None for name in found.latencies)
    assert status == (0 if all(agrees is not False for agrees in checks.values()) else 1)
