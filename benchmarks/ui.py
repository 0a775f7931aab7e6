"""What the MLflow UI costs on a study of a thousand candidates.

    python benchmarks/ui.py [--candidates 1000] > benchmarks/results/ui.md
    python benchmarks/ui.py --memory            # its memory alone, also on a busy machine

The study is made from seeds, without training, and mirrored; then `nas ui` is started on it. Told
are the time until it prints its address, how long its two lists take to answer (the first hundred
of the feasible candidates, and of all, by accuracy), where Chromium is installed, how long the page
takes from its address to its rows, and after all that the processes and their memory. Memory is
the sum of what is resident of `nas ui` and of every process it started: no less than they take, as
pages that they share count in each. The second sum (PSS) divides such a page among all processes
of the machine that have it. Ends with 1 where a figure is over its bound.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import psutil
from first_search import machine

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests")]

from tracked_studies import outcome, record, study_info  # noqa: E402

from nas.outcome import TrialRecord  # noqa: E402
from nas.tracking import view  # noqa: E402
from nas.tracking.track import track  # noqa: E402

PAGE = 100
"""The UI fetches so many runs at a time."""

REPEATS, PAGES = 7, 3
BOUNDS = {
    "start, s": 15.0,
    "processes": 2,
    "memory, MB": 400.0,
    "memory, MB, shared pages divided": 400.0,
    "list of the feasible ones, s": 3.0,
    "list of all, s": 3.0,
    "page with the list, s": 3.0,
}
"""What is promised; the pages are drawn by a browser on the same machine."""


def study(number: int) -> list[TrialRecord]:
    """Trials of every ending, accuracy and latency from a seed."""
    rng = random.Random(0)
    kinds = rng.choices(("evaluated", "refused", "repeated", "failed"), (70, 20, 7, 3), k=number)
    return [
        record(n, outcome(kind, accuracy=rng.uniform(0.6, 0.97), ms=rng.uniform(0.05, 0.4)))
        for n, kind in enumerate(kinds)
    ]


def answered(url: str, experiment: str, query: str) -> float:
    """Seconds until the first page of a list is there."""
    body = {
        "experiment_ids": [experiment],
        "filter": query,
        "order_by": ["metrics.`accuracy` DESC"],
        "max_results": PAGE,
    }
    request = urllib.request.Request(
        f"{url}/api/2.0/mlflow/runs/search",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    began = time.perf_counter()
    with urllib.request.urlopen(request) as answer:
        found = json.load(answer)
    seconds = time.perf_counter() - began
    assert len(found["runs"]) == PAGE
    return seconds


def drawn(address: str) -> float:
    """Seconds until a browser that is open shows rows of the list."""
    from browser import open_browser, until

    rows = "return document.querySelectorAll('.ag-center-cols-container .ag-row').length > 10"
    seconds = []
    with open_browser() as browser:
        browser.size(1440)
        for _ in range(PAGES):
            browser.driver.get("about:blank")
            began = time.perf_counter()
            browser.driver.get(address)
            until(browser, rows)
            seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


@contextmanager
def shown(runs: Path, name: str) -> Iterator[tuple[psutil.Process, str]]:
    """`nas ui` as it is typed, with the address that it prints; it ends afterwards."""
    command = [sys.executable, "-m", "nas.cli", "ui", name, f"study.folder={runs}"]
    options = ["--port", "5490", "--json", "--no-browser"]
    process = psutil.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
    try:
        told = ""
        while not told.endswith("}\n"):
            line = process.stdout.readline()
            assert line, "nas ui ended without an address"
            told += line
        yield process, json.loads(told)["address"]
    finally:
        process.terminate()
        process.wait()


def measured(number: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="nas-ui-") as folder:
        began = time.perf_counter()
        info = study_info(trials=number)
        done = track(info, study(number), runs=Path(folder), reason="finished")
        found = {"mirroring the study, s": time.perf_counter() - began}
        began = time.perf_counter()
        with shown(Path(folder), info.name) as (process, address):
            found["start, s"] = time.perf_counter() - began
            url = address.partition("/#")[0]
            for name, feasible in (("feasible ones", True), ("all", False)):
                query = view.query(done.run, feasible=feasible)
                found[f"list of {'the ' if feasible else ''}{name}, s"] = statistics.median(
                    answered(url, done.experiment, query) for _ in range(REPEATS)
                )
            if shutil.which("chromium") and shutil.which("chromedriver"):
                found["page with the list, s"] = drawn(address)
            members = [one.memory_full_info() for one in (process, *process.children(True))]
            found["processes"] = len(members)
            found["memory, MB"] = sum(one.rss for one in members) / 1e6
            found["memory, MB, shared pages divided"] = sum(one.pss for one in members) / 1e6
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=1000)
    parser.add_argument("--memory", action="store_true", help="tell no times, only what it takes")
    arguments = parser.parse_args()
    number = arguments.candidates
    load = os.getloadavg()[0]
    found = measured(number)
    print("# The MLflow UI on a large study\n")
    asked = f"{' --memory' if arguments.memory else ''} --candidates {number}"
    print(f"`python benchmarks/ui.py{asked}`; {machine()}; MLflow {version('mlflow')};", end=" ")
    print(f"load average at the start {load:.1f}; n = 1 start", end="")
    if arguments.memory:
        found = {name: value for name, value in found.items() if not name.endswith(", s")}
        print(".\n")
    else:
        print(f", medians of\n{REPEATS} answers and of {PAGES} pages.\n")
    print(f"| {number} candidates | measured | at most |\n|---|---|---|")
    for name, value in found.items():
        print(f"| {name} | {value:.3g} | {f'{BOUNDS[name]:g}' if name in BOUNDS else ''} |")
    return int(any(value > BOUNDS.get(name, value) for name, value in found.items()))


if __name__ == "__main__":
    sys.exit(main())
