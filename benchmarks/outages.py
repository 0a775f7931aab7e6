"""What a search is cost by a whole minute without its MLflow server, or without its device.

    python benchmarks/outages.py server|device

server: a table answers, after half a second each; the server is killed in the middle and started
again a minute later. device: real candidates on the digits, measured over ssh on a machine (this
one) whose sshd is killed in the middle, its sessions with it, and started again a minute later.

Afterwards the study is looked at as in kills.py. The seconds added are those from the last trial
that ended before the outage to the first behind it, less what as many trials took before. Each adds
a row to benchmarks/results/outages.jsonl and writes outages.md anew.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from first_search import machine
from kills import NAME, Killing, killing, lost, mirror_faults, records

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "tests"))
ROWS, PAGE = HERE / "results" / "outages.jsonl", HERE / "results" / "outages.md"
Step, Row = Callable[[], object], dict[str, Any]
AWAY_SECONDS = 60.0
TRIALS, BEFORE = {"server": 140, "device": 6}, {"server": 10, "device": 2}
"""Trials asked for, and those that have ended when the outage begins."""

QUICK = (
    "training.epochs=2", "space.widths=[12,24]", "space.depths=[1,2]", "space.start_from=[]",
    "study.sustained_seconds=0", "evaluation.seeds=1", "objective.latency_ms=50",
)  # fmt: skip


def ends(search: Killing) -> list[float]:
    """When each trial ended, by the log."""
    return [line["time"] for line in search.log() if line["event"] == "outcome"]


def outage(search: Killing, what: str, words: Sequence[str], down: Step, up: Step) -> Row:
    """A search in the middle of which something is away for a minute: what that cost it."""
    words = ["-m", "nas.cli", "search", *words, f"study.name={NAME}", "study.report=false"]
    words += [f"study.trials={TRIALS[what]}"]
    search.driver = search.start(words, at=search.folder / "output.txt")
    search.wait_for(lambda: search.ended() or len(ends(search)) >= BEFORE[what], "it does not go")
    down()
    gone = time.time()
    time.sleep(AWAY_SECONDS)
    assert not search.ended(), "it did not outlast the outage"
    up()
    back = time.time()
    search.wait_for(search.ended, "the search does not end")
    told = ends(search)
    before, after = [t for t in told if t < gone], [t for t in told if t > back]
    each = (before[-1] - before[0]) / (len(before) - 1)
    meanwhile = len(told) - len(before) - len(after)
    return {
        "down": what,
        "seconds away": round(back - gone, 1),
        "trials before": len(before),
        "meanwhile": meanwhile,
        "after": len(after),
        "seconds a trial": round(each, 2),
        "seconds added": round(after[0] - before[-1] - (meanwhile + 1) * each, 1),
    }


def server(search: Killing) -> tuple[Row, str]:
    """MLflow's server is killed."""
    from table_of_tiny import overrides, write_table

    search.start_server()
    search.wait_for(search.answers, "the server does not answer")
    words = overrides(write_table(search.folder / "table.json"))
    words = [word for word in words if word.partition("=")[0] not in ("tracking", "study.name")]
    words += ["evaluation.seconds=0.5", "sampler=random", "objective.multiply_adds=1e9"]
    uri = f"http://127.0.0.1:{search.port}"
    kill = partial(os.killpg, search.server.pid, signal.SIGKILL)
    return outage(search, "server", [*words, f"tracking.uri={uri}"], kill, search.start_server), uri


def device(search: Killing) -> tuple[Row, str]:
    """The sshd of the device is killed, and every session of it."""
    from sshd import Device

    (search.folder / "tmp").mkdir()
    there = Device(search.folder)
    there.up()
    target = there.settings()
    words = [*QUICK, "target.where=ssh", f"target.host={target.host}"]
    words.append(f"target.ssh_options={json.dumps(target.ssh_options)}")
    words.append(f"target.python={target.python}")
    try:
        found = outage(search, "device", words, there.down, there.up)
    finally:
        there.down()
    return found, f"sqlite:///{search.folder}/runs/mlflow.db"


def looked_at(search: Killing, found: Row, uri: str) -> Row:
    """The row of a search, with what is not as it should be at its end."""
    trials, states = records(search.path)
    kinds = Counter(trial.outcome.kind for trial in trials if trial.outcome)
    return {
        **found,
        "evaluated": f"{kinds['evaluated']} of {TRIALS[found['down']]}",
        "failed or RUNNING": kinds["failed"] + states["RUNNING"],
        "lost results": len(lost(search.log(), trials)),
        "mirror": "; ".join(mirror_faults(NAME, trials, uri)) or "complete",
    }


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("what", choices=tuple(TRIALS))
    chosen, load = words.parse_args().what, round(os.getloadavg()[0], 1)
    with tempfile.TemporaryDirectory() as folder, killing(Path(folder), 1) as search:
        found = looked_at(search, *(server if chosen == "server" else device)(search))
    with ROWS.open("a") as file:
        file.write(json.dumps({**found, "load": load}) + "\n")
    rows = {one["down"]: one for one in map(json.loads, ROWS.read_text().splitlines())}
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "optuna", "mlflow"))
    lines = [
        "# A whole minute without the MLflow server, without the device",
        "",
        "Written by `python benchmarks/outages.py`; n = 1 search each. Machine: "
        f"{machine()}, {platform.system()} {platform.release()}; Python "
        f"{platform.python_version()}, {versions}. Seconds added: up to the first trial that ends "
        "behind the outage, less what as many took before it (the first of a search are slower); a "
        "device is tried after 5, 10, 20, 40 s.",
        "",
        f"| {' | '.join(rows[chosen])} |",
        "|---" * len(rows[chosen]) + "|",
        *(f"| {' | '.join(map(str, one.values()))} |" for one in rows.values()),
    ]
    PAGE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
