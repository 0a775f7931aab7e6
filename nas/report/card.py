"""The first thing a reader sees: which network to take, or how far the nearest one is."""

from __future__ import annotations

import math
import shlex
from html import escape

from nas.outcome import Latency, Outcome, TrialRecord
from nas.quantities import amount, interval, percent, times_reference
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
        f"{paragraph(_against(story, winner.outcome))}"
        f'<p class="form">{form}</p>{commands(_commands(story, winner))}</div>'
    )


def _numbers(story: Story, winner: TrialRecord) -> list[tuple[str, str, str]]:
    outcome = winner.outcome
    assert outcome is not None
    found = story.finalist(winner.number)
    accuracy = accuracy_of(outcome)
    noise = story.noise(accuracy)
    spread = f"+- {100 * noise:.2f} on {story.images} images" if noise else "interval not known"
    items = [("validation accuracy", percent(accuracy), spread)]
    if found.get("test_accuracy") is not None:
        items.append(("test accuracy", percent(found["test_accuracy"]), "never steered the search"))
    if outcome.latency:
        items.append(_latency(story, outcome, outcome.latency))
    if outcome.costs:
        more = _within(story, outcome, "multiply_adds")
        items.append(("multiply-adds", amount(outcome.costs.multiply_adds), more))
        more = _within(story, outcome, "parameters")
        items.append(("parameters", amount(outcome.costs.parameters), more))
    return items


def _latency(story: Story, outcome: Outcome, latency: Latency) -> tuple[str, str, str]:
    ms, low, high = (three_digits(v) for v in (latency.ms, latency.low, latency.high))
    words = [f"95 %: {low} to {high} ms"]
    if latency.status != "RESOLVED":
        words.append("wider than aimed at")
    if within := _within(story, outcome, "latency"):
        words.append(within)
    return "latency", f"{ms} ms", "; ".join(words)


def _within(story: Story, outcome: Outcome, quantity: str) -> str:
    """How far below its limit a quantity is."""
    for name in (quantity, f"{quantity}_of"):
        if name in outcome.violations:
            below = 100 * (1 - math.exp(outcome.violations[name]))
            limit = "limit"
            if name == "latency_of":
                objective = story.settings.objective
                limit = f"limit ({objective.latency_of or objective.reference}, measured beside it)"
            return f"{below:.1f} % below the {limit}" if below > 0 else f"at the {limit}"
    return ""


def _against(story: Story, outcome: Outcome) -> str:
    if story.reference is None:
        return ""
    name, reference = story.reference
    words = []
    if reference.evaluation:
        points = 100 * (accuracy_of(outcome) - reference.evaluation.accuracy)
        words.append(f"{points:+.2f} points of validation accuracy")
    times = times_reference(outcome.latency, reference)
    if times is not None:
        words.append(f"{times:.2f} x its latency")
    if outcome.costs and reference.costs:
        share = outcome.costs.multiply_adds / max(1, reference.costs.multiply_adds)
        words.append(f"{share:.2f} x its multiply-adds")
    return f"Against {name}: {', '.join(words)}."


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
