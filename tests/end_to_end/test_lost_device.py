"""A search on a device over ssh that goes away in the middle: it waits and goes on by itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hearing import nas
from sshd import Device, started

from nas.study.storage import StudyStorage

TRIALS = 3


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    keys = tmp_path / "keys"
    keys.mkdir()
    device = started(keys)
    yield device
    device.down()


def search(folder: Path, device: Device) -> subprocess.Popen[bytes]:
    target = device.settings()
    settings = {
        "target.where": "ssh",
        "target.host": target.host,
        "target.ssh_options": target.ssh_options,
        "target.python": target.python,
        "target.retry_seconds": 0.5,
        "training.epochs": 2,
        "objective.latency_ms": 50,
        "space.widths": [12, 24],
        "space.depths": [1, 2],
        "space.start_from": [],
        "study.trials": TRIALS,
        "study.name": "far",
        "study.sustained_seconds": 0,
        "study.report": False,
        "evaluation.seeds": 1,
        "tracking": "none",
    }
    (folder / "search.yaml").write_text(yaml.safe_dump(settings))
    return nas(folder, "search", "search.yaml")


def events(folder: Path) -> list[dict[str, Any]]:
    log = folder / "runs" / "far" / "log.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def wait_for(
    process: subprocess.Popen[bytes], folder: Path, wanted: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        if found := [event for event in events(folder) if wanted(event)]:
            return found[0]
        assert process.poll() is None, process.communicate()[0].decode()
        time.sleep(0.05)
    raise AssertionError(f"never came; the last: {events(folder)[-3:]}")


def lost(folder: Path, device: Device) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    """A search whose device has gone while its second candidate was trained."""
    process = search(folder, device)
    wait_for(process, folder, lambda e: e.get("trial") == 1 and e.get("stage") == "training")
    device.down()
    return process, wait_for(process, folder, lambda e: e["event"] == "device lost")


@pytest.mark.slow
def test_a_study_waits_for_its_device_and_ends_complete(tmp_path: Path, device: Device) -> None:
    process, told = lost(tmp_path, device)
    assert told["tries"] == 3
    assert told["pause"] == 0.5
    said = nas(tmp_path, "status", "far", "--json").communicate(timeout=120)[0]
    (stood,) = json.loads(said)
    assert stood["state"] == "waiting"
    assert stood["waiting"]["since"] == told["since"]
    shown = nas(tmp_path, "status", "far").communicate(timeout=120)[0].decode()
    assert "waiting for the device since" in shown
    device.up()
    output = process.communicate(timeout=400)[0].decode()
    assert process.returncode == 0, output
    assert "the device answers again" in output
    pauses = [event["pause"] for event in events(tmp_path) if event["event"] == "device lost"]
    assert pauses == [0.5 * 2**n for n in range(len(pauses))]

    storage = StudyStorage.open(tmp_path / "runs" / "far")
    kinds = [t.outcome.kind for t in storage.records() if t.outcome]
    waited = storage.get("nas.waiting")
    storage.close()
    assert kinds.count("evaluated") == TRIALS
    assert kinds.count("failed") == 0
    assert waited is None


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_study_that_waits_and_it_can_be_resumed(
    tmp_path: Path, device: Device, number: signal.Signals
) -> None:
    process, _ = lost(tmp_path, device)
    start = time.monotonic()
    os.kill(process.pid, number)
    output = process.communicate(timeout=60)[0].decode()
    # 5 s are promised on an idle machine; three times that keeps a busy one from failing this.
    assert time.monotonic() - start < 15
    assert process.returncode == 128 + number, output
    assert "nas resume far" in output
    device.up()
    resumed = nas(tmp_path, "resume", "far")
    output = resumed.communicate(timeout=400)[0].decode()
    assert resumed.returncode == 0, output
    assert f"{TRIALS} evaluated" in output
