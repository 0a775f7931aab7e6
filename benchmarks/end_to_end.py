"""The whole tool against the script a user would write, on Fashion-MNIST, at equal CPU seconds.

    python benchmarks/end_to_end.py RESULTS.jsonl [--seeds 0 1]   # what is missing of these
    python benchmarks/end_to_end.py RESULTS.jsonl --off           # the tool with a part off
    python benchmarks/end_to_end.py RESULTS.jsonl --loops         # the two training loops
    python benchmarks/end_to_end.py RESULTS.jsonl --luck          # what its images can tell apart
    python benchmarks/end_to_end.py RESULTS.jsonl --page > benchmarks/results/end_to_end.md

Both look for the most accurate network of the mixed space that is no slower than ShuffleNet v2 0.5x
under ONNX Runtime (end_to_end_parts/setting.py; the script: end_to_end_parts/script.py). The two
sides of a seed run at the same time, so that whatever else the machine does hits both alike; each
is one process at one thread, and its processes' CPU seconds are counted from its first line on.
At the budget, or after --seconds of wall clock, both are ended, and the CPU seconds that both have
used are compared. Whoever was best at any time is then certified for both sides by the
project's instrument, in fresh processes of one run; who is over the limit there is no winner, and
the next best of that side takes the place. Test images are looked at after all that.

Each run is a line of RESULTS.jsonl, written when it has ended; what is there is not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from end_to_end_parts.loops import loops
from end_to_end_parts.luck import luck
from end_to_end_parts.page import page
from end_to_end_parts.replay import Candidate, incumbents
from end_to_end_parts.setting import REFERENCE, SEEDS, SETTING, SIDE, SWITCHED_OFF, TOOL, Setting
from end_to_end_parts.sides import SCRIPT_NAME, Side
from end_to_end_parts.tree import run_beside
from fashion_mnist import write
from first_search import machine

import nas
from nas.evaluation.full import test_accuracy
from nas.latency.certify import certify
from nas.latency.decision import EQUAL, Bound
from nas.latency.target import target_of
from nas.outcome import Certificate
from nas.settings import TargetSettings

PACKAGES = ("torch", "optuna", "onnxruntime", "numpy")


def read(path: Path, setting: Setting) -> list[dict[str, Any]]:
    """The lines of this setting; a line that a kill cut is left out."""
    lines = path.read_text().splitlines() if path.exists() else []
    found = [json.loads(line) for line in lines if line.endswith("}")]
    if any(one["setting"] != setting.to_json() for one in found):
        raise SystemExit(f"{path}: is of another setting; allowed: another file")
    return found


def append(path: Path, line: dict[str, Any]) -> None:
    """One write a line: the seeds may run at the same time, each in a process of its own."""
    with path.open("ab", buffering=0) as results:
        results.write(json.dumps(line).encode() + b"\n")


def compared(
    sides: Sequence[Side], setting: Setting, images: Path, seconds: float
) -> list[dict[str, Any]]:
    """Run sides beside each other, certify who was best, test them: a line each.

    What counts are the CPU seconds that all of them used: the budget, or fewer where the wall-clock
    `seconds` came first.
    """
    before = os.getloadavg()[0]
    trees = [side.start() for side in sides]
    run_beside(trees, [side.keep for side in sides], seconds=seconds)
    for side in sides:
        if side.tree.ended_in_budget:
            raise SystemExit((side.folder / "output.txt").read_text()[-2000:])
    after = os.getloadavg()[0]
    budget = min([setting.budget_seconds, *(tree.samples[-1][1] for tree in trees)])
    found = {}
    for side in sides:
        candidates, spent = side.found()
        found[side.name] = [one for one in candidates if one.cpu_seconds <= budget], spent
    known: dict[str, Certificate] = {}
    while missing := wanted([candidates for candidates, _ in found.values()], known):
        known |= certificates(missing)
    lines = []
    for side in sides:
        candidates, spent = found[side.name]
        curve = incumbents(candidates, refuted(known))
        tests = {one.fingerprint: tested(one, side, images) for one in curve}
        lines.append(
            {
                "kind": "run",
                "side": side.name,
                "seed": side.seed,
                "setting": setting.to_json(),
                **circumstances(),
                "load": [before, after],
                "budget_seconds": budget,
                "wall_seconds": side.tree.samples[-1][0] - side.tree.samples[0][0],
                "cpu_seconds": side.tree.samples[-1][1],
                "spent": spent,
                "candidates": [
                    replace(one, test=tests.get(one.fingerprint)).to_json() for one in candidates
                ],
                "certificates": {name: short(one) for name, one in known.items()},
                "refuted": [
                    one.fingerprint
                    for one in candidates
                    if one.keeps and one.fingerprint in refuted(known)
                ],
            }
        )
    return lines


def refuted(known: dict[str, Certificate]) -> list[str]:
    return [name for name, one in known.items() if not one.within]


def wanted(sides: list[list[Candidate]], known: dict[str, Certificate]) -> list[str]:
    """Networks in text form that were best at a time and have no certificate yet."""
    curves = [incumbents(candidates, refuted(known)) for candidates in sides]
    texts = {one.fingerprint: one.text for curve in curves for one in curve}
    return [text for name, text in texts.items() if name not in known]


def certificates(texts: list[str]) -> dict[str, Certificate]:
    networks = [nas.Architecture.from_text(text) for text in texts]
    reference = nas.published(REFERENCE, input=networks[0].input, classes=networks[0].classes)
    found = certify(
        target_of(TargetSettings()),
        networks,
        reference=reference,
        bounds=[Bound(ratio=EQUAL)],
        sustained_seconds=0.0,
    )
    return {one.name: one for one in found}


def short(one: Certificate) -> dict[str, Any]:
    latency = one.latency
    return {
        "ratio": latency.ratio,
        "low": latency.ratio_low,
        "high": latency.ratio_high,
        "ms": latency.ms,
        "verdict": one.verdict,
        "within": one.within,
    }


def tested(one: Candidate, side: Side, images: Path) -> float:
    architecture = nas.Architecture.from_text(one.text)
    return test_accuracy(
        architecture, side.weights(one.fingerprint), data=side.setting.data(images)
    )


def circumstances() -> dict[str, Any]:
    return {
        "machine": machine(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "date": time.strftime("%Y-%m-%d"),
    }


def missing_runs(
    lines: list[dict[str, Any]], seeds: list[int], off: bool
) -> list[tuple[int, list[str]]]:
    """Seeds with the sides that run at the same time; which one starts first changes."""
    done = {(one["side"], one["seed"]) for one in lines if one["kind"] == "run"}
    names = list(SWITCHED_OFF) if off else [SCRIPT_NAME, "tool"]
    every = [(seed, names[:: -1 if seed % 2 else 1]) for seed in seeds]
    return [(seed, some) for seed, some in every if (some[0], seed) not in done]


def run(
    path: Path, *, seconds: float, seeds: list[int], off: bool, setting: Setting = SETTING
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder) / "fashion.npz"
        write(images, setting.images, SIDE)
        for seed, names in missing_runs(read(path, setting), seeds, off):
            sides = [
                Side(
                    name, setting, images, Path(folder) / f"{seed}-{place}", seed,
                    {"tool": TOOL, **SWITCHED_OFF}.get(name, ()),
                )
                for place, name in enumerate(names)
            ]  # fmt: skip
            for line in compared(sides, setting, images, seconds):
                append(path, line)
                print(line["side"], seed, len(line["candidates"]), line["spent"], flush=True)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("results", type=Path)
    words.add_argument("--seconds", type=float, default=7200, help="wall clock of a run at most")
    words.add_argument("--seeds", type=int, nargs="*", default=list(range(SEEDS)))
    words.add_argument("--off", action="store_true")
    words.add_argument("--loops", action="store_true")
    words.add_argument("--luck", action="store_true")
    words.add_argument("--page", action="store_true")
    words.add_argument("--budget", type=float, help="CPU seconds, of a trial")
    given = words.parse_args()
    setting = replace(SETTING, budget_seconds=given.budget) if given.budget else SETTING
    torch.set_num_threads(1)
    if given.page:
        print(page(read(given.results, setting), setting))
    elif given.loops or given.luck:
        lines = read(given.results, setting)
        kind, part = ("loops", loops) if given.loops else ("luck", luck)
        append(given.results, {"kind": kind, "setting": setting.to_json(), **part(lines, setting)})
    else:
        run(given.results, seconds=given.seconds, seeds=given.seeds, off=given.off, setting=setting)


if __name__ == "__main__":
    main()
