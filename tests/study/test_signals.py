"""What the first signal leaves to the study, and the second does at once."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from hearing import hearing

SCRIPT = """
import time
from nas.study.signals import StopSignals
with StopSignals() as signals:
    print("ready", flush=True)
    while not signals.stop():
        time.sleep(0.01)
    print("stopping", signals.number, flush=True)
    time.sleep(60)
"""


def ignoring() -> None:
    hearing()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_second_signal_ends_the_process_at_once(number: signal.Signals) -> None:
    command = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, preexec_fn=hearing) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.stdout.readline() == f"stopping {number.value}\n".encode()
        process.send_signal(number)
        assert process.wait(20) == -number


def test_under_nohup_a_study_outlives_its_terminal() -> None:
    command = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, preexec_fn=ignoring) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == b"stopping 15\n"
        process.kill()
