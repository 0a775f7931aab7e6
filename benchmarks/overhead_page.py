"""The page of overhead.py: all that was found so far, as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Row = dict[str, Any]


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table of Markdown."""
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows), ""]


def page(
    rows: Sequence[Row], *, studies: Iterable[str], marks: Sequence[int], window: int, draws: int
) -> str:
    """All that was found as a page; the newest row tells machine and versions."""
    last = rows[-1]
    return "\n".join(
        [
            "# Overhead of a trial",
            "",
            "Written by `python benchmarks/overhead.py`; n = 1 study each, MLflow on. Machine: "
            f"{last['machine']}; {last['versions']}; shared with other work (load).",
            "",
            *_growth(rows, list(studies), marks, window),
            *_draws(rows, list(studies), marks[1:], draws),
            *_sleepers([one for one in rows if one["section"] == "sleepers"]),
        ]
    )


def _growth(
    rows: Sequence[Row], studies: Sequence[str], marks: Sequence[int], window: int
) -> list[str]:
    at = {(one["of"], one["mark"]): one for one in rows if one["section"] == "growth"}

    def trial(name: str, mark: int) -> str:
        one = at.get((name, mark))
        if one is None:
            return "-"
        begun = f" (process from {one['process_from']})" if one["process_from"] else ""
        return f"{one['cpu_ms']:.0f} ({one['wall_ms']:.0f}), {one['mib']} MiB{begun}, {one['load']}"

    return [
        "## A trial, as a study grows",
        "",
        f"CPU milliseconds a trial, mean of the {window} behind each mark (10: of 10); in "
        "brackets wall milliseconds;",
        "then the memory of the process, which at a higher mark may be that of a resume; then "
        "the load at the start.",
        "",
        *table(
            ["study", *(f"at {mark}" for mark in marks)],
            ([name, *(trial(name, mark) for mark in marks)] for name in studies),
        ),
    ]


def _draws(
    rows: Sequence[Row], studies: Sequence[str], marks: Sequence[int], draws: int
) -> list[str]:
    at = {(one["of"], one["mark"]): one["cpu_ms"] for one in rows if one["section"] == "draws"}

    def drawn(name: str) -> list[str]:
        found = [at.get((name, mark)) for mark in marks]
        ratio = f"{found[-1] / found[0]:.1f}" if found[0] and found[-1] else "-"
        return [name, *("-" if one is None else f"{one:.1f}" for one in found), ratio]

    return [
        "## A proposal drawn on so many trials",
        "",
        f"CPU milliseconds, mean of {draws}, random trials of NAS-Bench-Macro's space.",
        "",
        *table(
            ["sampler", *map(str, marks), f"{marks[-1]} / {marks[0]}"],
            (drawn(name) for name in studies if (name, marks[0]) in at),
        ),
    ]


def _sleepers(rows: Sequence[Row]) -> list[str]:
    return [
        "## Evaluations that sleep",
        "",
        "Four processes: 1 s for each evaluation; threads: 4 s, proposals at random. Busy: the "
        "share of their time",
        "that workers work, from when all have begun to the last beginning.",
        "",
        *table(
            ["workers", "evaluations", "busy", "evaluations/s", "CPU ms an evaluation", "load"],
            (
                [
                    f"{one['workers']} {one['of']}",
                    str(one["evaluations"]),
                    f"{100 * one['share']:.1f} %",
                    str(one.get("rate", "-")),
                    str(one.get("cpu_ms", "-")),
                    str(one["load"]),
                ]
                for one in rows
            ),
        ),
    ]
