"""Studies to mirror: real values of nas.outcome, made from seeds instead of by training."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from nas.architecture import Architecture
from nas.events import StudyInfo
from nas.outcome import Certificate, Costs, EpochResult, Evaluation, Latency, Outcome, TrialRecord

NAME = "digits-mixed-001"
BEGAN = 1_790_000_000.0
KINDS = ("evaluated", "refused", "repeated", "failed", "evaluated")


def study_info(**changes: Any) -> StudyInfo:
    info = StudyInfo(
        name=NAME,
        folder=f"runs/{NAME}",
        settings={"study": {"trials": 20}, "tracking": {"uri": "http://ann:pa55@host:5000"}},
        goal="best validation accuracy within the limits",
        limits=("latency no more than that of shufflenet_v2_x0_5", "multiply-adds <= 900,000"),
        target="local/onnxruntime/cpu/1",
        data="digits",
        space="mixed",
        trials=20,
        resumed=False,
        command="nas search study.trials=20",
        identity="identity-of-the-study",
        data_hash="0123456789abcdef",
    )
    return replace(info, **changes)


def architecture(width: int = 48, kind: str = "shuffle_v1") -> Architecture:
    text = f"in1x8x8+stem24-s1+{kind}:{width}-s2-n2+sandglass:96-s2+head0+out10"
    return Architecture.from_text(text)


def latency(ms: float = 0.142, **changes: Any) -> Latency:
    known = Latency(
        ms=ms,
        low=ms * 0.97,
        high=ms * 1.03,
        ratio=ms / 0.15,
        ratio_low=ms / 0.155,
        ratio_high=ms / 0.145,
        statistic="median",
        clock="wall",
        status="RESOLVED",
        target="local/onnxruntime/cpu/1",
        reference="0123456789abcdef",
        reference_ms=0.15,
        rounds=9,
        processes=3,
        seconds=1.5,
    )
    return replace(known, **changes)


def certificate(ms: float = 0.15, verdict: str = "kept") -> Certificate:
    return Certificate(
        name=architecture().fingerprint, latency=latency(ms, processes=5), p50_ms=ms, p95_ms=2 * ms,
        p99_ms=3 * ms, cold_ms=4 * ms, sustained_ms=1.1 * ms, sustained_ratio=1.0,
        verdict=verdict, within=verdict != "broken", sustained_seconds=5.0,
    )  # fmt: skip


def evaluation(accuracy: float = 0.924, epochs: int = 3) -> Evaluation:
    results = tuple(
        EpochResult(n, accuracy * (1 - 0.5 ** (n + 1)), 2 / (n + 1), 0.25) for n in range(epochs)
    )
    return Evaluation(accuracy, 0.2, 0.25 * epochs, 1, results)


def outcome(kind: str = "evaluated", *, accuracy: float = 0.924, ms: float = 0.142) -> Outcome:
    trained = kind == "evaluated"
    return Outcome(
        kind=kind,  # type: ignore[arg-type]
        architecture=architecture(),
        costs=Costs(multiply_adds=412_000, parameters=9_000, memory_access=31_000),
        latency=latency(ms),
        evaluation=evaluation(accuracy) if trained else None,
        violations={"latency_of": -0.1 if trained else 0.4},
        feasible=trained,
        reason="" if trained else f"{kind} for a reason",
        repeats=0 if kind == "repeated" else None,
        seconds={"counting": 0.25, "measuring": 1.5, "training": 0.75 if trained else 0.0},
    )


def record(number: int, result: Outcome | None, **changes: Any) -> TrialRecord:
    known = TrialRecord(
        number=number,
        genes={"kind1": "shuffle_v1", "width1": 48, "expansion2": 6.0},
        architecture=result.architecture if result else architecture(),
        started=BEGAN + 10 * number,
        finished=BEGAN + 10 * number + 5 if result else None,
        outcome=result,
    )
    return replace(known, **changes)


def records(number: int, seed: int = 0) -> list[TrialRecord]:
    rng = random.Random(seed)
    return [
        record(n, outcome(KINDS[n % 5], accuracy=rng.uniform(0.8, 0.99), ms=rng.uniform(0.1, 0.2)))
        for n in range(number)
    ]


def client(runs: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{runs}/mlflow.db")


def mlflow_runs(runs: Path, experiment: str = "digits-mixed") -> list[Run]:
    """All runs that are not deleted, the study's own first, then by trial; none before any."""
    mlflow = client(runs)
    found = mlflow.get_experiment_by_name(experiment)
    if found is None:
        return []
    all_runs = list(mlflow.search_runs([found.experiment_id], max_results=5000))
    return sorted(all_runs, key=lambda run: int(run.data.tags.get("nas.trial", -1)))


def trial_runs(runs: Path) -> dict[int, Run]:
    """The runs of trials by number; raises if a number is there twice."""
    found = [run for run in mlflow_runs(runs) if "nas.trial" in run.data.tags]
    numbers = [int(run.data.tags["nas.trial"]) for run in found]
    assert len(set(numbers)) == len(numbers), f"duplicates: {numbers}"
    return dict(zip(numbers, found, strict=True))


def parent_run(runs: Path) -> Run:
    [parent] = [run for run in mlflow_runs(runs) if "nas.trial" not in run.data.tags]
    return parent
