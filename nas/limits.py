"""Settings -> limits and objective."""

from __future__ import annotations

from functools import partial

from nas.architecture import Architecture
from nas.errors import SettingsError
from nas.latency.decision import EQUAL, Bound
from nas.objective import Limit, Objective, Quantity
from nas.settings import Settings


def limits_of(settings: Settings, named: partial[Architecture]) -> list[Limit]:
    """The limits as named; latency and multiply-adds of the reference where none is.

    `named` resolves the name of a network at the study's input.

    Raises:
        SettingsError: evaluation=table with no limit, or with the name of a network as one.
    """
    wanted = settings.objective
    quantities: tuple[tuple[Quantity, float | None, str | None], ...] = (
        ("latency", wanted.latency_ms, wanted.latency_of),
        ("multiply_adds", wanted.multiply_adds, wanted.multiply_adds_of),
        ("parameters", wanted.parameters, wanted.parameters_of),
    )
    limits = [
        _limit(quantity, bound, network, named, wanted.latency_statistic)
        for quantity, bound, network in quantities
        if bound is not None or network is not None
    ]
    if settings.evaluation.name == "table" and any(limit.network for limit in limits):
        raise SettingsError(
            "objective: with evaluation=table a limit is a number; got the name of a network; "
            "allowed: objective.multiply_adds=40e6, objective.latency_ms=5"
        )
    if limits or wanted.name == "pareto":
        return limits
    if settings.evaluation.name == "table":
        raise SettingsError(
            "objective: with evaluation=table a limit is a number; got none; allowed: "
            "objective.multiply_adds=40e6, objective.latency_ms=5, or objective=pareto"
        )
    return [
        _limit(quantity, None, wanted.reference, named, wanted.latency_statistic)
        for quantity in ("latency", "multiply_adds")
    ]


def _limit(
    quantity: Quantity,
    bound: float | None,
    network: str | None,
    named: partial[Architecture],
    statistic: str,
) -> Limit:
    statistic = statistic if quantity == "latency" else "median"
    if network is None:
        return Limit(quantity, bound, statistic=statistic)
    from nas.costs import count

    architecture = named(network)
    if quantity != "latency":
        bound = float(getattr(count(architecture), quantity))
    return Limit(quantity, bound, network, architecture.fingerprint, statistic)


def bounds_of(objective: Objective) -> tuple[Bound, ...]:
    """The limits on latency, as a measured interval is judged by them."""
    return tuple(
        Bound(ms=limit.bound) if limit.bound is not None else Bound(ratio=EQUAL)
        for limit in objective.limits
        if limit.quantity == "latency"
    )


def objective_of(settings: Settings, limits: list[Limit]) -> Objective:
    """The objective these settings mean under these limits."""
    wanted = settings.objective
    if wanted.name == "constrained":
        return Objective("constrained", limits=tuple(limits))
    if wanted.name == "pareto":
        return Objective("pareto", limits=tuple(limits), quantities=tuple(wanted.quantities))
    exponents = {
        "latency": wanted.latency_exponent,
        "multiply_adds": wanted.multiply_adds_exponent,
    }
    soft = tuple(limit for limit in limits if limit.quantity in exponents)
    return Objective(
        "weighted",
        limits=tuple(limit for limit in limits if limit.quantity not in exponents),
        soft=soft,
        exponents=tuple(exponents[limit.quantity] for limit in soft),
    )
