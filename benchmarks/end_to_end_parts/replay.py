"""Who was best when: the candidates of a run in the order they became known, and certificates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Candidate:
    """A candidate that a side finished; `cpu_seconds` are those the side had used by then.

    `keeps` is what the side itself believed of the limit, `whole` whether it had all epochs.
    `training` and `measuring` are CPU seconds of this candidate alone.
    """

    cpu_seconds: float
    kind: str
    fingerprint: str
    text: str
    keeps: bool
    whole: bool
    latency_ms: float | None
    validation: float | None
    measuring: float
    training: float
    epochs: int
    test: float | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(**value)


def incumbents(candidates: Sequence[Candidate], refuted: Sequence[str]) -> list[Candidate]:
    """Each candidate that was the best when it became known, of those that may win.

    That is the greatest validation accuracy among those trained on all epochs that kept the limit
    as their side measured it, but for those `refuted` by their certificate.
    """
    found: list[Candidate] = []
    for one in sorted(candidates, key=lambda one: one.cpu_seconds):
        if not (one.whole and one.keeps) or one.fingerprint in refuted or one.validation is None:
            continue
        if not found or one.validation > (found[-1].validation or 0.0):
            found.append(one)
    return found


def accuracy_at(curve: Sequence[Candidate], cpu_seconds: float) -> float | None:
    """Test accuracy of who was best at that time; None before there was anybody."""
    known = [one for one in curve if one.cpu_seconds <= cpu_seconds]
    return known[-1].test if known else None


def reached(curve: Sequence[Candidate], level: float) -> float | None:
    """CPU seconds from which on the best had that test accuracy and never less; None: it has not.

    Test accuracy steers nothing and may fall when the best changes: the first time that it was
    there would be luck.
    """
    since = None
    for one in curve:
        assert one.test is not None  # every incumbent is tested
        if one.test < level:
            since = None
        elif since is None:
            since = one.cpu_seconds
    return since
