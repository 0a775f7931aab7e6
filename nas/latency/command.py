"""A user's program that times ONNX files in a given order: phones, and whatever else there is.

The program is called as `PROGRAM ... MANIFEST`, with the path of a JSON file:

    {"format": 1, "threads": 1, "networks": {"NAME": "/path/NAME.onnx"}, "shapes": {"NAME": [...]},
     "calls": [["NAME", 5], ["NAME", 1], ...]}

It runs each entry of `calls` in that order, so many calls each, and prints one JSON object:

    {"device": "Pixel 8, 1 big core", "cores": 8, "times_ms": [[5 numbers], [1 number], ...]}

So interleaving and the reference beside every candidate survive. `outputs` ({"NAME": [numbers]},
of the image that `numpy.random.RandomState(0).standard_normal(shape)` gives) is checked where the
program gives it, and so is `state` ({"celsius": 41, "mhz": 2200, "governor": "walt"}) kept, what
the device was when it ended.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from nas.errors import TargetError
from nas.latency.process import POLL_SECONDS, START_SECONDS, WorkerLostError
from nas.latency.target import Reach

WARM_CALLS = 5
NUMBERS = ("mhz", "celsius", "cooling", "throttled", "load")
"""What a state may hold beside the governor; see `nas.latency.worker.state`."""


class CommandWorker:
    """Answers the requests of `nas.latency.worker` by calling the user's program."""

    def __init__(
        self, reach: Reach, *, threads: int, check: Callable[[], None] = lambda: None
    ) -> None:
        self._command, self._threads, self._check = list(reach.command), threads, check
        self._timeout = reach.timeout
        self._numbers = count()
        self._folder = Path(tempfile.mkdtemp(prefix="latency-nas-"))
        self._files: dict[str, str] = {}
        self._shapes: dict[str, list[int]] = {}
        try:
            said = self._run([], START_SECONDS)
        except BaseException:
            self.close()
            raise
        self.facts: dict[str, Any] = {
            "versions": {"program": reach.name},
            "processor": said.get("device", "unknown"),
            "cores": said.get("cores", threads),
            "pinned": None,
        }

    @property
    def pid(self) -> int:
        """See `nas.latency.process.Asked.pid`."""
        return 0

    def ask(
        self, request: dict[str, Any], *, content: bytes = b"", seconds: float
    ) -> dict[str, Any]:
        """See `nas.latency.process.Asked.ask`."""
        seconds = self._timeout or seconds
        if request["do"] == "load":
            return self._load(request, content, seconds)
        if request["do"] == "time":
            return self._time(request, seconds)
        assert request["do"] == "drop"
        for name in request["names"]:
            Path(self._files.pop(name)).unlink(missing_ok=True)
        return {}

    def _load(self, request: dict[str, Any], content: bytes, seconds: float) -> dict[str, Any]:
        name = request["name"]
        # A word of a user's may hold what no name of a file can.
        plain = re.sub("[^A-Za-z0-9._-]", "-", name)
        path = self._folder / f"{next(self._numbers)}-{plain}.onnx"
        path.write_bytes(content)
        self._files[name], self._shapes[name] = str(path), list(request["shape"])
        said = self._run([(name, 1), (name, WARM_CALLS)], seconds)
        output = said.get("outputs", {}).get(name)
        return {
            "outputs": None if output is None else [_encoded(output)],
            "first_ns": said["times_ms"][0][0] * 1e6,
            "ns": min(said["times_ms"][1]) * 1e6,
            "version": str(said.get("version", self._command[0])),
        }

    def _time(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        repeats, untimed = request["repeats"], request["untimed"]
        reference = request["reference"]
        calls, turns = [], []
        for number, names in enumerate(request["schedule"]):
            for name in names:
                turns.append((number, name))
                calls += [
                    (reference, repeats[reference]),
                    (name, untimed[name]),
                    (name, repeats[name]),
                    (name, repeats[name]),
                    (reference, untimed[reference]),
                    (reference, repeats[reference]),
                ]
        said = self._run(calls, seconds)
        times = iter(said["times_ms"])
        samples = []
        for number, name in turns:
            before, _, first, second, _, after = (_group(next(times)) for _ in range(6))
            samples.append([number, name, before, [first, second], after])
        return {"samples": samples, "states": [said.get("state", {})]}

    def _run(self, calls: list[tuple[str, int]], seconds: float) -> dict[str, Any]:
        manifest = self._folder / "manifest.json"
        value = {
            "format": 1,
            "threads": self._threads,
            "networks": self._files,
            "shapes": {name: self._shapes[name] for name in self._files},
            "calls": calls,
        }
        manifest.write_text(json.dumps(value))
        try:
            process = subprocess.Popen(
                [*self._command, str(manifest)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        except OSError as error:
            raise TargetError(
                f"target.command: must be a program that starts; got {self._command[0]}: "
                f"{error.strerror}; allowed: its path and arguments"
            ) from error
        with process:
            output, errors = self._said(process, seconds)
        if process.returncode:
            words = errors.strip().splitlines() or [""]
            raise self._lost(f"exit status {process.returncode}: {words[-1][:300]}")
        return self._checked(output, calls)

    def _said(self, process: subprocess.Popen[str], seconds: float) -> tuple[str, str]:
        """What the program printed, once it has ended."""
        until = time.monotonic() + seconds
        while True:
            try:
                return process.communicate(timeout=POLL_SECONDS)
            except subprocess.TimeoutExpired:
                if time.monotonic() > until:
                    _kill(process)
                    raise self._lost(f"no answer within {seconds:.0f} s") from None
            try:
                self._check()
            except BaseException:
                _kill(process)
                raise

    def _checked(self, text: str, calls: list[tuple[str, int]]) -> dict[str, Any]:
        try:
            said = json.loads(text)
        except ValueError as error:
            raise self._lost(f"no JSON object: {text[:80]!r}") from error
        if not isinstance(said, dict):
            raise self._lost(f"no JSON object: {text[:80]!r}")
        times = said.get("times_ms", [])
        counts = [len(one) if isinstance(one, list) else 0 for one in times]
        wanted = [count for _, count in calls]
        if counts != wanted:
            raise self._lost(f"times of {counts[:8]} calls, where {wanted[:8]} were asked for")
        flat = [one for group in times for one in group]
        if not all(isinstance(one, int | float) and 0 < one < float("inf") for one in flat):
            raise self._lost("times that are not above 0")
        state = said.get("state", {})
        if not isinstance(state, dict) or not all(
            isinstance(state.get(name, 0.0), int | float) for name in NUMBERS
        ):
            raise self._lost(f"a state that is no object of numbers: {state!r:.80}")
        if not isinstance(state.get("governor", ""), str):
            raise self._lost(f"a state whose governor is no word: {state!r:.80}")
        return said

    def _lost(self, what: str) -> WorkerLostError:
        return WorkerLostError(
            f"target.command {' '.join(self._command)[:80]}: must print the times asked for, "
            f"within target.timeout; got {what}"
        )

    def close(self) -> None:
        """See `nas.latency.process.Asked.close`."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _kill(process: subprocess.Popen[str]) -> None:
    """With all that it has started: an adb that hangs would keep the device busy."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _group(times: list[float]) -> list[Any]:
    walls = [ms * 1e6 for ms in times]
    return [walls, 0, 0, walls]


def _encoded(values: list[float]) -> dict[str, Any]:
    array = np.asarray(values, np.float32).ravel()
    return {"shape": [array.size], "data": base64.b64encode(array.tobytes()).decode()}
