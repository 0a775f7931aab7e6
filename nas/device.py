"""The device of a study: the instrument on it, what that remembers and what it tells."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from nas.architecture import Architecture
from nas.composition import Parts
from nas.errors import InputError
from nas.events import Listener, Waiting
from nas.execution import StoppedError
from nas.names import resolve
from nas.study.storage import StudyStorage

if TYPE_CHECKING:
    from nas.latency.instrument import Instrument
    from nas.latency.seat import Patience

Tell = Callable[[Callable[[Listener], None]], None]
Stop = Callable[[], bool]

SECONDS = ("mobilenext_x0_35", "shufflenet_v2_x0_5", "shufflenet_v1_g3_x0_5")
"""Who may be the second reference: a small network of each family, the first that fits."""

WAITING = "nas.waiting"
"""The study's attribute that says since when its device is gone; nothing while it answers."""


def instrument_of(
    parts: Parts,
    stack: ExitStack,
    *,
    store: Path | None = None,
    told: Callable[[str], None] = lambda _: None,
    patience: Patience | None = None,
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
    from nas.latency.target import machine_in, target_of

    second = second_of(parts)
    return stack.enter_context(
        Instrument(
            target_of(parts.settings.target, machine=machine_in(parts.target)),
            reference=parts.yardstick,
            second=second[1] if second else None,
            statistic=parts.settings.objective.latency_statistic,
            folder=store,
            patience=patience,
            told=told,
        )
    )


def second_of(parts: Parts) -> tuple[str, Architecture] | None:
    """A small published network without any unit of the yardstick's kinds, and its name."""
    assert parts.yardstick is not None  # asked of studies that measure
    kinds = {unit.kind for unit in parts.yardstick.units}
    for name in SECONDS:
        # The images may be too small for a network.
        with suppress(InputError):
            network = resolve(name, input=parts.space.input, classes=parts.space.classes)
            if kinds.isdisjoint(unit.kind for unit in network.units):
                return name, network
    return None


class Device:
    """The device of a running study; its instrument is None where nothing is measured.

    While it is gone the study and everyone who listens are told, and `meanwhile` is called several
    times a second. `waited` adds up the seconds of that, for they are nobody's work.
    """

    def __init__(
        self, parts: Parts, storage: StudyStorage, stack: ExitStack, tell: Tell, stop: Stop
    ) -> None:
        from nas.latency.seat import Patience

        self.waited = 0.0
        self.meanwhile: Callable[[], None] = lambda: None
        self._storage, self._tell, self._stop = storage, tell, stop
        if storage.get(WAITING):  # of a process that was killed while it waited
            storage.set(WAITING, None)
        self.patience = Patience(
            self._lost,
            self._back,
            self._check,
            lambda: self.meanwhile(),
            parts.settings.target.retry_seconds,
        )
        self.instrument = instrument_of(
            parts,
            stack,
            store=Path(parts.settings.study.folder),
            told=lambda message: tell(lambda one: one.note(message)),
            patience=self.patience,
        )

    def _lost(self, waiting: Waiting) -> None:
        self._storage.set(WAITING, asdict(waiting))
        self._tell(lambda one: one.device_lost(waiting))

    def _back(self, waiting: Waiting) -> None:
        self.waited += time.time() - waiting.since
        self._storage.set(WAITING, None)
        self._tell(lambda one: one.device_back(waiting))

    def _check(self) -> None:
        if self._stop():
            raise StoppedError("measuring: given up because the study is to stop")
