"""What mattered: importance of the genes, and which block won in which stage."""

from __future__ import annotations

import re

from nas.outcome import TrialRecord
from nas.report.chart import Axis, Chart, Role, Series, Table
from nas.report.story import Story
from nas.report.words import accuracy_of
from nas.study.importance import BEST_SHARE

MOST = 15
_KIND = re.compile(r"(.*?)_?kind(\d*)")


def gene_importance(story: Story) -> Chart:
    """The importance of each gene over the evaluated candidates."""
    ranked = sorted(story.importance.items(), key=lambda item: -item[1])
    shown = [(name, share) for name, share in ranked if share > 0][:MOST]
    evaluated = len(story.evaluated)
    says = (
        f"PED-ANOVA (Watanabe et al. 2023, by Optuna) over {evaluated} evaluated candidates: what "
        "tells the best quarter from the others. With few candidates, read the first few only."
        if shown
        else f"{evaluated} evaluated candidates: too few to tell what mattered."
    )
    return Chart(
        key="importance",
        title="What mattered",
        says=says,
        alt="Importance of genes: " + "; ".join(f"{n} {100 * s:.0f} %" for n, s in shown[:5]) + ".",
        x=Axis("share of the importance", "percent"),
        y=Axis("", "words"),
        series=(
            Series(
                "importance",
                "candidate",
                "sideways",
                [share for _, share in reversed(shown)],
                [name for name, _ in reversed(shown)],
                words=[f"{n}\n{100 * s:.1f} %" for n, s in reversed(shown)],
            ),
        )
        if shown
        else (),
        table=Table(("gene", "importance, %"), tuple((n, f"{100 * s:.1f}") for n, s in ranked)),
    )


def blocks_by_stage(story: Story) -> Chart:
    """Which kind of block the best quarter has in each stage, beside all evaluated ones."""
    stages = _stages(story)
    best = sorted(story.evaluated, key=lambda r: -accuracy_of(r.outcome))
    best = best[: max(1, round(BEST_SHARE * len(best)))]
    rows, winners = [], []
    kinds = sorted({k for options in stages.values() for k in options})
    shares: dict[str, list[float]] = {kind: [] for kind in kinds}
    for stage, options in stages.items():
        gene = _gene(story, stage)
        for kind in kinds:
            everywhere = _with(story.evaluated, gene, kind)
            among = _with(best, gene, kind)
            shares[kind].append(len(among) / max(1, len(best)))
            if kind in options:
                rows.append(_row(stage, kind, everywhere, among))
        winners.append((stage, max(options, key=lambda k: len(_with(best, gene, k)))))
    roles: tuple[Role, ...] = ("candidate", "second", "third", "front", "winner", "reference")
    series = tuple(
        Series(kind, roles[n % len(roles)], "bars", list(stages), shares[kind])
        for n, kind in enumerate(kinds)
    )
    drawn = bool(stages) and len(story.evaluated) > 0
    says = f"Of the {len(best)} most accurate candidates (a quarter), by block type."
    return Chart(
        key="blocks",
        title="Which block won in which stage",
        says=says
        if drawn
        else "No gene of this space chooses a block type, or none was evaluated.",
        alt="Most frequent block among the best quarter: "
        + "; ".join(f"{stage} {kind}" for stage, kind in winners if drawn)
        + ".",
        x=Axis("", "words"),
        y=Axis("share of the best quarter", "percent"),
        series=series if drawn else (),
        table=Table(
            ("stage", "block", "evaluated", "in the best quarter", "mean accuracy, %"),
            tuple(rows) if drawn else (),
        ),
        stacked=True,
    )


def _stages(story: Story) -> dict[str, tuple[str, ...]]:
    """The stages whose block type is a gene, with its options."""
    found = {}
    for name, options in story.genes.items():
        match = _KIND.fullmatch(name)
        if match and len(options) > 1:
            found[(match[1] + match[2]) or name] = tuple(map(str, options))
    return found


def _gene(story: Story, stage: str) -> str:
    for name in story.genes:
        match = _KIND.fullmatch(name)
        if match and ((match[1] + match[2]) or name) == stage:
            return name
    raise AssertionError(stage)


def _with(records: list[TrialRecord], gene: str, kind: str) -> list[TrialRecord]:
    return [r for r in records if str(r.genes.get(gene)) == kind]


def _row(
    stage: str, kind: str, everywhere: list[TrialRecord], among: list[TrialRecord]
) -> tuple[str, ...]:
    accuracies = [accuracy_of(r.outcome) for r in everywhere]
    mean = f"{100 * sum(accuracies) / len(accuracies):.2f}" if accuracies else "-"
    return stage, kind, str(len(everywhere)), str(len(among)), mean
