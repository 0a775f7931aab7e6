"""Studies on disk to report on: the real loop and storage over the tiny space, by formula."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from tiny import Tiny, formula, run, size
from tracked_studies import latency, study_info

from nas.architecture import Architecture
from nas.errors import TrainingError
from nas.events import StudyInfo
from nas.objective import Limit, Objective
from nas.outcome import Costs, Evaluation, Outcome
from nas.settings import Settings
from nas.settings.compose import compose
from nas.settings.stored import write
from nas.study.candidates import Examiner
from nas.study.log import EventLog
from nas.study.storage import StudyStorage

TARGET = "local/onnxruntime/cpu/1"
IMAGES = 400
LIMIT_MS = 0.2


def milliseconds(architecture: Architecture) -> float:
    """Grows with size, with a part that follows from nothing but the network itself."""
    odd = random.Random(architecture.fingerprint).uniform(0.8, 1.2)
    return 0.0004 * size(architecture) * odd


def objective(*, ms: float = LIMIT_MS) -> Objective:
    return Objective("constrained", limits=(Limit("latency", ms), Limit("multiply_adds", 900.0)))


def failing(architecture: Architecture) -> Evaluation:
    raise TrainingError(f"loss: must be finite; got </script><b>nan</b> for {architecture.text}")


def trained(architecture: Architecture) -> Evaluation:
    return Evaluation(formula(architecture), 0.2, 0.5, 1)


def examiner(
    wanted: Objective, evaluate: Callable[[Architecture], Evaluation] = trained
) -> Examiner:
    return Examiner(
        objective=wanted,
        count=lambda a, g: Costs(size(a), size(a), 0),
        measure=lambda a, g: latency(milliseconds(a), conditions={"load": 0.5, "level": "screen"}),
        evaluate=lambda a, g, report: evaluate(a),
    )


def attributes(target: str = TARGET) -> dict[str, object]:
    return {
        "nas.genes": [[gene.name, list(gene.options)] for gene in Tiny().genes],
        "nas.data": "0123456789abcdef",
        "nas.target": target,
        "nas.limits": ["latency <= 0.2 ms", "multiply-adds <= 900"],
        "nas.goal": "best validation accuracy within the limits",
        "nas.validation_images": IMAGES,
        "nas.command": "nas search --something",
        "nas.origin": {"python": "3.11.7", "git": {"commit": "c0ffee", "changed": False}},
    }


def study(
    path: Path,
    *,
    proposals: int = 40,
    evaluate: Callable[[Architecture], Evaluation] = trained,
    ms: float = LIMIT_MS,
    target: str = TARGET,
    settings: Settings | None = None,
    bare: bool = False,
    seed: int = 3,
) -> Path:
    """A study of so many proposals; `bare` as a version wrote it that recorded less."""
    wanted = objective(ms=ms)
    known = {} if bare else attributes(target)
    storage = StudyStorage.create(path, wanted.directions, known)
    if not bare:
        storage.set("nas.reference", reference(wanted).to_json())
    storage.close()
    chosen = settings or compose(
        [f"objective.latency_ms={ms}", f"study.trials={max(1, proposals)}"]
    )
    write(chosen, path / "settings.yaml")
    log = EventLog(path / "log.jsonl")
    log.started(info(path), [])
    run(
        path,
        proposals=proposals,
        objective=wanted,
        seed=seed,
        listeners=[log],
        examiner=examiner(wanted, evaluate),
    )
    log.close()
    return path


def info(path: Path) -> StudyInfo:
    return study_info(name=path.name, folder=str(path))


def reference(wanted: Objective) -> Outcome:
    genes = {f"{gene}{n}": v for n in (1, 2, 3) for gene, v in (("width", 32), ("depth", 1))}
    architecture = Tiny().decode({**genes, "idle": "a"})
    return examiner(wanted).examine(
        architecture, {}, enter=lambda stage: None, report=lambda result, of: None, refuse=False
    )
