"""The end of a search in words and numbers: the winners, the reference, and what was certified."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nas.outcome import Latency, as_certified
from nas.quantities import decimals, unsettled
from nas.result import Finalist, SearchResult
from nas.tables import (
    accuracy_of,
    amount,
    forms,
    interval,
    percent,
    table,
    times_reference,
)


def search_table(result: SearchResult) -> RenderableType:
    """The best networks beside the reference, and how to read them."""
    latency = f"{_statistic(result)}latency, ms (95 %)"
    found = table("network", "valid. %", "test %", latency, "FLOPs", "params")
    found.padding = (0, 1, 0, 0)
    for finalist in result.winners:
        found.add_row(*_cells(finalist))
    if result.reference:
        found.add_section()
        found.add_row(*_cells(result.reference), style="dim")
    if result.by_costs:
        found.add_section()
        for finalist in result.by_costs:
            found.add_row(*_cells(finalist), style="dim")
    networks = [f for f in (*result.winners, result.reference) if f is not None]
    parts: list[RenderableType] = [found, Text()]
    if any(one.certificate for one in networks):
        parts += [certified_table(networks), Text()]
    if result.baseline is not None:
        parts.append(
            Text(f"logistic regression on the same images: test {percent(result.baseline)}")
        )
    parts += [Text(line) for line in _reading(result)]
    parts += [Text(), forms([(f.name, f.outcome.architecture.text) for f in networks])]
    return Group(*parts)


def _cells(finalist: Finalist) -> list[str]:
    outcome = finalist.outcome
    return [
        finalist.shown,
        percent(_validation(finalist)).removesuffix(" %"),
        percent(finalist.test_accuracy).removesuffix(" %"),
        interval(outcome.latency),
        amount(outcome.costs.multiply_adds if outcome.costs else None),
        amount(outcome.costs.parameters if outcome.costs else None),
    ]


def _validation(finalist: Finalist) -> float | None:
    """The mean of the seeds, as of the test images: the search's own training was chosen for its
    luck."""
    return finalist.validation if finalist.seeds else accuracy_of(finalist.outcome)


def _statistic(result: SearchResult) -> str:
    """What kind of latency the table shows, where it is not the median."""
    known = [f.outcome.latency for f in (*result.winners, result.reference) if f is not None]
    return "p95 " if any(one and one.statistic == "p95" for one in known) else ""


def certified_table(networks: list[Finalist]) -> Table:
    """Latencies in milliseconds, of the search and of fresh processes, side by side."""
    heads = ("latency, ms", "search", "certified", "p50", "p95", "p99", "cold", "load")
    made = table(*heads)
    made.padding = (0, 1, 0, 0)
    for one in networks:
        searched, certificate = one.outcome.latency, one.certificate
        cells = [one.name, _short(searched.ms) if searched else "-"]
        if certificate is None:
            made.add_row(*cells, *["-"] * (len(heads) - len(cells)))
            continue
        mark = " ?" if certificate.verdict == "unresolved" else ""
        numbers = (
            certificate.p50_ms, certificate.p95_ms, certificate.p99_ms,
            certificate.cold_ms, certificate.sustained_ms,
        )  # fmt: skip
        made.add_row(*cells, _give_or_take(certificate.latency) + mark, *map(_short, numbers))
    return made


def _short(ms: float) -> str:
    return f"{ms:.{decimals(ms)}f}"


def _give_or_take(latency: Latency) -> str:
    """A latency with half the width of its interval."""
    half = 100 * ((latency.high / latency.low) ** 0.5 - 1)
    return f"{_short(latency.ms)} ±{half:.1f}%"


def _reading_certified(result: SearchResult) -> list[str]:
    """How to read what was certified, and who did not pass."""
    networks = [f for f in (*result.winners, result.reference) if f is not None]
    known = [one.certificate for one in networks if one.certificate]
    lines = []
    if known:
        first = known[0]
        lines.append(
            f"certified: {first.latency.processes} fresh processes; p50-p99: wall clock of single "
            "calls, disturbed ones too; cold: first call of a process; load: at the end of "
            f"{first.sustained_seconds:g} s of all of them in turn"
        )
    if any(one.verdict == "unresolved" for one in known):
        why = next(filter(None, (unsettled(one.latency) for one in known)), "")
        said = "? the value keeps its limit, the end of its interval does not"
        lines.append(f"{said}: {why}" if why else said)
    lines += [
        f"{one.name} under load takes {_short(one.certificate.sustained_ms)} ms, over its limit"
        for one in result.winners
        if one.certificate and not one.certificate.sustained_within
    ]
    lines += [
        f"{one.name} is no winner: certified at {interval(one.certificate.latency)} ms, over its "
        "limit"
        for one in result.broken
        if one.certificate
    ]
    return lines


def _reading(result: SearchResult) -> list[str]:
    """The sentences under the table."""
    lines = []
    if not result.winners:
        lines.append(
            "no evaluated network keeps the limits: give the search more trials, or relax a limit "
            "(nas search --dry-run tells how far the nearest network is)"
        )
    elif result.reference:
        lines.append(against(result.winners[0], result.reference))
    lines += [*judged(result), *_begun(result)]
    if result.noise and result.winners:
        lines.append(
            f"validation accuracy is known to +-{100 * result.noise:.1f} points; within that the "
            "faster network comes first"
        )
    lines += _reading_certified(result)
    latencies = [f.outcome.latency for f in result.winners]
    if any(latency and latency.status != "RESOLVED" for latency in latencies):
        lines.append("* not resolved: the ratio is less sure than the instrument aims at")
    lines.append("FLOPs are multiply-adds, as in the papers")
    return lines


def judged(result: SearchResult) -> list[str]:
    """What seeds, classes and test images say of the winner."""
    lines = []
    winner, reference = (result.winners or (None,))[0], result.reference
    spread = [
        f"{one.name} {100 * one.test_accuracy:.2f} +- {100 * one.test_deviation:.2f} %"
        for one in (*result.winners, *([reference] if reference else []))
        if one.test_accuracy is not None and one.test_deviation is not None
    ]
    if spread and winner:
        lines.append(f"test, mean and deviation of {len(winner.seeds)} seeds: {', '.join(spread)}")
    if winner and reference and (known := result.difference):
        words = "a tie" if known.tie else "more" if known.mean > 0 else "less"
        lines.append(
            f"on the same test images {winner.name} has {100 * known.mean:+.2f} points against "
            f"{reference.name} (95 %: {100 * known.low:+.2f} to {100 * known.high:+.2f}): {words}"
            + (_faster(winner, reference) if known.tie else "")
        )
    if winner and winner.classes:
        weakest = min(winner.classes, key=lambda one: one.recall)
        lines.append(
            f"weakest class of {winner.name}: {weakest.name}, recall {percent(weakest.recall)}"
        )
    if result.by_costs:
        lines.append("most FLOPs, slowest: what choosing by costs alone among the same would give")
    if result.metric != "accuracy":
        lines.append(f"valid. and test are {result.metric.replace('_', ' ')}")
    return [*lines, *result.warnings]


def _begun(result: SearchResult) -> list[str]:
    """What each network took from the weights that it was given."""
    known = [
        (one.name, one.outcome.evaluation.conditions)
        for one in (*result.winners, result.reference)
        if one and one.outcome.evaluation and "init" in one.outcome.evaluation.conditions
    ]
    taken = [f"{name} {', '.join(found['loaded']) or 'nothing'}" for name, found in known]
    return [f"taken from {known[0][1]['init']}: {'; '.join(taken)}"] if known else []


def _faster(winner: Finalist, reference: Finalist) -> str:
    """Who goes first in a tie."""
    times = times_reference(winner.outcome.latency, reference.outcome)
    if times is None:
        return ""
    return f", and {winner.name if times <= 1 else reference.name} is the faster one"


def against(winner: Finalist, reference: Finalist) -> str:
    """A network beside the reference network, in one sentence."""
    words = []
    best, other = winner.outcome, reference.outcome
    if best.certificate and other.certificate:
        best, other = as_certified(best), as_certified(other)
    own, compared = _validation(winner), _validation(reference)
    if own is not None and compared is not None:
        words.append(f"{100 * (own - compared):+.2f} points of validation accuracy")
    times = times_reference(best.latency, other)
    if times is not None:
        words.append(f"{times:.2f} x its latency")
    if best.costs and other.costs:
        ratio = best.costs.multiply_adds / max(1, other.costs.multiply_adds)
        words.append(f"{ratio:.2f} x its multiply-adds")
    return f"{winner.name} against {reference.name}: {', '.join(words)}"
