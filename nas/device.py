"""The device of a study: the instrument on it, what that remembers and what it tells."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from nas.composition import Parts

if TYPE_CHECKING:
    from nas.latency.instrument import Instrument


def instrument_of(
    parts: Parts,
    stack: ExitStack,
    *,
    store: Path | None = None,
    told: Callable[[str], None] = lambda _: None,
) -> Instrument | None:
    """The instrument of this study's target, closed with `stack`; None where nothing is measured.

    What it measures goes into the `store` folder's latency.db, and what is known there is not
    measured again; `told` hears what is to be said about that.

    Raises:
        TargetError: the target cannot be used.
        MeasurementError: the reference cannot be measured, or the store cannot be used.
    """
    if parts.yardstick is None:
        return None
    from nas.latency.instrument import Instrument
    from nas.latency.target import target_of

    return stack.enter_context(
        Instrument(
            target_of(parts.settings.target),
            reference=parts.yardstick,
            statistic=parts.settings.objective.latency_statistic,
            folder=store,
            told=told,
        )
    )
