"""The end of a study, before anybody is called a winner: the best are certified.

Fresh processes, percentiles, cold and under lasting load, once per study and network. What does not
keep its limit there is no winner; the next best is certified in its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.architecture import Architecture
from nas.composition import Parts
from nas.device import Device, Tell, second_of
from nas.errors import NasError
from nas.execution import StoppedError
from nas.limits import bounds_of
from nas.outcome import Certificate
from nas.study.best import KEPT, Trials, best_of, contenders, noise_among
from nas.study.storage import StudyStorage

if TYPE_CHECKING:
    from nas.latency.instrument import Instrument

SHOWN = 3
MOST = 12
"""As many networks of a front are certified, and as many others before a study is left without
three winners: each takes some seconds."""

SUSTAINED_HERE, SUSTAINED_ELSEWHERE = 5.0, 60.0
"""Seconds of load by all certified networks in turn. A board or phone without a fan needs a minute
to get hot; here it would be a fifth of the default search."""


def winners_of(parts: Parts, storage: StudyStorage) -> tuple[Trials, float]:
    """The best trials that may be called winners, and the noise of the best accuracy."""
    trials = contenders(storage.records())
    noise = noise_among(trials, parts.facts.validation_images)
    best = best_of(parts.objective, trials, noise=noise)
    return (best if parts.objective.name == "pareto" else best[:SHOWN]), noise


def certify_best(
    parts: Parts, storage: StudyStorage, device: Device, tell: Tell
) -> tuple[str, ...]:
    """Certify winners and reference until every winner keeps its limits; what went wrong.

    Raises:
        StoppedError: the study is to stop; what was certified so far stays.
    """
    if device.instrument is None:
        return ()
    try:
        while missing := _missing(parts, storage):
            _certify(parts, storage, device, missing, tell)
    except StoppedError:
        raise
    except NasError as error:
        return (f"the winners could not be certified: {error}",)
    _note_best(parts, storage)
    return ()


def _missing(parts: Parts, storage: StudyStorage) -> dict[str, Architecture]:
    """Who is to be certified next, by the name it is shown under; nobody once all are."""
    known = storage.certificates()
    best, _ = winners_of(parts, storage)
    if not best:
        return {}
    wanted = {f"trial {number}": outcome.architecture for number, outcome in best[:MOST]}
    if parts.reference is not None:
        wanted[parts.settings.objective.reference] = parts.reference
    missing = {name: one for name, one in wanted.items() if one.fingerprint not in known}
    return missing if len(known) < 2 * MOST else {}


def _certify(
    parts: Parts,
    storage: StudyStorage,
    device: Device,
    networks: dict[str, Architecture],
    tell: Tell,
) -> None:
    from nas.latency.certify import certify

    instrument = device.instrument
    assert instrument is not None  # asked above
    assert parts.yardstick is not None  # it was made with one
    tell(lambda one: one.stage(None, "measuring"))  # the mirror writes nothing meanwhile
    tell(lambda one: one.note(f"certifying {', '.join(networks)} in fresh processes"))
    second = second_of(parts)
    found = certify(
        instrument.target,
        [*networks.values(), *([second[1]] if second else [])],
        reference=parts.yardstick,
        bounds=bounds_of(parts.objective),
        statistic=instrument.statistic,
        sustained_seconds=_sustained(parts),
        memory=instrument.memory,
        patience=device.patience,
    )
    certificates = {one.name: one for one in found}
    if second is not None:
        _tell_regime(second[0], certificates[second[1].fingerprint], instrument, tell)
    storage.certify(certificates)
    for name, network in networks.items():
        _tell_one(tell, name, certificates[network.fingerprint])


def _tell_regime(name: str, certificate: Certificate, instrument: Instrument, tell: Tell) -> None:
    """Whether a network of another kind stands to the reference as it did in the search."""
    before, now = instrument.regime.first, certificate.latency
    if before is None:
        return
    parted = now.ratio_low > before.high or now.ratio_high < before.low
    found = "the device was in another regime then" if parted else "the regime is the same"
    tell(
        lambda one: one.note(
            f"regime check: {name}, of another kind, takes {now.ratio:.3f} of the reference; in "
            f"the search: {before.ratio:.3f}; {found}"
        )
    )


def _tell_one(tell: Tell, name: str, certificate: Certificate) -> None:
    tell(lambda one: one.certified(name, certificate))


def _sustained(parts: Parts) -> float:
    asked = parts.settings.study.sustained_seconds
    if asked is not None:
        return asked
    return SUSTAINED_HERE if parts.settings.target.where == "local" else SUSTAINED_ELSEWHERE


def _note_best(parts: Parts, storage: StudyStorage) -> None:
    """Those who may win, for whoever names the study's winner later."""
    trials = contenders(storage.records())
    noise = noise_among(trials, parts.facts.validation_images)
    best = best_of(parts.objective, trials, noise=noise)
    storage.set("nas.best", [number for number, _ in best[:KEPT]])
