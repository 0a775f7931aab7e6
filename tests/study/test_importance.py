from __future__ import annotations

from tracked_studies import outcome, record

from nas.outcome import TrialRecord
from nas.study.importance import LEAST_TRIALS, importance

GENES = {"decides": (1, 2, 3), "idle": ("a", "b")}


def trials(number: int, *, kind: str = "evaluated") -> list[TrialRecord]:
    """Accuracy follows the one gene, whatever the other is."""
    return [
        record(
            n,
            outcome(kind, accuracy=0.5 + 0.1 * (1 + n % 3)),
            genes={"decides": 1 + n % 3, "idle": "ab"[n // 3 % 2]},
        )
        for n in range(number)
    ]


def test_the_gene_that_decides_has_nearly_all_of_the_importance() -> None:
    found = importance(trials(24), GENES)
    assert found.keys() == GENES.keys()
    assert abs(sum(found.values()) - 1) < 1e-9
    assert found["decides"] > 0.9


def test_refused_candidates_count_for_nothing() -> None:
    evaluated = trials(24)
    refused = [
        TrialRecord(24 + r.number, r.genes, r.architecture, r.started, r.finished, r.outcome)
        for r in trials(24, kind="refused")
    ]
    assert importance([*evaluated, *refused], GENES) == importance(evaluated, GENES)


def test_too_few_or_equal_candidates_tell_nothing() -> None:
    assert importance(trials(LEAST_TRIALS - 1), GENES) == {}
    equal = [
        record(n, outcome(accuracy=0.9), genes={"decides": 1 + n % 3, "idle": "a"})
        for n in range(20)
    ]
    assert importance(equal, GENES) == {}
