"""What the winner is compared with: the reference, multiply-adds as the guide, random draws."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from nas.errors import InputError
from nas.outcome import Outcome, TrialRecord
from nas.quantities import percent
from nas.report.chart import Table
from nas.report.story import Story
from nas.report.words import COLUMNS, accuracy_of, name_of, row
from search_spaces import SEARCH_SPACES
from search_spaces.published import published


def baselines(story: Story) -> tuple[Table, list[str]]:
    """The networks beside one another, and what to read off them."""
    rows, says = [], []
    winner = story.winner
    if winner and winner.outcome:
        rows.append(row(name_of(winner), winner.outcome, trial="winner"))
    if story.reference:
        name, outcome = story.reference
        rows.append(row(name, outcome, trial="reference"))
    leanest = _leanest(story)
    if leanest and leanest.outcome:
        rows.append(row(name_of(leanest), leanest.outcome, trial="by multiply-adds"))
        if leanest is winner:
            says.append("Choosing by multiply-adds alone gives the same network.")
    best_random, words = _random(story)
    if best_random and best_random.outcome:
        rows.append(row(name_of(best_random), best_random.outcome, trial="best random"))
    says += [words] if words else []
    says += _misled(story)
    if story.baseline is not None:
        says.append(f"Logistic regression on the same images: test {percent(story.baseline)}.")
    return Table(("network taken", *COLUMNS[1:]), tuple(rows)), says


def _leanest(story: Story) -> TrialRecord | None:
    """The choice of one who does not measure: within the noise of the most accurate, the fewest
    multiply-adds.
    """
    evaluated = [r for r in story.evaluated if r.outcome and r.outcome.costs]
    if not evaluated:
        return None
    best = max(accuracy_of(r.outcome) for r in evaluated)
    near = [r for r in evaluated if accuracy_of(r.outcome) >= best - story.noise(best)]
    return min(near, key=_multiply_adds)


def _multiply_adds(record: TrialRecord) -> int:
    outcome = record.outcome
    return outcome.costs.multiply_adds if outcome and outcome.costs else 0


def random_trials(story: Story) -> list[TrialRecord]:
    """The proposals that no sampler had learned from: those it starts with, networks that were
    given to start from left out.
    """
    sampler = story.settings.sampler
    first = {
        "random": len(story.records),
        "qmc": len(story.records),
        "nsga2": sampler.population,
        "nsga3": sampler.population,
    }.get(sampler.name, sampler.startup_trials)
    given = _given(story)
    return [
        r for r in story.records if r.number < first and r.architecture.fingerprint not in given
    ]


def _given(story: Story) -> set[str]:
    """The fingerprints of the published networks that the study began with."""
    space = SEARCH_SPACES.get(story.space)
    names = story.settings.space.start_from
    if names is None:
        names = list(space.starts) if space else []
    found = set()
    for record in story.records[:1]:
        size, classes = record.architecture.input, record.architecture.classes
        for name in names:
            with suppress(InputError):  # a file or a trial: it is no published network
                found.add(published(name, input=size, classes=classes).fingerprint)
    return found


def _random(story: Story) -> tuple[TrialRecord | None, str]:
    drawn = [r for r in random_trials(story) if r.outcome and r.outcome.kind != "repeated"]
    good = [r for r in drawn if r.outcome and r.outcome.kind == "evaluated" and r.outcome.feasible]
    if not drawn:
        return None, ""
    words = f"Of {len(drawn)} random draws of this study, {len(good)} kept every limit"
    if not good:
        return None, f"{words}."
    mean = sum(accuracy_of(r.outcome) for r in good) / len(good)
    best = max(good, key=lambda r: accuracy_of(r.outcome))
    words += f"; their mean validation accuracy is {percent(mean)}"
    if not (story.winner and story.winner.outcome):
        return best, f"{words}."
    gained = 100 * (accuracy_of(story.winner.outcome) - accuracy_of(best.outcome))
    return best, f"{words}, and the winner is {gained:+.2f} points from the best of them."


def _misled(story: Story) -> list[str]:
    """How often the multiply-adds would have let a network pass that is too slow."""
    names = [name for name in story.bounds if name.startswith("latency")]
    counted = [name for name in story.bounds if not name.startswith("latency")]
    within = [
        r.outcome
        for r in story.measured
        if r.outcome
        and _keeps(r.outcome, counted)
        and all(name in r.outcome.violations for name in names)
    ]
    if not names or not within:
        return []
    slow = sum(not _keeps(outcome, names) for outcome in within)
    limits = "every counted limit" if counted else "the count (there is no counted limit)"
    return [
        f"Of {len(within)} measured candidates within {limits}, {slow} were over the latency "
        "limit" + (": a search by counts alone would have taken them for good." if slow else ".")
    ]


def _keeps(outcome: Outcome, names: Sequence[str]) -> bool:
    return all(outcome.violations.get(name, 0.0) <= 0 for name in names)
