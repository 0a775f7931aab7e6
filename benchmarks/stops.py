"""How long a search takes to end after a first signal, and that it goes on from there.

    python benchmarks/stops.py [--rounds 4]

A real search on the digits by two processes. In each round it is sent SIGINT, SIGTERM and SIGHUP,
at a random moment of a candidate's measuring or training (seeded), and resumed after each. Writes
benchmarks/results/stops.md. Nothing else should compute.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from first_search import machine
from kills import EXECUTIONS, NAME, SETTINGS, Killing, killing

PAGE = Path(__file__).parent / "results" / "stops.md"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STAGES = ("measuring", "training")
ASKED_SECONDS = 5.0


def stop(search: Killing, number: signal.Signals, stage: str) -> float:
    """Seconds from the signal to the end of the driver."""
    words = ["resume", NAME] if search.path.exists() else ["search", *SETTINGS, *EXECUTIONS[0]]
    words = ["-m", "nas.cli", *words, "study.trials=1000"]
    known = len(search.log())
    search.driver = search.start(words, at=search.folder / "output.txt")
    search.wait_for(
        lambda: search.ended() or any(one.get("stage") == stage for one in search.log()[known:]),
        "no candidate gets there",
    )
    time.sleep(search.rng.uniform(0, 1.5))
    began = time.monotonic()
    os.kill(search.driver.pid, number)
    status = search.driver.wait(60)
    seconds = time.monotonic() - began
    assert status == 128 + number, (search.folder / "output.txt").read_text()[-2000:]
    return seconds


def page(found: list[tuple[str, str, float]], load: float) -> Iterator[str]:
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "optuna", "mlflow"))
    yield "# Seconds from a first signal to the end of a search"
    yield ""
    yield f"Written by `python benchmarks/stops.py`; {len(found)} stops of one search by two"
    yield f"processes, which went on after each. Machine: {machine()}, {platform.system()}"
    yield f"{platform.release()}; Python {platform.python_version()}, {versions}; load before:"
    yield f"{load:.1f}."
    yield ""
    yield "| signal | while | n | median | least | most |"
    yield "|---|---|---|---|---|---|"
    for name in (one.name for one in SIGNALS):
        for stage in STAGES:
            seconds = [one for of, at, one in found if (of, at) == (name, stage)]
            if seconds:
                three = statistics.median(seconds), min(seconds), max(seconds)
                cells = " | ".join(f"{one:.2f}" for one in three)
                yield f"| {name} | {stage} | {len(seconds)} | {cells} |"
    most = max(one for *_, one in found)
    yield ""
    yield f"Asked: at most {ASKED_SECONDS:.0f} s. Most of all: {most:.2f} s, " + (
        "reached." if most <= ASKED_SECONDS else "**not reached**."
    )


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--rounds", type=int, default=4)
    rounds, load = words.parse_args().rounds, os.getloadavg()[0]
    found = []
    with tempfile.TemporaryDirectory() as folder, killing(Path(folder), 1) as search:
        (search.folder / "tmp").mkdir(exist_ok=True)
        for turn in range(rounds):
            for number in SIGNALS:
                stage = STAGES[turn % len(STAGES)]
                found.append((number.name, stage, stop(search, number, stage)))
                print(*found[-1], flush=True)
    PAGE.write_text("\n".join(page(found, load)) + "\n")


if __name__ == "__main__":
    main()
