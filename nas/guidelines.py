"""ShuffleNet V2's four guidelines, measured on a target: does each hold here, and by how much?

Reference: Ma et al. 2018, ShuffleNet V2, sec. 2. Rows of one guideline cost nearly, not exactly,
the same multiply-adds (up to 5.5 % apart as printed), so times are compared per multiply-add.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nas.costs import count_module
from nas.guideline_networks import SIZE, Setup, setups
from nas.latency.instrument import Instrument
from nas.latency.levels import DECIDE, Level
from nas.latency.subject import Subject
from nas.latency.target import Target
from nas.outcome import Latency

SENTENCES = {
    "G1": "equal channel width is fastest",
    "G2": "many groups cost time",
    "G3": "fragmentation costs time",
    "G4": "element-wise operations cost time",
}


BESIDE = 0.22
"""How far from the middle of a bar the paper's values are drawn; a bar is 0.8 wide."""


@dataclass(frozen=True)
class Row:
    """One set-up, measured.

    `slowdown` (with `low`, `high`) is the time per multiply-add against the guideline's first row,
    which the guideline calls the good one (for G4, whose good row is the last, against that).
    `gpu_slowdown` and `arm_slowdown` are the same from the speeds and multiply-adds of the paper.

    Units: memory_access in elements, the paper's MAC; latency.ms wall clock.
    """

    guideline: str
    label: str
    channels: int
    multiply_adds: int
    memory_access: int
    latency: Latency
    slowdown: float
    low: float
    high: float
    gpu: float
    arm: float
    gpu_slowdown: float
    arm_slowdown: float
    note: str


@dataclass(frozen=True)
class Finding:
    """One line on a guideline: holds, does not hold, or is open, by the row `label`."""

    guideline: str
    sentence: str
    verdict: str
    label: str
    slowdown: float
    low: float
    high: float


@dataclass(frozen=True)
class GuidelineReport:
    """All rows, with the channels of one column of the paper, and a finding for each guideline."""

    target: str
    column: str
    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def measure_guidelines(
    target: Target,
    *,
    only: Sequence[str] = tuple(SENTENCES),
    column: str = "arm",
    level: Level = DECIDE,
) -> GuidelineReport:
    """Measure the set-ups of the guidelines in one interleaving each.

    `column` is one of the paper's, whose channels they have: "arm" or "gpu".

    Raises:
        MeasurementError: a set-up cannot be measured on the target.
    """
    rows: list[Row] = []
    for guideline in only:
        chosen = [one for one in setups(column) if one.guideline == guideline]
        good = chosen[-1] if guideline == "G4" else chosen[0]
        with Instrument(target, reference=_subject(good), level=level) as instrument:
            found = instrument.measure_many([_subject(one) for one in chosen])
        costs = [count_module(one.build(), _subject(one).input) for one in chosen]
        per_good = costs[chosen.index(good)].multiply_adds
        for setup, latency, cost in zip(chosen, found, costs, strict=True):
            scale = per_good / cost.multiply_adds
            assert cost.memory_access is not None  # a network's costs are counted, not looked up
            rows.append(
                Row(
                    guideline=guideline,
                    label=setup.label,
                    channels=setup.channels,
                    multiply_adds=cost.multiply_adds,
                    memory_access=cost.memory_access,
                    latency=latency,
                    slowdown=latency.ratio * scale,
                    low=latency.ratio_low * scale,
                    high=latency.ratio_high * scale,
                    gpu=setup.gpu,
                    arm=setup.arm,
                    gpu_slowdown=good.gpu / setup.gpu * good.gpu_cost / setup.gpu_cost,
                    arm_slowdown=good.arm / setup.arm * good.arm_cost / setup.arm_cost,
                    note=setup.note,
                )
            )
    findings = tuple(_finding(one, rows, column) for one in only)
    return GuidelineReport(target.key, column, tuple(rows), findings)


def _subject(setup: Setup) -> Subject:
    return Subject(f"{setup.guideline} {setup.label}", (setup.channels, SIZE, SIZE), setup.build)


def _finding(guideline: str, rows: Sequence[Row], column: str) -> Finding:
    """Judged by the row that is furthest from the good one in the paper's column: its slowest."""
    mine = [row for row in rows if row.guideline == guideline]
    worst = min(mine, key=lambda row: row.gpu if column == "gpu" else row.arm)
    verdict = "open"
    if worst.low > 1:
        verdict = "holds"
    elif worst.high < 1:
        verdict = "does not hold"
    return Finding(
        guideline,
        SENTENCES[guideline],
        verdict,
        worst.label,
        worst.slowdown,
        worst.low,
        worst.high,
    )


def figure(report: GuidelineReport) -> bytes:
    """The slowdowns as a PNG, a panel a guideline, with their intervals."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(row.guideline for row in report.rows))
    drawn = Figure(figsize=(3.2 * len(names), 3.6), layout="constrained")
    FigureCanvasAgg(drawn)
    for place, (name, axes) in enumerate(
        zip(names, drawn.subplots(1, len(names), squeeze=False)[0], strict=True)
    ):
        rows = [row for row in report.rows if row.guideline == name]
        at = range(len(rows))
        axes.bar(
            at,
            [row.slowdown for row in rows],
            yerr=[
                [row.slowdown - row.low for row in rows],
                [row.high - row.slowdown for row in rows],
            ],
            color="#99bbdd",
            capsize=3,
            label="here (95 %)",
        )
        # Beside the interval, which they would hide.
        for column, marker, color, aside in (
            ("gpu", "^", "#cc3311", -BESIDE), ("arm", "v", "#004466", BESIDE),
        ):  # fmt: skip
            axes.plot(
                [one + aside for one in at],
                [getattr(row, f"{column}_slowdown") for row in rows],
                marker,
                color=color,
                label=f"paper, {column.upper()}",
            )
        axes.axhline(1.0, color="black", linewidth=0.8)
        axes.set_xticks(list(at), [row.label for row in rows], rotation=30, ha="right")
        axes.tick_params(labelsize=8)
        axes.set_title(f"{name}: {SENTENCES[name]}", fontsize=9)
        if not place:
            axes.set_ylabel("time per multiply-add, good row = 1", fontsize=8)
            entries = axes.get_legend_handles_labels()
    drawn.legend(*entries, loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    file = io.BytesIO()
    drawn.savefig(file, format="png", dpi=120)
    return file.getvalue()
