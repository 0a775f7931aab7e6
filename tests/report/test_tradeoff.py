from __future__ import annotations

import math
import re
from itertools import combinations
from pathlib import Path

from reported import study

from nas.report.story import read_story
from nas.report.tradeoff import latency_multiply_adds


def sign(value: float) -> int:
    return (value > 0) - (value < 0)


def kendall(xs: list[float], ys: list[float]) -> float:
    """Tau-b by its definition: agreeing less disagreeing pairs, of those without a tie."""
    pairs = list(combinations(zip(xs, ys, strict=True), 2))
    signs = [(sign(a[0] - b[0]), sign(a[1] - b[1])) for a, b in pairs]
    untied = [sum(one[n] != 0 for one in signs) for n in (0, 1)]
    return sum(x * y for x, y in signs) / math.sqrt(untied[0] * untied[1])


def ranks(values: list[float]) -> list[float]:
    """Ranks from 1 on; equal values share the mean of theirs."""
    less = [sum(other < value for other in values) for value in values]
    same = [sum(other == value for other in values) for value in values]
    return [one + (many + 1) / 2 for one, many in zip(less, same, strict=True)]


def pearson(xs: list[float], ys: list[float]) -> float:
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    across = sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True))
    return across / math.sqrt(sum((a - x) ** 2 for a in xs) * sum((b - y) ** 2 for b in ys))


def test_both_rank_correlations_are_those_of_their_definitions(tmp_path: Path) -> None:
    story = read_story(study(tmp_path / "one", proposals=25))
    outcomes = [r.outcome for r in story.measured if r.outcome]
    counts = [float(o.costs.multiply_adds) for o in outcomes if o.costs]
    times = [o.latency.ms for o in outcomes if o.latency]
    assert len(counts) == len(times) > 10
    said = latency_multiply_adds(story).says
    found = re.search(r"Spearman's rank correlation is ([-\d.]+) and Kendall's ([-\d.]+):", said)
    assert found is not None
    assert found[1] == f"{pearson(ranks(counts), ranks(times)):.2f}"
    assert found[2] == f"{kendall(counts, times):.2f}"
