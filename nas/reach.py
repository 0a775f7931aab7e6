"""Whether any network of the space can keep the limits: told before a search starts."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from nas.architecture import Architecture
from nas.composition import Parts
from nas.device import instrument_of
from nas.errors import SettingsError
from nas.latency.decision import verdict
from nas.limits import bounds_of
from nas.objective import Limit
from nas.outcome import Costs, Latency
from nas.space import Gene, Genes, SearchSpace

DRAWS = 8
MEASURED = 3


@dataclass(frozen=True)
class _Probe:
    """A small network of the space and what it costs."""

    genes: Genes
    architecture: Architecture
    costs: Costs


def check_reach(parts: Parts) -> None:
    """Raise if the limits are under what the smallest networks of the space need.

    Those are the smallest option of every gene, with each kind of unit, some draws, and the way
    down from the smallest of them, one gene after the other. Counts come first; a latency limit is
    out of reach if the whole interval of every one measured is over it.

    Raises:
        SettingsError: a limit is out of reach, by how much.
    """
    if parts.table is not None or not parts.objective.limits or _starts_within(parts):
        return
    probes = _small(parts.space, parts.settings.study.seed)
    for limit in parts.objective.limits:
        if limit.quantity != "latency":
            _check_count(parts, limit, probes)
    if any(limit.quantity == "latency" for limit in parts.objective.limits):
        _check_latency(parts, probes)


def _starts_within(parts: Parts) -> bool:
    """Whether a network the study begins with keeps every limit by definition."""
    starts = {parts.space.decode(genes).fingerprint for genes in parts.start}
    return all(limit.fingerprint in starts for limit in parts.objective.limits)


def _small(space: SearchSpace, seed: int) -> list[_Probe]:
    rng = random.Random(seed)
    words = sorted({o for gene in space.genes for o in gene.options if isinstance(o, str)})
    corners = [
        {gene.name: _corner(gene, word, most_groups) for gene in space.genes}
        for word in words or [""]
        for most_groups in (False, True)
    ]
    return [_probe(space, one) for one in [*corners, *(space.sample(rng) for _ in range(DRAWS))]]


def _corner(gene: Gene, word: str, most_groups: bool) -> int | float | str:
    """The smallest option; of groups the largest costs least."""
    if word in gene.options:
        return word
    numbers = [option for option in gene.options if not isinstance(option, str)]
    if not numbers:
        return gene.options[0]
    return max(numbers) if most_groups and gene.name.endswith("groups") else min(numbers)


def _probe(space: SearchSpace, genes: Genes) -> _Probe:
    from nas.costs import count

    architecture = space.decode(genes)
    return _Probe(genes, architecture, count(architecture))


def _downward(
    space: SearchSpace, probe: _Probe, cost: Callable[[_Probe], float], enough: float
) -> _Probe:
    """The way down from a network, each gene set to its cheapest option in turn."""
    for gene in space.genes:
        for option in gene.options:
            other = _probe(space, {**probe.genes, gene.name: option})
            probe = min(probe, other, key=cost)
            if cost(probe) <= enough:
                return probe
    return probe


def _check_count(parts: Parts, limit: Limit, probes: list[_Probe]) -> None:
    def over(probe: _Probe) -> float:
        found = limit.violation(probe.architecture.fingerprint, probe.costs, None)
        assert found is not None  # it is counted
        return found

    least = min(probes, key=over)
    if over(least) > 0:
        least = _downward(parts.space, least, over, 0.0)
    if over(least) > 0:
        needs = f"{getattr(least.costs, limit.quantity):,}"
        raise _out_of_reach(parts, limit, needs, over(least))


def _check_latency(parts: Parts, probes: list[_Probe]) -> None:
    bounds = bounds_of(parts.objective)
    limit = next(one for one in parts.objective.limits if one.quantity == "latency")
    light = sorted(probes, key=lambda probe: probe.costs.multiply_adds)[:MEASURED]
    found: list[Latency] = []
    with ExitStack() as stack:
        instrument = instrument_of(parts, stack)
        assert instrument is not None  # there is a limit on latency and no table
        for probe in (*light, None):
            if probe is None:
                probe = _downward(parts.space, light[0], lambda p: p.costs.multiply_adds, 0.0)
            found.append(instrument.measure(probe.architecture))
            if verdict(found[-1], *bounds) != "broken":
                return
    nearest = min(found, key=lambda latency: latency.ratio)
    violation = limit.violation("", None, nearest)
    assert violation is not None  # it is measured
    needs = f"{nearest.ms:.3g} ms ({nearest.low:.3g} to {nearest.high:.3g})"
    raise _out_of_reach(parts, limit, needs, violation)


def _out_of_reach(parts: Parts, limit: Limit, needs: str, violation: float) -> SettingsError:
    setting = limit.name.removesuffix("_of")
    setting = f"objective.{'latency_ms' if setting == 'latency' else setting}"
    return SettingsError(
        f"{setting}: must not be under what the smallest networks of the space {parts.space.name} "
        f"need; got {limit.sentence}, and the nearest needs {needs}, {math.exp(violation):.3g} "
        "times the limit; allowed: a looser limit, smaller space.widths and space.depths, or "
        "smaller images"
    )
