"""The reference network of a study: counted, measured and trained once, by one of its drivers."""

from __future__ import annotations

import time
from collections.abc import Callable

from nas.composition import Parts
from nas.device import Tell
from nas.errors import StudyError
from nas.execution import POLL_SECONDS, StoppedError
from nas.outcome import Outcome
from nas.study.candidates import Examiner
from nas.study.drivers import REFERENCE
from nas.study.storage import StudyStorage

KEY = "nas.reference"


def examined_reference(
    parts: Parts, storage: StudyStorage, examiner: Examiner, tell: Tell, stop: Callable[[], bool]
) -> Outcome | None:
    """What is known of the reference network, found out if it is not; None where there is none.

    Raises:
        StudyError: it cannot be measured or trained.
        StoppedError: the study is to stop.
    """
    if parts.reference is None:
        return None
    while not storage.take(REFERENCE):
        if stop():
            raise StoppedError("reference: given up because the study is to stop")
        time.sleep(POLL_SECONDS)
    try:
        written = storage.get(KEY)
        outcome = Outcome.from_json(written) if written else _examined(parts, examiner, tell)
        if not written:
            storage.set(KEY, outcome.to_json())
    finally:
        storage.leave(REFERENCE)
    tell(lambda one: one.reference_known(parts.settings.objective.reference, outcome))
    return outcome


def _examined(parts: Parts, examiner: Examiner, tell: Tell) -> Outcome:
    assert parts.reference is not None  # asked above
    outcome = examiner.examine(
        parts.reference,
        {},
        enter=lambda stage: tell(lambda one: one.stage(None, stage)),
        report=lambda result, of: tell(lambda one: one.epoch(None, result, of)),
        refuse=False,
    )
    if outcome.kind == "failed":
        raise StudyError(
            f"the reference network {parts.settings.objective.reference}: must be measured and "
            f"trained before candidates; got {outcome.reason}; allowed: another "
            "objective.reference, or mend the cause"
        )
    return outcome
