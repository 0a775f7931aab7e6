"""The README's first command, run for real with several seeds: what it finds and what it takes.

    python benchmarks/first_search.py [SEEDS] > benchmarks/results/first_search.md

Each run is `nas search study.seed=N` in a process and a folder of its own, nothing else running.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import psutil

from nas.architecture import Architecture

PACKAGES = ("torch", "optuna", "mlflow", "hydra-core", "onnxruntime", "onnx", "thop", "numpy")
KINDS = ("evaluated", "refused", "repeated", "failed")


def machine() -> str:
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.split(":")[1].strip() for line in info.splitlines() if "model name" in line]
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores, {memory:.0f} GiB"
    )


def run(seed: int, folder: Path) -> dict[str, object]:
    before = os.getloadavg()[0]
    ended = subprocess.run(
        [sys.executable, "-m", "nas.cli", "search", f"study.seed={seed}", "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        sys.exit(ended.stderr)
    return {"load": before, **json.loads(ended.stdout)}


def row(seed: int, found: dict[str, object]) -> tuple[str, dict[str, float]]:
    winner, reference = found["winners"][0], found["reference"]
    numbers = {}
    for name, finalist in (("winner", winner), ("reference", reference)):
        outcome = finalist["outcome"]
        # As in the final table: the mean of the seeds, not the training that the search chose.
        validation = statistics.mean(one["validation"] for one in finalist["seeds"])
        numbers |= {
            f"{name} validation": 100 * validation,
            f"{name} test": 100 * finalist["test_accuracy"],
            f"{name} ms": outcome["latency"]["ms"],
            f"{name} M": outcome["costs"]["multiply_adds"] / 1e6,
        }
    numbers["ratio"] = winner["outcome"]["latency"]["ratio"]
    numbers["seconds"] = found["seconds"]
    ends = " / ".join(str(found["counts"][kind]) for kind in KINDS)
    line = (
        f"| {seed} | {numbers['winner validation']:.2f} | {numbers['winner test']:.2f} "
        f"| {numbers['winner ms']:.3f} | {numbers['ratio']:.2f} | {numbers['winner M']:.2f} "
        f"| {numbers['reference validation']:.2f} | {numbers['reference test']:.2f} "
        f"| {numbers['reference ms']:.3f} | {numbers['reference M']:.2f} "
        f"| {ends} "
        f"| {numbers['seconds']:.0f} |"
    )
    return line, numbers


def main() -> None:
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
    print("# The first search: `nas search`\n")
    print(f"Machine: {machine()}, {platform.system()} {platform.release()}.")
    print(
        f"Python {platform.python_version()}, " + ", ".join(f"{p} {version(p)}" for p in PACKAGES)
    )
    print(f"\nn = {len(seeds)} seeds of the search, one after the other, nothing else running.")
    print(
        "Accuracies are means of the three trainings of a finalist; latencies are the search's.\n"
    )
    print(
        "| seed | winner: validation % | test % | ms | ratio | M multiply-adds "
        "| reference: validation % | test % | ms | M multiply-adds "
        "| evaluated / refused / repeated / failed | seconds |"
    )
    print("|---" * 12 + "|")
    all_numbers = []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            found = run(seed, Path(folder))
        line, numbers = row(seed, found)
        print(line, flush=True)
        all_numbers.append((numbers, found))
    print()
    for name in ("winner test", "reference test", "ratio", "seconds"):
        values = [numbers[name] for numbers, _ in all_numbers]
        spread = statistics.stdev(values) if len(values) > 1 else float("nan")
        print(f"- {name}: mean {statistics.mean(values):.3g}, sd {spread:.2g}")
    baseline = 100 * all_numbers[0][1]["baseline"]
    print(f"- logistic regression on the same images: test {baseline:.2f} %")
    loads = ", ".join(f"{found['load']:.1f}" for _, found in all_numbers)
    print(f"- load average before each run: {loads}")
    print("\nWinners:\n")
    for seed, (_, found) in zip(seeds, all_numbers, strict=True):
        architecture = Architecture.from_json(found["winners"][0]["outcome"]["architecture"])
        print(f"- seed {seed}: `{architecture.text}`")


if __name__ == "__main__":
    main()
