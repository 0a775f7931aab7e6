"""What a study spends on a trial apart from training and measuring it, as it grows.

    python benchmarks/overhead.py growth --study "tpe, one objective" --trials 1000 --folder DIR
    python benchmarks/overhead.py draws
    python benchmarks/overhead.py sleepers

growth: the study runs through `nas search`'s own session on NAS-Bench-Macro's table (see
nasbench_macro.py): accuracy and multiply-adds are looked up, so that everything a trial takes is
overhead: drawing the proposal, writing the study, mirroring it into MLflow. The table has 3,969
networks; a longer study meets some again, which are then trials `repeated`. With a `--folder` the
study stays there, and the same command with more trials resumes it.

draws: the part of it that grows, alone: a proposal drawn on a study of so many random trials.

sleepers: evaluations that sleep, by 1, 8, 64 and 256 workers, and how busy four of them are kept.

Each adds what it found to benchmarks/results/overhead.jsonl (the latest of a kind counts) and
writes benchmarks/results/overhead.md anew; what is said there below the line stays.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import chdir
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from first_search import machine
from optuna.trial import TrialState, create_trial
from overhead_page import page

from nas.events import Counts, Listener
from nas.outcome import TrialRecord

HERE = Path(__file__).resolve().parent
ROWS, PAGE = HERE / "results" / "overhead.jsonl", HERE / "results" / "overhead.md"
FRONT = ("objective=pareto", "objective.quantities=[accuracy,multiply_adds]")
STUDIES = {
    "tpe, one objective": ("sampler=tpe", "objective=constrained"),
    "tpe, two objectives": ("sampler=tpe", *FRONT),
    "nsga2, one objective": ("sampler=nsga2", "objective=constrained"),
    "nsga2, two objectives": ("sampler=nsga2", *FRONT),
    "hamming_gp, one objective": ("sampler=hamming_gp", "objective=constrained"),
    "hamming_gp, two objectives": ("sampler=hamming_gp", *FRONT),
}
MARKS = (10, 100, 1000, 5000)
DRAWS = 5
SLEEP = 4.0
ROUNDS = 5
"""Sleeping evaluations of each worker; two where there are more than a hundred."""
WINDOW = 50
"""Trials behind a mark (at most as many as the mark) over which the mean is taken."""
LINE = "\n---\n"


class Clock(Listener):
    """Notes when each trial ended and what memory the study's process has then."""

    def __init__(self) -> None:
        self.ends: dict[int, tuple[float, float, int]] = {}
        self.process = psutil.Process()

    def started(self, study: object, past: Sequence[TrialRecord]) -> None:
        self._note(len(past))

    def _note(self, trials: int) -> None:
        used = self.process.cpu_times()
        memory = self.process.memory_info().rss
        self.ends[trials] = (time.perf_counter(), used.user + used.system, memory)

    def trial_finished(self, trial: TrialRecord, counts: Counts) -> None:
        self._note(counts.proposals)

    def reference_known(self, *_: object) -> None: ...
    def note(self, *_: object) -> None: ...
    def trial_started(self, *_: object) -> None: ...
    def stage(self, *_: object) -> None: ...
    def epoch(self, *_: object) -> None: ...
    def stopped(self, *_: object) -> None: ...


def study(overrides: Iterable[str], trials: int) -> dict[int, tuple[float, float, int]]:
    """Wall seconds, CPU seconds and bytes behind each trial, by how many there were."""
    from nas.session import resume, start
    from nas.settings.compose import compose

    clock = Clock()
    asked = [f"study.trials={trials}", f"study.max_proposals={trials}"]
    if Path("runs/grown").exists():
        resume("grown", asked, command="benchmarks/overhead.py", listeners=[clock])
        return clock.ends
    settings = compose(
        [
            f"space.source={HERE / 'nasbench_macro.py'}:NasBenchMacro",
            "evaluation=table",
            f"evaluation.path={HERE / 'data' / 'nasbench_macro.json'}",
            "objective.multiply_adds=47.7e6",
            "study.name=grown",
            "study.report=false",
            *asked,
            *overrides,
        ]
    )
    start(settings, command="benchmarks/overhead.py", listeners=[clock])
    return clock.ends


def growth(name: str, trials: int, folder: str | None) -> list[dict[str, Any]]:
    """CPU and wall ms a trial and memory in MiB, at each mark that was passed."""
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as own, chdir(folder or own):
        ends = study(STUDIES[name], trials)
    first = min(ends)
    found = []
    for mark in MARKS:
        window = min(WINDOW, mark)
        if mark not in ends or mark - window not in ends:
            continue
        (wall, cpu, _), (wall_2, cpu_2, memory) = ends[mark - window], ends[mark]
        found.append(
            {
                "of": name,
                "mark": mark,
                "cpu_ms": round(1000 * (cpu_2 - cpu) / window, 1),
                "wall_ms": round(1000 * (wall_2 - wall) / window, 1),
                "mib": round(memory / 2**20),
                "process_from": first,
            }
        )
    return found


def draws() -> list[dict[str, Any]]:
    """CPU ms of a proposal on so many random trials."""
    from nasbench_macro import NasBenchMacro

    from nas.settings import SamplerSettings
    from nas.study.proposals import Proposer, distributions

    space, rng, found = NasBenchMacro(), random.Random(0), []
    for name, words in STUDIES.items():
        directions = ["maximize"] if words[1].endswith("constrained") else ["maximize", "minimize"]
        sampler = SamplerSettings(name=words[0].partition("=")[2])
        proposer = Proposer(space.genes, directions, sampler=sampler, seed=0)  # type: ignore[arg-type]
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
            ms = 1000 * (time.process_time() - began) / DRAWS
            found.append({"of": name, "mark": mark, "cpu_ms": round(ms, 1)})
    return found


def sleepers() -> list[dict[str, Any]]:
    """How busy workers are kept while all have begun, and how many evaluations a second that is."""
    sys.path[:0] = [str(HERE.parent / "tests"), str(HERE.parent / "tests" / "study")]
    from test_several_workers import ROOMY, busy, share, slept
    from tiny import run as run_tiny

    def asleep(path: Path, workers: int) -> dict[str, Any]:
        trials = workers * (2 if workers > 100 else ROUNDS)
        spans: list[tuple[float, float]] = []
        sleeping = slept(SLEEP)

        def evaluate(*arguments: Any) -> Any:
            began = time.monotonic()
            answer = sleeping.evaluate(*arguments)
            spans.append((began, time.monotonic()))
            return answer

        used = time.process_time()
        run_tiny(
            path, proposals=100 * trials, trials=trials, sampler="random", objective=ROOMY,
            workers=workers, ahead=1, examiner=replace(sleeping, evaluate=evaluate),
        )  # fmt: skip
        cpu_ms, kept = 1000 * (time.process_time() - used) / trials, share(spans, workers)
        return {
            "of": "threads",
            "workers": workers,
            "evaluations": trials,
            "share": round(kept, 3),
            "rate": round(kept * workers / SLEEP, 2),
            "cpu_ms": round(cpu_ms, 1),
        }

    with tempfile.TemporaryDirectory() as folder:
        four = busy(Path(folder) / "busy", trials=200)
        found = [{"of": "processes", "workers": 4, "evaluations": 200, "share": round(four, 3)}]
        return found + [asleep(Path(folder) / str(one), one) for one in (1, 8, 64, 256)]


def circumstances() -> dict[str, Any]:
    """On what, and beside what, it ran."""
    return {
        "load": round(os.getloadavg()[0], 1),
        "machine": f"{machine()}, {platform.system()} {platform.release()}",
        "versions": ", ".join(
            [
                f"Python {platform.python_version()}",
                *(f"{name} {version(name)}" for name in ("optuna", "mlflow", "torch")),
            ]
        ),
    }


def written() -> list[dict[str, Any]]:
    """What was found so far, the latest of each kind, the newest last."""
    lines = ROWS.read_text().splitlines() if ROWS.exists() else []
    found: dict[tuple[object, ...], dict[str, Any]] = {}
    for row in map(json.loads, lines):
        key = tuple(row.get(name) for name in ("section", "of", "mark", "workers"))
        found.pop(key, None)
        found[key] = row
    return list(found.values())


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("section", choices=("growth", "draws", "sleepers", "page"))
    words.add_argument("--study", choices=STUDIES, default=next(iter(STUDIES)))
    words.add_argument("--trials", type=int, default=MARKS[-1])
    words.add_argument("--folder", help="where the study stays, and is resumed with more trials")
    chosen = words.parse_args()
    around = circumstances()
    found: list[dict[str, Any]] = []
    if chosen.section == "growth":
        found = growth(chosen.study, chosen.trials, chosen.folder)
    elif chosen.section != "page":
        found = draws() if chosen.section == "draws" else sleepers()
    with ROWS.open("a") as file:
        for one in found:
            file.write(json.dumps({"section": chosen.section, **one, **around}) + "\n")
    said = PAGE.read_text().partition(LINE)[2] if PAGE.exists() else ""
    text = page(written(), studies=STUDIES, marks=MARKS, window=WINDOW, draws=DRAWS)
    PAGE.write_text(text + LINE + said)


if __name__ == "__main__":
    main()
