"""What a study spends on a trial apart from training and measuring it, as it grows.

    python benchmarks/overhead.py [--trials 5000] [--only tpe-constrained] \
        > benchmarks/results/overhead.md

Each study runs through `nas search`'s own session, in a process of its own, on NAS-Bench-Macro's
table (see nasbench_macro.py): accuracy and multiply-adds are looked up, so that everything a
trial takes is overhead: drawing the proposal, writing the study, mirroring it into MLflow.
The table has 3,969 networks; a longer study meets some again, which are then trials `repeated`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import psutil
from first_search import machine

from nas.events import Counts, Listener
from nas.outcome import TrialRecord

HERE = Path(__file__).resolve().parent
FRONT = ("objective=pareto", "objective.quantities=[accuracy,multiply_adds]")
STUDIES = {
    "tpe, one objective": ("sampler=tpe", "objective=constrained"),
    "tpe, two objectives": ("sampler=tpe", *FRONT),
    "nsga2, one objective": ("sampler=nsga2", "objective=constrained"),
    "nsga2, two objectives": ("sampler=nsga2", *FRONT),
}
MARKS = (10, 100, 1000, 5000)
WINDOW = 50
"""Trials behind a mark (at most as many as the mark) over which the mean is taken."""


class Clock(Listener):
    """Notes when each trial ended and what memory the study's process has then."""

    def __init__(self) -> None:
        self.ends: list[tuple[float, float, int]] = []
        self.process = psutil.Process()

    def started(self, *_: object) -> None:
        self._note()

    def _note(self) -> None:
        used = self.process.cpu_times()
        memory = self.process.memory_info().rss
        self.ends.append((time.perf_counter(), used.user + used.system, memory))

    def trial_finished(self, trial: TrialRecord, counts: Counts) -> None:
        self._note()

    def reference_known(self, *_: object) -> None: ...
    def note(self, *_: object) -> None: ...
    def trial_started(self, *_: object) -> None: ...
    def stage(self, *_: object) -> None: ...
    def epoch(self, *_: object) -> None: ...
    def stopped(self, *_: object) -> None: ...


def study(overrides: list[str], trials: int) -> list[tuple[float, float, int]]:
    """Wall seconds, CPU seconds and bytes at the start and behind each trial."""
    from nas.session import start
    from nas.settings.compose import compose

    settings = compose(
        [
            f"space.source={HERE / 'nasbench_macro.py'}:NasBenchMacro",
            "evaluation=table",
            f"evaluation.path={HERE / 'data' / 'nasbench_macro.json'}",
            "objective.multiply_adds=47.7e6",
            f"study.trials={trials}",
            f"study.max_proposals={trials}",
            *overrides,
        ]
    )
    clock = Clock()
    start(settings, command="benchmarks/overhead.py", listeners=[clock])
    return clock.ends


def row(name: str, ends: list[tuple[float, float, int]]) -> str:
    cells = []
    for mark in MARKS:
        if mark >= len(ends):
            cells.append("-")
            continue
        window = min(WINDOW, mark)
        (wall, cpu, _), (wall_2, cpu_2, memory) = ends[mark - window], ends[mark]
        cells.append(
            f"{1000 * (wall_2 - wall) / window:.0f} ({1000 * (cpu_2 - cpu) / window:.0f}), "
            f"{memory / 2**20:.0f} MiB"
        )
    return f"| {name} | " + " | ".join(cells) + " |"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--trials", type=int, default=MARKS[-1])
    words.add_argument("--only", choices=STUDIES)
    words.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    chosen = words.parse_args()
    if chosen.child:
        print(json.dumps(study(list(STUDIES[chosen.only]), chosen.trials)))
        return
    print("# Overhead of a trial as a study grows\n")
    print(f"Machine: {machine()}, {platform.system()} {platform.release()}.")
    print(
        f"Python {platform.python_version()}, "
        + ", ".join(f"{p} {version(p)}" for p in ("optuna", "mlflow", "torch"))
    )
    print(f"\nn = 1 study each; load average at the start {os.getloadavg()[0]:.1f}; MLflow on.")
    print(
        f"Milliseconds a trial, mean of the {WINDOW} behind each mark (10: of 10); in brackets the"
    )
    print("CPU milliseconds of the study's process; then its memory.\n")
    print("| study | " + " | ".join(f"at {mark}" for mark in MARKS) + " |")
    print("|---" * (1 + len(MARKS)) + "|", flush=True)
    for name in [chosen.only] if chosen.only else STUDIES:
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [
                    sys.executable,
                    __file__,
                    "--child",
                    "--only",
                    name,
                    "--trials",
                    str(chosen.trials),
                ],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(HERE.parent)},
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode:
            sys.exit(done.stderr)
        print(row(name, json.loads(done.stdout.splitlines()[-1])), flush=True)


if __name__ == "__main__":
    main()
