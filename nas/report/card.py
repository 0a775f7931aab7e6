"""The first thing a reader sees: which network to take, or how far the nearest one is."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from html import escape
from statistics import fmean
from typing import Any

from nas.outcome import Certificate, Latency, Outcome, TrialRecord, as_certified
from nas.quantities import (
    amount,
    interval,
    percent,
    share_interval,
    times_reference,
    unsettled,
)
from nas.report.markup import commands, numbers, paragraph
from nas.report.story import Story
from nas.report.words import accuracy_of, name_of
from nas.tracking.labels import three_digits
from nas.tracking.state import nearest_of


def card(story: Story) -> str:
    """The winner with its numbers and commands; without one, which limit to relax."""
    winner = story.winner
    if winner is None or winner.outcome is None:
        return f'<div class="card none">{_none(story)}</div>'
    name = escape(name_of(winner))
    form = escape(winner.architecture.text)
    title = "Take this network" if story.state == "finished" else "The best so far"
    return (
        f'<div class="card"><h3>{title}: {name}</h3>{numbers(_numbers(story, winner))}'
        f"{paragraph(_against(story, winner))}"
        f'<p class="form">{form}</p>{commands(_commands(story, winner))}</div>'
    )


def _numbers(story: Story, winner: TrialRecord) -> list[tuple[str, str, str]]:
    outcome = winner.outcome
    assert outcome is not None
    found = story.finalist(winner.number)
    items = [_validation(story, outcome, found)]
    if found.get("test_accuracy") is not None:
        items.append(_test(story, found))
    if outcome.certificate:
        items.append(_certified(story, outcome.certificate))
    if outcome.latency:
        what = "latency in the search" if outcome.certificate else "latency"
        items.append(_latency(story, outcome, outcome.latency, what=what))
    if outcome.costs:
        more = _within(story, outcome, "multiply_adds")
        items.append(("multiply-adds", amount(outcome.costs.multiply_adds), more))
        more = _within(story, outcome, "parameters")
        items.append(("parameters", amount(outcome.costs.parameters), more))
    return items


def _metric(story: Story, images: str) -> str:
    """What candidates are compared by, in words."""
    return f"{images} {story.settings.objective.metric.replace('_', ' ')}"


def _validation(story: Story, outcome: Outcome, found: Mapping[str, Any]) -> tuple[str, str, str]:
    assert outcome.evaluation is not None  # a winner was trained
    seeds = _validated(found)
    value = fmean(seeds) if seeds else outcome.evaluation.value
    words = [_seeds(seeds), _likely(story, value, story.images) or "interval not known"]
    return _metric(story, "validation"), percent(value), "; ".join(words)


def _validated(found: Mapping[str, Any]) -> list[float]:
    """What a finalist's seeds reached on the validation images."""
    return [float(one["validation"]) for one in found.get("seeds", ())]


def _test(story: Story, found: Mapping[str, Any]) -> tuple[str, str, str]:
    value = float(found["test_accuracy"])
    seeds = [float(one["test"]) for one in found.get("seeds", ())]
    images = sum(sum(row) for row in found.get("confusion", ()))
    words = [_seeds(seeds), _likely(story, value, images), "never steered the search"]
    return _metric(story, "test"), percent(value), "; ".join(word for word in words if word)


def _seeds(values: Sequence[float]) -> str:
    """The trainings behind a number."""
    if len(values) < 2:
        return "one seed"
    each = ", ".join(f"{100 * value:.2f}" for value in values)
    return f"mean of {len(values)} seeds ({each})"


def _likely(story: Story, share: float, images: int) -> str:
    """The interval that the number of images leaves; only shares of images have this one."""
    if not images or story.settings.objective.metric not in ("accuracy", "top5"):
        return ""
    low, high = share_interval(share, images)
    return f"95 %: {100 * low:.1f} to {100 * high:.1f} on {images} images"


def _certified(story: Story, certificate: Certificate) -> tuple[str, str, str]:
    """What fresh processes found at the end, against the limit."""
    latency = certificate.latency
    words = [f"{_span(latency)} in {latency.processes} fresh processes"]
    name = next((name for name in ("latency", "latency_of") if name in story.bounds), None)
    if name is not None:
        high = latency.high if name == "latency" else latency.ratio_high
        words.append(_below(story, name, math.log(high / story.bounds[name])))
    if certificate.verdict == "unresolved":
        words.append("the value keeps the limit, the end of its interval does not")
        words.append(unsettled(latency))
    p95, load = three_digits(certificate.p95_ms), three_digits(certificate.sustained_ms)
    over = "" if certificate.sustained_within else ", over its limit"
    words.append(f"95 of 100 calls within {p95} ms; under load {load} ms{over}")
    return "certified latency", f"{three_digits(latency.ms)} ms", "; ".join(filter(None, words))


def _span(latency: Latency) -> str:
    return f"95 %: {three_digits(latency.low)} to {three_digits(latency.high)} ms"


def _latency(
    story: Story, outcome: Outcome, latency: Latency, *, what: str
) -> tuple[str, str, str]:
    words = [_span(latency)]
    if latency.status != "RESOLVED":
        words.append("wider than aimed at")
    if within := _within(story, outcome, "latency"):
        words.append(within)
    return what, f"{three_digits(latency.ms)} ms", "; ".join(words)


def _within(story: Story, outcome: Outcome, quantity: str) -> str:
    """How far below its limit a quantity is."""
    for name in (quantity, f"{quantity}_of"):
        if name in outcome.violations:
            return _below(story, name, outcome.violations[name])
    return ""


def _below(story: Story, name: str, violation: float) -> str:
    """How far below a limit a violation, ln(value / limit), is."""
    limit = "limit"
    if name == "latency_of":
        objective = story.settings.objective
        limit = f"limit ({objective.latency_of or objective.reference}, measured beside it)"
    share = 100 * (1 - math.exp(violation))
    if violation > 0:
        return f"up to {-share:.1f} % above the {limit}"
    return f"{share:.1f} % below the {limit}" if share > 0 else f"at the {limit}"


def _against(story: Story, winner: TrialRecord) -> str:
    outcome = winner.outcome
    if story.reference is None or outcome is None:
        return ""
    name, reference = story.reference
    words = []
    if reference.evaluation:
        first, second = (_validated(story.finalist(n)) for n in (winner.number, None))
        if len(first) != len(second) or not first:
            # A mean of three against a single lucky training would not be fair.
            first, second = [accuracy_of(outcome)], [reference.evaluation.accuracy]
        points = 100 * (fmean(first) - fmean(second))
        words.append(f"{points:+.2f} points of {_metric(story, 'validation')}")
    if outcome.certificate and reference.certificate:
        outcome, reference = as_certified(outcome), as_certified(reference)
    times = times_reference(outcome.latency, reference)
    if times is not None:
        words.append(f"{times:.2f} x its latency")
    if outcome.costs and reference.costs:
        share = outcome.costs.multiply_adds / max(1, reference.costs.multiply_adds)
        words.append(f"{share:.2f} x its multiply-adds")
    return f"Against {name}: {', '.join(words)}.{_difference(story)}"


def _difference(story: Story) -> str:
    """What the test images say of winner and reference, seeds and all."""
    if story.difference is None:
        return ""
    mean, low, high = (100 * story.difference[key] for key in ("mean", "low", "high"))
    word = "a tie" if low <= 0 <= high else "more" if mean > 0 else "less"
    return (
        f" On the same test images: {mean:+.2f} points (95 %: {low:+.2f} to {high:+.2f}), {word}."
    )


def _commands(story: Story, winner: TrialRecord) -> list[tuple[str, str]]:
    where = [] if str(story.folder.parent) == "runs" else [f"study.folder={story.folder.parent}"]
    network = f"{story.name}:{winner.number}"
    found = [(["nas", "networks", network, *where], "its layers")]
    if winner.outcome and winner.outcome.latency and story.reference:
        found.append((["nas", "latency", network, story.reference[0], *where], "measure it again"))
    if story.reference:  # a candidate of a table has no weights
        found.append((["nas", "train", network, *where], "train it to the end"))
        found.append((["nas", "export", network, "--to", "DIR", *where], "files to deploy"))
    return [(shlex.join(words), purpose) for words, purpose in found]


def _none(story: Story) -> str:
    """Without a feasible candidate: how far the nearest was, and what would let it in."""
    parts = ["<h3>No candidate keeps every limit</h3>"]
    nearest = nearest_of(_furthest(story))
    if nearest is None or nearest.outcome is None:
        failed = sum(r.outcome is not None and r.outcome.kind == "failed" for r in story.records)
        words = "No candidate got as far as a limit."
        if failed and failed == len(story.records):
            words = f"All {failed} candidates failed; the reasons are below."
        elif not story.records:
            words = "Nothing was proposed yet."
        return "".join([*parts, paragraph(words)])
    outcome = nearest.outcome
    name, violation = max(outcome.violations.items(), key=lambda item: item[1])
    words = name.removesuffix("_of").replace("_", "-")
    share = 100 * (math.exp(violation) - 1)
    parts.append(
        paragraph(
            f"The nearest, trial {nearest.number}, is {share:.1f} % above the limit on {words}. "
            f"{_relax(name, outcome)} Or allow smaller networks (space.widths, space.depths), or "
            "search longer."
        )
    )
    parts.append(f'<p class="form">{escape(nearest.architecture.text)}</p>')
    return "".join(parts)


def _furthest(story: Story) -> list[TrialRecord]:
    """The candidates of which the most limits are known: what is refused for its multiply-adds may
    be far from its latency limit, too.
    """
    known = [(len(r.outcome.violations), r) for r in story.records if r.outcome]
    most = max((number for number, _ in known), default=0)
    return [record for number, record in known if number == most]


def _relax(name: str, outcome: Outcome) -> str:
    quantity = name.removesuffix("_of")
    if quantity == "latency" and outcome.latency:
        key, value = "objective.latency_ms", f"{outcome.latency.high:.3g}"
        return f"It would be let in by {key}={value} (it takes {interval(outcome.latency)} ms)."
    if outcome.costs:
        return f"It would be let in by objective.{quantity}={getattr(outcome.costs, quantity)}."
    return ""
