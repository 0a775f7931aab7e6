"""Short words for lists: a trial's name that reads like a row of a table."""

from __future__ import annotations

from nas.architecture import Architecture, UnitSpec
from nas.outcome import Outcome, TrialRecord


def run_name(record: TrialRecord) -> str:
    """A trial in one line: number, kinds of its stages, accuracy, latency, multiply-adds.

    `#017 v2.v2.sandglass 92.4% 3.81ms 41M`
    """
    words = [f"#{record.number:03d}", kinds(record.architecture)]
    outcome = record.outcome
    if outcome:
        words += _ending(outcome)
        if outcome.evaluation:
            words.append(f"{outcome.evaluation.accuracy:.1%}")
        if outcome.latency:
            words.append(f"{three_digits(outcome.latency.ms)}ms")
        if outcome.costs:
            words.append(magnitude(outcome.costs.multiply_adds))
    return " ".join(words)


def _ending(outcome: Outcome) -> list[str]:
    if outcome.kind == "repeated":
        return [f"repeats #{outcome.repeats:03d}"] if outcome.repeats is not None else ["repeated"]
    if outcome.kind != "evaluated":
        return [outcome.kind]
    return [] if outcome.feasible else ["infeasible"]


def kinds(architecture: Architecture) -> str:
    """The kind of each stage; a stage begins where the stride or the width changes.

    >>> from nas.architecture import Architecture
    >>> text = "in3x32x32+stem8-s1+shuffle_v1:48-s2-n2+sandglass:96-s2+head0+out10"
    >>> kinds(Architecture.from_text(text))
    'v1.sandglass'
    >>> kinds(Architecture.from_text(text.replace("s2-n2", "s2-se.16-n2")))
    'v1-se16.sandglass'
    """
    words, channels = [], None
    for unit in architecture.units:
        kind = unit.kind.rpartition(":")[2].removeprefix("shuffle_")
        word = "-".join([kind, *option_words(unit)])
        if unit.stride == 2 or unit.out_channels != channels or not words or words[-1] != word:
            words.append(word)
        channels = unit.out_channels
    return ".".join(words)


def option_words(unit: UnitSpec) -> list[str]:
    """The options of a unit that are not at their default: `se`, `no_shuffle`, `se16`, `paper`."""
    words = []
    for name, value in unit.options:
        if isinstance(value, bool):
            words.append(name if value else f"no_{name}")
        else:
            words.append(value if isinstance(value, str) else f"{name}{value}")
    return words


def three_digits(value: float) -> str:
    """A number with three significant digits and no exponent.

    >>> three_digits(3.8149), three_digits(0.014239), three_digits(1234.5)
    ('3.81', '0.0142', '1234')
    """
    if abs(value) >= 99.95:
        return f"{value:.0f}"
    return f"{value:#.3g}" if abs(value) >= 1e-4 else f"{value:.6f}"


def magnitude(number: float) -> str:
    """A count in thousands, millions or billions, with two digits at least.

    >>> magnitude(41_300_000), magnitude(4_130_000), magnitude(950_400), magnitude(7)
    ('41M', '4.1M', '950k', '7')
    """
    for bound, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= bound * 0.9995:
            value = number / bound
            return f"{value:.1f}{unit}" if abs(value) < 9.95 else f"{value:.0f}{unit}"
    return f"{number:.0f}"
