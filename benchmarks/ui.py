"""What the MLflow UI costs on a study of a thousand candidates.

    python benchmarks/ui.py [--candidates 1000] > benchmarks/results/ui.md

The study is made from seeds, without training, and mirrored; then `nas ui` is started on it. Told
are the time until the server answers, its processes and memory, how long its two lists take to
answer (the first hundred of the feasible candidates, and of all, by accuracy), and, where Chromium
is installed, how long the page takes from its address to its rows. Ends with 1 where a figure is
over its bound.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
import urllib.request
from importlib.metadata import version
from pathlib import Path

import psutil
from first_search import machine

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests")]

from tracked_studies import outcome, record, study_info  # noqa: E402

from nas.outcome import TrialRecord  # noqa: E402
from nas.tracking import Server, serve, view  # noqa: E402
from nas.tracking.track import track  # noqa: E402

PAGE = 100
"""The UI fetches so many runs at a time."""

REPEATS, PAGES = 7, 3
BOUNDS = {
    "start of the server, s": 15.0,
    "processes": 2,
    "memory, MB": 400.0,
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


def family(server: Server) -> list[psutil.Process]:
    assert server._process is not None
    top = psutil.Process(server._process.pid)
    return [top, *top.children(recursive=True)]


def measured(number: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="nas-ui-") as folder:
        began = time.perf_counter()
        info = study_info(trials=number)
        done = track(info, study(number), runs=Path(folder), reason="finished")
        found = {"mirroring the study, s": time.perf_counter() - began}
        began = time.perf_counter()
        with serve(Path(folder), study=info.name, port=5490) as server:
            found["start of the server, s"] = time.perf_counter() - began
            for name, feasible in (("feasible ones", True), ("all", False)):
                query = view.query(done.run, feasible=feasible)
                found[f"list of {'the ' if feasible else ''}{name}, s"] = statistics.median(
                    answered(server.url, done.experiment, query) for _ in range(REPEATS)
                )
            if shutil.which("chromium") and shutil.which("chromedriver"):
                found["page with the list, s"] = drawn(server.address(info.name))
            members = family(server)
            found["processes"] = len(members)
            # What the processes share with one another counts once.
            found["memory, MB"] = sum(m.memory_full_info().pss for m in members) / 1e6
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=1000)
    number = parser.parse_args().candidates
    load = os.getloadavg()[0]
    found = measured(number)
    print("# The MLflow UI on a large study\n")
    print(f"`python benchmarks/ui.py --candidates {number}`; {machine()}; MLflow", end=" ")
    print(f"{version('mlflow')}; load average at the start {load:.1f}; n = 1 start, medians of")
    print(f"{REPEATS} answers and of {PAGES} pages.\n")
    print(f"| {number} candidates | measured | at most |\n|---|---|---|")
    for name, value in found.items():
        print(f"| {name} | {value:.3g} | {f'{BOUNDS[name]:g}' if name in BOUNDS else ''} |")
    return int(any(value > BOUNDS.get(name, value) for name, value in found.items()))


if __name__ == "__main__":
    sys.exit(main())
