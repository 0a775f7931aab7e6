"""kill -9 of everything a search consists of, at random moments: what is lost?

    nice python benchmarks/kills.py [--seconds 1800] [--searches 10] [--kills 10]

Each search is a real one on the digits, of two workers or of one, mirrored into an MLflow server,
in a folder and on a port of its own. The victim of each kill (driver, worker, latency process,
MLflow server) and the moment (so many lines of the study's log after the last kill, and so many
seconds) are drawn from the search's seed. After a kill of the driver the study is resumed, the
server is started again; a study that ends before its kills are used up is asked for more
candidates. Then `faults` looks at what is left.

Searches that are in benchmarks/results/kills.jsonl are not done again: the script may be stopped
and started. It writes benchmarks/results/kills.md anew from all of them.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import platform
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from first_search import machine

from nas.outcome import TrialRecord
from nas.study.storage import StudyStorage
from nas.tracking.rows import final_metrics

RESULTS = Path(__file__).parent / "results"
ROWS, PAGE = RESULTS / "kills.jsonl", RESULTS / "kills.md"
NAME = "killed"
MARK = "NAS_KILLS"
"""An environment variable that all processes of a search inherit: none may outlive it."""

VICTIMS = {"driver": 3, "worker": 3, "latency process": 3, "MLflow server": 1}
"""Who is killed, and how often relative to the others."""

ROLES = {"worker": "nas.execution", "latency process": os.path.join("latency", "worker.py")}
"""What the command line of a child of the driver says."""

LINES, SECONDS = 6, 1.5
"""A kill comes at most so many lines of the log and then so many seconds after the last one."""

ASKED, MORE = 4, 2
"""Evaluated candidates asked for at first, and how many more when they are there too early."""

SETTINGS = (
    f"study.name={NAME}",
    "training.epochs=3",
    "objective.latency_ms=50",
    "space.widths=[12,24]",
    "space.depths=[1,2]",
    "study.sustained_seconds=0",
    "evaluation.seeds=1",
)
EXECUTIONS = (("execution=processes", "execution.workers=2"), ("execution=serial",))
"""Of the searches with even seeds, and of those with odd ones."""

PATIENCE = 900.0
"""Seconds within which anything awaited must have come, on a machine that is shared."""


@dataclass
class Killing:
    """A search that is being killed: its folder, its processes, what happened to it."""

    folder: Path
    rng: random.Random
    port: int
    execution: tuple[str, ...]
    asked: int = ASKED
    driver: subprocess.Popen[bytes] | None = None
    server: subprocess.Popen[bytes] | None = None
    kills: list[tuple[str, str]] = field(default_factory=list)
    """Each victim, and what the log said last before."""

    @property
    def path(self) -> Path:
        return self.folder / "runs" / NAME

    @property
    def environment(self) -> dict[str, str]:
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        own = {MARK: str(self.folder), "TMPDIR": str(self.folder / "tmp")}
        return {**os.environ, **quiet, **own}

    def log(self) -> list[dict[str, Any]]:
        """What the study's log says; nothing before there is a study."""
        file = self.path / "log.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def start(self, words: Sequence[str], *, at: Path) -> subprocess.Popen[bytes]:
        with at.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, *words],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def start_server(self) -> None:
        (self.folder / "tmp").mkdir(exist_ok=True)
        store = f"sqlite:///{self.folder}/mlflow.db"
        files = (self.folder / "artifacts").as_uri()
        words = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        words += ["--workers", "1", "--backend-store-uri", store, "--default-artifact-root", files]
        self.server = self.start(words, at=self.folder / "server.txt")

    def answers(self) -> bool:
        """Whether the server does."""
        with suppress(OSError):
            address = f"http://127.0.0.1:{self.port}/health"
            with urllib.request.urlopen(address, timeout=2) as answer:
                return bool(answer.status == 200)
        return False

    def go_on(self) -> None:
        """Start the search, or resume it; with more candidates where it is at its end."""
        words = ["search", *SETTINGS, *self.execution, f"tracking.uri=http://127.0.0.1:{self.port}"]
        if self.path.exists():
            words = ["resume", NAME]
        words = ["-m", "nas.cli", *words, f"study.trials={self.asked}"]
        self.driver = self.start(words, at=self.folder / "output.txt")

    def ended(self) -> bool:
        """Whether the driver did by itself; whatever but 0 is a fault."""
        assert self.driver is not None
        status = self.driver.poll()
        if status:
            said = (self.folder / "output.txt").read_text(errors="replace")
            raise AssertionError(f"the search ended with {status}:\n{said[-3000:]}")
        return status is not None

    def victim(self, name: str) -> int | None:
        """The pid of one of the victims of that name, None where there is none now."""
        assert self.driver is not None
        if name == "driver":
            return self.driver.pid
        if name == "MLflow server":
            return self.server.pid if self.server else None
        found = []
        with suppress(psutil.Error):
            for child in psutil.Process(self.driver.pid).children(recursive=True):
                with suppress(psutil.Error):  # one that has just ended
                    if ROLES[name] in " ".join(child.cmdline()):
                        found.append(child.pid)
        return self.rng.choice(found) if found else None

    def kill(self) -> None:
        """Wait for a random moment, kill somebody, and have everybody run again.

        Nothing is killed where the driver ends before.
        """
        name = self.rng.choices(list(VICTIMS), list(VICTIMS.values()))[0]
        lines, seconds = self.rng.randint(0, LINES), self.rng.uniform(0, SECONDS)
        seen = len(self.log())
        if not self._wait(lambda: len(self.log()) >= seen + lines):
            return
        # A latency process lives for seconds: the moment is drawn from when there is one.
        for pause in (seconds, 0.0):
            if not self._wait(lambda: self.victim(name) is not None) or not self._pause(pause):
                return
        pid = self.victim(name)
        if pid is None:
            return
        last = self.log()[-1:] or [{"event": "start"}]
        with suppress(ProcessLookupError):
            if name == "MLflow server":
                os.killpg(pid, signal.SIGKILL)
            else:
                os.kill(pid, signal.SIGKILL)
        self.kills.append((name, str(last[0].get("stage", last[0]["event"]))))
        if name == "MLflow server":
            assert self.server is not None
            self.server.wait()
            self._pause(self.rng.uniform(0, 5))
            self.start_server()
        elif name == "driver":
            assert self.driver is not None
            self.driver.wait()
            self.wait_for(lambda: not self.others(), "processes outlive their driver")
            self.go_on()

    def _wait(self, event: Callable[[], bool]) -> bool:
        """Wait for something; False where the driver ends before."""
        self.wait_for(
            lambda: event() or self.ended(), "neither came what was waited for nor the end"
        )
        return not self.ended()

    def _pause(self, seconds: float) -> bool:
        time.sleep(seconds)
        return not self.ended()

    def others(self) -> list[int]:
        """Processes of the search, but for the server's."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                ours = process.environ().get(MARK) == str(self.folder)
                if ours and self.server and os.getpgid(process.pid) != self.server.pid:
                    found.append(process.pid)
        return found

    def run(self, kills: int) -> None:
        """Search, with so many kills, to the end."""
        self.start_server()
        self.wait_for(self.answers, "the MLflow server does not answer")
        self.go_on()
        while len(self.kills) < kills:
            if self.ended():
                self.asked += MORE
                self.go_on()
            self.kill()
        before = self.answers()
        self.wait_for(self.answers, "the MLflow server does not answer")
        if self.ended() and not before:
            # What the mirror could not write any more is written by a resume.
            self.go_on()
        self.wait_for(self.ended, "the search does not end")

    def wait_for(self, event: Callable[[], bool], otherwise: str) -> None:
        """Wait for something; that it does not come is a fault, told with what happened last."""
        deadline = time.monotonic() + PATIENCE
        while not event():
            if time.monotonic() > deadline:
                last = "\n".join(map(str, self.log()[-12:]))
                raise AssertionError(
                    f"{otherwise}, for {PATIENCE:.0f} s; killed: {self.kills}; processes: "
                    f"{self.others()}; the log:\n{last}"
                )
            time.sleep(0.05)

    def close(self) -> None:
        for process in (self.driver, self.server):
            if process is not None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def killing(folder: Path, seed: int) -> Iterator[Killing]:
    """A search in a new folder; its processes end with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, execution = random.Random(f"kills {seed}"), EXECUTIONS[seed % 2]
    with closing(Killing(folder, rng, free_port(), execution)) as found:
        yield found


def records(path: Path) -> tuple[list[TrialRecord], Counter[str]]:
    """The trials of a study, and how many are in each of Optuna's states."""
    with closing(StudyStorage.open(path)) as storage:
        return storage.records(), Counter(trial.state.name for trial in storage.trials)


def faults(search: Killing) -> list[str]:
    """Whatever is not as it is promised after a search that was killed; nothing, it is hoped."""
    trials, states = records(search.path)
    return [
        *lost(search.log(), trials),
        *_study_faults(search, trials, states),
        *mirror_faults(NAME, trials, f"http://127.0.0.1:{search.port}"),
        *_left_behind(search),
    ]


def lost(log: Sequence[dict[str, Any]], trials: Sequence[TrialRecord]) -> list[str]:
    """The results that the log tells of and the study does not have, or has otherwise."""
    found = []
    for line in log:
        if line["event"] != "outcome":
            continue
        outcome = trials[line["trial"]].outcome if line["trial"] < len(trials) else None
        evaluation = outcome.evaluation if outcome else None
        accuracy = evaluation.accuracy if evaluation else None
        if outcome is None or (line["outcome"], line["accuracy"]) != (outcome.kind, accuracy):
            found.append(f"lost: trial {line['trial']}, {line['outcome']}, {line['accuracy']}")
    return found


def _study_faults(
    search: Killing, trials: Sequence[TrialRecord], states: Counter[str]
) -> Iterator[str]:
    kinds = Counter(trial.outcome.kind for trial in trials if trial.outcome)
    if kinds["evaluated"] != search.asked:
        yield f"{kinds['evaluated']} evaluated, {search.asked} asked for"
    if [trial.number for trial in trials] != list(range(len(trials))):
        yield "the numbers of the trials have gaps"
    if states["RUNNING"] or states["WAITING"] or kinds.total() != len(trials):
        yield f"trials without an end: {dict(states)}"
    evaluated = [t for t in trials if t.outcome and t.outcome.kind == "evaluated"]
    networks = Counter(trial.architecture.fingerprint for trial in evaluated)
    if doubled := [network for network, times in networks.items() if times > 1]:
        yield f"evaluated twice: {', '.join(doubled)}"
    for database in (search.path / "study.db", *search.folder.glob("**/*.db")):
        with closing(sqlite3.connect(database)) as connection:
            (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
        if verdict != "ok":
            yield f"{database.name}: {verdict}"


def mirror_faults(study: str, trials: Sequence[TrialRecord], uri: str) -> Iterator[str]:
    """What MLflow does not have, has twice, has with another number or has as running."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments, f"tags.`nas.study` = '{study}'", max_results=1000)
    told = Counter(r.data.tags["nas.trial"] for r in runs if "nas.trial" in r.data.tags)
    if told != Counter(str(trial.number) for trial in trials):
        yield f"runs in MLflow: {dict(told)}, trials: {len(trials)}"
    if left := {run.info.status for run in runs} - {"FINISHED", "FAILED"}:
        yield f"runs in MLflow are {', '.join(left)}"
    by_trial = {run.data.tags.get("nas.trial"): run.data.metrics for run in runs}
    for trial in trials:
        assert trial.outcome is not None  # told by _study_faults
        for name, number in final_metrics(trial.outcome).items():
            mirrored = by_trial.get(str(trial.number), {}).get(name)
            if number is not None and mirrored != number:
                yield f"trial {trial.number}, {name}: {number} in the study, {mirrored} in MLflow"


def _left_behind(search: Killing) -> Iterator[str]:
    """Processes and locks that outlive the search."""
    if others := search.others():
        yield f"processes left: {others}"
    leases = (search.folder / "tmp" / "latency-nas-lease").glob("*")
    for path in (search.path / "driver.lock", *leases):
        with path.open("rb+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield f"{path.name} is still held"


def row(seed: int, kills: int) -> dict[str, Any]:
    """A search killed so many times: what happened, and its faults."""
    began, before = time.monotonic(), os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory(prefix="nas-kills-") as folder,
        killing(Path(folder), seed) as search,
    ):
        search.run(kills)
        trials, _ = records(search.path)
        return {
            "seed": seed,
            "kills": search.kills,
            "asked": search.asked,
            "proposals": len(trials),
            "outcomes": Counter(t.outcome.kind for t in trials if t.outcome),
            "resumed": sum(line["event"] == "resumed" for line in search.log()),
            "faults": faults(search),
            "seconds": round(time.monotonic() - began),
            "load": round(before, 1),
            "machine": machine(),
            "versions": {name: version(name) for name in ("torch", "optuna", "mlflow")},
        }


def page(rows: Sequence[dict[str, Any]]) -> str:
    """All searches as a page."""
    victims = Counter(victim for one in rows for victim, _ in one["kills"])
    phases = Counter((victim, phase) for one in rows for victim, phase in one["kills"])
    names = sorted(
        {phase for _, phase in phases}, key=lambda n: -sum(phases[v, n] for v in VICTIMS)
    )
    missing = sum(fault.startswith("lost") for one in rows for fault in one["faults"])
    found = [f"search {one['seed']}: {fault}" for one in rows for fault in one["faults"]]
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    lines = [
        "# kill -9 at random moments of a real search",
        "",
        "Written by `python benchmarks/kills.py`. Machine: "
        f"{'; '.join(sorted({one['machine'] for one in rows}))}; {system}; "
        + ", ".join(f"{name} {number}" for name, number in rows[-1]["versions"].items())
        + "; shared with other work (load in the table).",
        "",
        f"{victims.total()} kills in {len(rows)} searches on the digits (two workers or one, 3 "
        "epochs, mirrored into an MLflow server).",
        f"**Lost results: {missing}.** Faults of any kind: {len(found)}.",
        *(f"- {one}" for one in found),
        "",
        "Looked at after each search: evaluated candidates are exactly those asked for, no network "
        "twice;",
        "every trial once in Optuna and once in MLflow, with equal numbers; none RUNNING; every "
        "result the log",
        "told of is there; no process left, no lease and no lock held; SQLite's integrity check.",
        "",
        "Who was killed, and what the study's log said last before; drivers that were killed and "
        "not resumed",
        "died while they were starting. Failed trials have their reason in the study: a worker may "
        "be killed",
        "more often in one training than `execution.retries` allows.",
        "",
        "| victim | kills | " + " | ".join(names) + " |",
        "|---" * (2 + len(names)) + "|",
        *(
            f"| {victim} | {victims[victim]} | "
            + " | ".join(str(phases[victim, name] or "") for name in names)
            + " |"
            for victim in VICTIMS
        ),
        "",
        "| search | kills | resumed | asked = evaluated | refused | repeated | failed | faults "
        "| minutes | load |",
        "|---" * 10 + "|",
        *(
            f"| {one['seed']} | {len(one['kills'])} | {one['resumed']} | {one['asked']} | "
            + " | ".join(
                str(one["outcomes"].get(kind, 0)) for kind in ("refused", "repeated", "failed")
            )
            + f" | {len(one['faults'])} | {one['seconds'] / 60:.1f} | {one['load']} |"
            for one in rows
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--seconds", type=float, default=3600, help="begin no search after these")
    words.add_argument("--searches", type=int, default=10)
    words.add_argument("--first", type=int, default=0, help="seed of the first search")
    words.add_argument("--kills", type=int, default=10, help="in each search")
    chosen = words.parse_args()
    began = time.monotonic()
    for seed in range(chosen.first, chosen.first + chosen.searches):
        done = {one["seed"] for one in written()}
        if seed in done or time.monotonic() - began > chosen.seconds:
            continue
        found = row(seed, chosen.kills)
        print(seed, found["seconds"], found["faults"], flush=True)
        with ROWS.open("a") as file:
            file.write(json.dumps(found) + "\n")
        PAGE.write_text(page(written()))


def written() -> list[dict[str, Any]]:
    """The searches done so far, by seed."""
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []
    return sorted(rows, key=lambda one: int(one["seed"]))


if __name__ == "__main__":
    main()
