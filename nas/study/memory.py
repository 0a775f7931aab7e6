"""What a study knows of networks it has seen: a repeat is answered, never examined again."""

from __future__ import annotations

from dataclasses import replace

from nas.outcome import Outcome, TrialRecord


class Memory:
    """Outcomes by fingerprint; `reference` answers for the reference network."""

    def __init__(self, reference: Outcome | None = None) -> None:
        self._reference = reference
        self._known: dict[str, tuple[int, Outcome]] = {}

    def remember(self, trial: TrialRecord) -> None:
        """Keep a finished trial, if it is the first of its network."""
        assert trial.outcome is not None  # a finished trial was written before it was told
        self._known.setdefault(trial.architecture.fingerprint, (trial.number, trial.outcome))

    def answer(self, trial: TrialRecord) -> Outcome | None:
        """The outcome of a proposal whose network was proposed before or is the reference."""
        fingerprint = trial.architecture.fingerprint
        if fingerprint in self._known:
            number, known = self._known[fingerprint]
            return replace(
                known,
                kind="repeated",
                repeats=known.repeats if known.repeats is not None else number,
                reason=f"the network of trial {number}, which was {known.kind}",
                seconds={},
                certificate=None,
            )
        reference = self._reference
        if reference is not None and reference.architecture.fingerprint == fingerprint:
            return _as_candidate(reference)
        return None

    def failed(self, outcome: Outcome) -> bool:
        """Whether a trial with this outcome failed, or repeats one that did."""
        if outcome.kind != "repeated":
            return outcome.kind == "failed"
        _, known = self._known[outcome.architecture.fingerprint]
        return known.kind == "failed"


def _as_candidate(reference: Outcome) -> Outcome:
    kind = "evaluated" if reference.feasible else "refused"
    return replace(
        reference,
        kind=kind,  # type: ignore[arg-type]
        evaluation=reference.evaluation if reference.feasible else None,
        reason="" if reference.feasible else "the reference itself breaks a limit",
        seconds={},
        certificate=None,
    )
