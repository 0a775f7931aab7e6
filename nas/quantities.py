"""Numbers as people read them: with their unit and the digits that their size allows."""

from __future__ import annotations

import math

from nas.outcome import Latency, Outcome

NORMAL_95 = 1.959964
"""Standard deviations on either side of the mean that hold 95 % of a normal distribution."""


def percent(share: float | None) -> str:
    """A share of images."""
    return "-" if share is None else f"{100 * share:.2f} %"


def share_interval(share: float, number: int) -> tuple[float, float]:
    """The 95 % interval of a share that was found on so many images.

    Reference:
        Wilson 1927, JASA 22: also near 0 and 1, where share +- 2 standard errors leaves 0..1.
    """
    square = NORMAL_95**2 / number
    middle = (share + square / 2) / (1 + square)
    half = math.sqrt(share * (1 - share) * square + square**2 / 4) / (1 + square)
    return middle - half, middle + half


def milliseconds(latency: Latency | None) -> str:
    """A latency with the digits that its size allows."""
    return "-" if latency is None else f"{latency.ms:.{decimals(latency.ms)}f} ms"


def times_reference(latency: Latency | None, reference: Outcome | None) -> float | None:
    """A latency as a multiple of the reference network's.

    What was measured is the ratio to the network that a limit names, where one does. None without
    both latencies, and for those of a table, which were not measured side by side.
    """
    if latency is None or reference is None or reference.latency is None:
        return None
    if "table" in (latency.clock, reference.latency.clock):
        return None
    if latency.reference == reference.architecture.fingerprint:
        return latency.ratio
    return latency.ms / reference.latency.ms


def interval(latency: Latency | None) -> str:
    """A latency with its interval; a star behind one that is not resolved."""
    if latency is None:
        return "-"
    digits = decimals(latency.ms)
    star = "" if latency.status == "RESOLVED" else " *"
    return f"{latency.ms:.{digits}f} ({latency.low:.{digits}f}-{latency.high:.{digits}f}){star}"


def unsettled(latency: Latency | None) -> str:
    """Why no measuring settles whether a limit is kept; nothing where measuring might."""
    if latency is None or not latency.conditions.get("beyond_measuring"):
        return ""
    return (
        "milliseconds of two invocations differ by up to "
        f"{100 * latency.conditions['invocations_differ']:.1f} % here, which measuring longer does "
        "not narrow; a limit against a network (objective.latency_of) is free of that"
    )


def decimals(value: float) -> int:
    """So many decimals that three digits are shown."""
    rounded = float(f"{value:.3g}")
    return max(0, 2 - math.floor(math.log10(rounded))) if rounded > 0 else 0


def amount(number: float | None) -> str:
    """A count with three digits and its unit."""
    if number is None:
        return "-"
    for bound, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= bound * 0.9995:
            value = number / bound
            return f"{value:.{decimals(value)}f} {unit}"
    return f"{number:.0f}"


def span(seconds: float) -> str:
    """A time in the two units that matter."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
