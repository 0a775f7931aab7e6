"""A candidate in words: for hovering over a point, and for the rows of tables."""

from __future__ import annotations

from contextlib import suppress

from nas.errors import InputError
from nas.outcome import Outcome, TrialRecord
from nas.quantities import amount, interval, percent
from nas.report.story import Story
from nas.tracking.labels import kinds, option_words
from search_spaces.published import PUBLISHED, published

COLUMNS = (
    "trial",
    "network",
    "accuracy, %",
    "latency, ms (95 %)",
    "x reference",
    "multiply-adds",
    "parameters",
    "ended",
)


def accuracy_of(outcome: Outcome | None) -> float:
    """Validation accuracy (0..1) of one that was trained."""
    assert outcome is not None
    assert outcome.evaluation is not None
    return outcome.evaluation.accuracy


def name_of(record: TrialRecord) -> str:
    """`#017 v2.v2.sandglass`."""
    return f"#{record.number:03d} {kinds(record.architecture)}"


def row(name: str, outcome: Outcome, *, trial: str) -> tuple[str, ...]:
    """The cells of COLUMNS."""
    costs, latency = outcome.costs, outcome.latency
    ratio = latency is not None and latency.clock != "table"
    return (
        trial,
        name,
        percent(outcome.evaluation.accuracy).removesuffix(" %") if outcome.evaluation else "-",
        interval(latency),
        f"{latency.ratio:.3f}" if latency and ratio else "-",
        amount(costs.multiply_adds if costs else None),
        amount(costs.parameters if costs else None),
        outcome.kind if outcome.feasible or outcome.kind != "evaluated" else "infeasible",
    )


def published_names(story: Story) -> dict[str, str]:
    """The names of the published networks for this study's images, by fingerprint."""
    found: dict[str, str] = {}
    for record in story.records[:1]:
        size, classes = record.architecture.input, record.architecture.classes
        for name in PUBLISHED:
            with suppress(InputError):  # the images are too small for it
                found[published(name, input=size, classes=classes).fingerprint] = name
    return found


def record_row(record: TrialRecord) -> tuple[str, ...]:
    """The cells of COLUMNS for a trial."""
    assert record.outcome is not None
    return row(kinds(record.architecture), record.outcome, trial=str(record.number))


def reference_rows(story: Story) -> list[tuple[str, ...]]:
    """The reference network as the last row of a table, if there is one."""
    if story.reference is None:
        return []
    name, outcome = story.reference
    return [row(name, outcome, trial="reference")]


def hover(name: str, outcome: Outcome) -> str:
    """Lines for a point that is pointed at: what it is and what it is built of."""
    lines = [name]
    if outcome.evaluation:
        lines.append(f"{percent(outcome.evaluation.accuracy)} validation accuracy")
    if outcome.latency:
        lines.append(f"{interval(outcome.latency)} ms")
    if outcome.costs:
        lines.append(
            f"{amount(outcome.costs.multiply_adds)} multiply-adds, "
            f"{amount(outcome.costs.parameters)} parameters"
        )
    if outcome.reason:
        lines.append(outcome.reason)
    return "\n".join([*lines, *_units(outcome)])


def _units(outcome: Outcome) -> list[str]:
    """The architecture, a line a run of equal units."""
    lines: list[str] = []
    last: tuple[object, ...] = ()
    times = 1
    for unit in outcome.architecture.units:
        kind = "-".join([unit.kind.rpartition(":")[2], *option_words(unit)])
        now = (kind, unit.out_channels, unit.groups, unit.expansion, unit.kernel_size)
        if now == last and unit.stride == 1:
            times += 1
            lines[-1] = lines[-1].partition(" x")[0] + f" x{times}"
            continue
        times, last = 1, now
        groups = f" g{unit.groups}" if unit.groups > 1 else ""
        stride = " /2" if unit.stride == 2 else ""
        lines.append(f"{kind} {unit.out_channels}{groups} k{unit.kernel_size}{stride}")
    return lines
