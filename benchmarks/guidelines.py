"""ShuffleNet V2's guidelines on this machine, as `nas guidelines` measures them.

    python benchmarks/guidelines.py [--section RUNTIME...] [--invocations N] [--trial N]

Writes benchmarks/results/guidelines.md, .json and .png (ONNX Runtime's last invocation). `--trial
N` takes N of the guidelines and writes nothing. Nothing else should compute.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from latency_parts.conditions import fresh
from latency_parts.page import bodies
from latency_parts.record import RESULTS, read
from latency_parts.sections import Raw, run_sections

from nas.commands.guidelines import sentence
from nas.guidelines import (
    SENTENCES,
    Finding,
    GuidelineReport,
    Row,
    figure,
    measure_guidelines,
)
from nas.latency.target import target_of
from nas.outcome import Latency
from nas.settings import TargetSettings

RUNTIMES = ("onnxruntime", "eager")
KEPT = ("quiet_share", "preempted_share", "gated", "precision")
"""Of the conditions of a number; the others fill pages."""


def guidelines(runtime: str, number: int | None = None) -> Iterator[dict[str, Any]]:
    while True:
        yield fresh(_guidelines, runtime, number)


def _guidelines(runtime: str, number: int | None) -> dict[str, Any]:
    target = target_of(TargetSettings(runtime=runtime))
    found = measure_guidelines(target, only=[*SENTENCES][:number]).to_json()
    for row in found["rows"]:
        conditions = row["latency"]["conditions"]
        row["latency"]["conditions"] = {name: conditions[name] for name in KEPT}
    return found


def report(found: dict[str, Any]) -> GuidelineReport:
    """The way back from JSON."""
    rows = tuple(Row(**{**row, "latency": Latency(**row["latency"])}) for row in found["rows"])
    findings = tuple(Finding(**one) for one in found["findings"])
    return GuidelineReport(found["target"], found["column"], rows, findings)


def page(raw: Raw) -> str:
    lines = [
        "# ShuffleNet V2's four guidelines on this machine",
        "",
        "Written by `python benchmarks/guidelines.py`. Every set-up in five processes, the rows of "
        "a guideline in one interleaving; `slower` is time per multiply-add against the row that "
        "the guideline calls good, with the 95 % interval for another invocation: of the "
        "invocation in the middle, and the range over all. GPU and ARM: the same from the speeds "
        "the paper prints. Memory: elements read and written. Raw values: `guidelines.json`.",
        "",
    ]
    sections = {name: partial(_section, name) for name in RUNTIMES}
    return "\n".join([*lines, *bodies("guidelines", raw, sections)])


def _without_seen(run: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in run.items() if name != "seen"}


def _section(name: str, raw: Raw) -> Iterator[str]:
    reports = [report(_without_seen(run)) for run in raw[name]]
    last = reports[-1]
    yield f"{len(reports)} invocations of {len(last.rows)} set-ups, {last.target}, channels of the "
    yield f"paper's {last.column.upper()} column."
    yield ""
    yield "| set-up | FLOPs | memory | ms | slower here (95 %) | over invocations | GPU | ARM |"
    yield "|---|---|---|---|---|---|---|---|"
    for rows in zip(*(one.rows for one in reports), strict=True):
        row = _middle(rows)
        ends = min(one.slowdown for one in rows), max(one.slowdown for one in rows)
        yield (
            f"| {row.guideline} {row.label} | {row.multiply_adds / 1e6:.1f} M | "
            f"{row.memory_access / 1e6:.2f} M | {row.latency.ms:.3g} | {row.slowdown:.2f} "
            f"({row.low:.2f}-{row.high:.2f}) | {ends[0]:.2f}-{ends[1]:.2f} | "
            f"{row.gpu_slowdown:.2f} | {row.arm_slowdown:.2f} |"
        )
    yield ""
    for findings in zip(*(one.findings for one in reports), strict=True):
        same = sum(one.verdict == findings[-1].verdict for one in findings)
        yield f"- {sentence(_middle(findings))}; the same verdict in {same} of {len(findings)}."


def _middle(values: Any) -> Any:
    """The one of the invocation in the middle by its slowdown."""
    return sorted(values, key=lambda one: one.slowdown)[len(values) // 2]


RUN: dict[str, Callable[..., Iterator[dict[str, Any]]]] = {
    name: partial(guidelines, name) for name in RUNTIMES
}

if __name__ == "__main__":
    run_sections(__doc__ or "", "guidelines", RUN, page, often=lambda section: 3)
    raw = read("guidelines")
    if raw.get(RUNTIMES[0]) and "--trial" not in sys.argv:
        made = report(_without_seen(raw[RUNTIMES[0]][-1]))
        (RESULTS / "guidelines.png").write_bytes(figure(made))
