"""What a study spends on a trial apart from training and measuring it, as it grows.

    python benchmarks/overhead.py --section growth [--trials 5000] > benchmarks/results/overhead.md
    python benchmarks/overhead.py --section draws >> benchmarks/results/overhead.md
    python benchmarks/overhead.py --section sleepers >> benchmarks/results/overhead.md

growth: each study runs through `nas search`'s own session, in a process of its own, on
NAS-Bench-Macro's table (see nasbench_macro.py): accuracy and multiply-adds are looked up, so that
everything a trial takes is overhead: drawing the proposal, writing the study, mirroring it into
MLflow. The table has 3,969 networks; a longer study meets some again, which are then trials
`repeated`. The studies run side by side: CPU time is what is told of them, wall time in brackets.

draws: the part of it that grows, alone: a proposal drawn on a study of so many random trials.

sleepers: evaluations that sleep, by 1, 8, 64 and 256 workers, and how busy four of them are kept.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import psutil
from first_search import machine
from optuna.trial import TrialState, create_trial

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
DRAWS = 5
SLEEP = 4.0
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
            f"{1000 * (cpu_2 - cpu) / window:.0f} ({1000 * (wall_2 - wall) / window:.0f}), "
            f"{memory / 2**20:.0f} MiB"
        )
    return f"| {name} | " + " | ".join(cells) + " |"


def growth(trials: int, studies: Sequence[str]) -> None:
    print("## A trial, as a study grows\n")
    print(f"n = 1 study each, {len(studies)} side by side; {trials} trials asked for; MLflow on.")
    print(
        f"CPU milliseconds a trial, mean of the {WINDOW} behind each mark (10: of 10); in brackets"
    )
    print("wall milliseconds; then the memory of the process. `-`: not run.\n")
    print("| study | " + " | ".join(f"at {mark}" for mark in MARKS) + " |")
    print("|---" * (1 + len(MARKS)) + "|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        children = {}
        for number, name in enumerate(studies):
            own = Path(folder) / str(number)
            own.mkdir()
            command = [sys.executable, __file__, "--child", name, "--trials", str(trials)]
            children[name] = subprocess.Popen(
                command,
                cwd=own,
                env={**os.environ, "PYTHONPATH": str(HERE.parent)},
                stdout=subprocess.PIPE,
                text=True,
            )
        for name, child in children.items():
            said, _ = child.communicate()
            if child.returncode:
                sys.exit(f"{name}: ended with {child.returncode}")
            print(row(name, json.loads(said.splitlines()[-1])), flush=True)
    print()


def draws() -> None:
    from nasbench_macro import NasBenchMacro

    from nas.settings import SamplerSettings
    from nas.study.proposals import Proposer, distributions

    space, rng = NasBenchMacro(), random.Random(0)
    print("## A proposal drawn on so many trials\n")
    print(f"CPU milliseconds, mean of {DRAWS}, random trials of NAS-Bench-Macro's space.\n")
    print("| sampler | " + " | ".join(map(str, MARKS[1:])) + " | 5000 / 100 |")
    print("|---" * (len(MARKS) + 1) + "|")
    for name, words in STUDIES.items():
        directions = ["maximize"] if words[1].endswith("constrained") else ["maximize", "minimize"]
        sampler = SamplerSettings(name=words[0].partition("=")[2])
        proposer = Proposer(space.genes, directions, sampler=sampler, seed=0)  # type: ignore[arg-type]
        found = []
        for mark in MARKS[1:]:
            while proposer.count < mark:
                trial = create_trial(
                    state=TrialState.COMPLETE,
                    values=[rng.random() for _ in directions],
                    params=space.sample(rng),
                    distributions=distributions(space.genes),
                    system_attrs={"constraints:limits": rng.uniform(-1, 0.3)},
                )
                proposer.add(trial)
            began = time.process_time()
            for _ in range(DRAWS):
                number = proposer.count
                proposer.draw()
                values = [rng.random() for _ in directions]
                proposer.tell(number, TrialState.COMPLETE, values, 0.0)
            found.append(1000 * (time.process_time() - began) / DRAWS)
        cells = " | ".join(f"{one:.1f}" for one in found)
        print(f"| {name} | {cells} | {found[-1] / found[0]:.1f} |", flush=True)
    print()


def sleepers() -> None:
    sys.path[:0] = [str(HERE.parent / "tests"), str(HERE.parent / "tests" / "study")]
    from test_several_workers import ROOMY, busy, slept
    from tiny import run as run_tiny

    print("## Evaluations that sleep\n")
    with tempfile.TemporaryDirectory() as folder:
        share = busy(Path(folder) / "busy", trials=200)
        print(
            f"Four worker processes, 200 evaluations of 1 s: busy {100 * share:.1f} % of the time."
        )
        print(f"\nThreads that sleep {SLEEP:g} s for each evaluation, proposals at random:\n")
        print("| workers | evaluations | evaluations/s | of what sleeping alone allows |")
        print("|---|---|---|---|")
        for workers in (1, 8, 64, 256):
            trials = max(10, 2 * workers)
            began = time.perf_counter()
            run_tiny(
                Path(folder) / str(workers), proposals=100 * trials, trials=trials,
                sampler="random", objective=ROOMY, examiner=slept(SLEEP), workers=workers, ahead=1,
            )  # fmt: skip
            rate = trials / (time.perf_counter() - began)
            share = rate * SLEEP / workers
            print(f"| {workers} | {trials} | {rate:.2f} | {100 * share:.0f} % |", flush=True)
    print()


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--section", choices=("growth", "draws", "sleepers"), default="growth")
    words.add_argument("--trials", type=int, default=MARKS[-1])
    words.add_argument("--only", choices=STUDIES, help="one study's growth")
    words.add_argument("--child", choices=STUDIES, help=argparse.SUPPRESS)
    chosen = words.parse_args()
    if chosen.child:
        print(json.dumps(study(list(STUDIES[chosen.child]), chosen.trials)))
        return
    if chosen.section == "growth" and not chosen.only:
        print("# Overhead of a trial\n")
    machine_now = f"{machine()}, {platform.system()} {platform.release()}"
    versions = ", ".join(f"{p} {version(p)}" for p in ("optuna", "mlflow", "torch"))
    load = f"load average at the start {os.getloadavg()[0]:.1f}"
    about = f"Machine: {machine_now}; Python {platform.python_version()}, {versions}; {load}.\n"
    if chosen.section == "growth":
        growth(chosen.trials, [chosen.only] if chosen.only else list(STUDIES))
    elif chosen.section == "draws":
        draws()
    else:
        sleepers()
    print(about)


if __name__ == "__main__":
    main()
