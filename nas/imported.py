"""A study that begins with the trials of another one: `study.source`.

What was trained there is proposed here first, in the order it had, and answered from there:
counted again, measured where the target's store does not know it, judged by the limits of this
study, and never trained. It is written into the new study's folder when that is made, so that the
other one may change or go.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from nas.architecture import Architecture
from nas.composition import Parts
from nas.errors import SpaceError, StudyError
from nas.latency.decision import verdict
from nas.limits import bounds_of
from nas.outcome import Evaluation, Outcome, TrialRecord
from nas.settings import Settings
from nas.settings.stored import read
from nas.space import Genes, Option
from nas.study.candidates import Examiner, Report
from nas.study.ladder import Ladder
from nas.study.storage import StudyStorage

FILE = "imported.json"
WEIGHTS = "checkpoints"

HERE = ("device", "memory_format", "threads")
"""Settings of training that say how a machine computes, not what an accuracy means."""


@dataclass(frozen=True)
class Source:
    """The study that another one begins with, as it is now."""

    path: Path
    settings: Settings
    records: tuple[TrialRecord, ...]
    attributes: Mapping[str, Any]
    reference: Outcome | None
    before: Imported | None

    @property
    def name(self) -> str:
        """Its name."""
        return self.path.name

    def resolved(self, settings: Settings) -> dict[str, Any] | None:
        """What it found out about the machine, for the same training; None for another."""
        found: dict[str, Any] | None = self.attributes.get("nas.resolved")
        return found if settings.training == self.settings.training else None


@dataclass(frozen=True)
class Imported:
    """What a study took over: the genes it begins with, accuracies by fingerprint, and a sentence.

    `seeds` is what other seeds of finalists gave there.
    """

    source: str
    genes: tuple[Genes, ...]
    evaluations: Mapping[str, Evaluation]
    note: str
    seeds: Mapping[str, Any] = field(default_factory=dict)

    def first(self, start: tuple[Genes, ...]) -> tuple[Genes, ...]:
        """The genes to propose first: these, then those of `start` that are not among them."""
        return (*self.genes, *(genes for genes in start if genes not in self.genes))


def read_source(settings: Settings) -> Source | None:
    """The study that `study.source` names, None where it names none.

    Raises:
        StudyError: it is not there, damaged or a newer version's.
    """
    if settings.study.source is None:
        return None
    path = Path(settings.study.folder) / settings.study.source
    storage = StudyStorage.open(path)
    try:
        written = storage.get("nas.reference")
        return Source(
            path=path,
            settings=read(path / "settings.yaml"),
            records=tuple(storage.records()),
            attributes={n: storage.get(n) for n in ("nas.data", "nas.resolved", "nas.seeds")},
            reference=Outcome.from_json(written) if written else None,
            before=read_imported(path),
        )
    finally:
        storage.close()


def take_over(source: Source, parts: Parts) -> Imported:
    """What a study of these parts can use of another one.

    Accuracies where images and training are the same; trials that were refused where what was
    counted and measured breaks the limits of now, too.
    """
    other = _differences(source, parts)
    evaluations = {} if other else _evaluations(source, parts)
    taken: list[Genes] = []
    refused = 0
    for record in source.records:
        outcome = record.outcome
        if outcome is None or not _is_point(parts, record):
            continue
        if outcome.kind == "evaluated" and outcome.architecture.fingerprint in evaluations:
            taken.append(record.genes)
        elif outcome.kind == "refused" and _still_refused(parts, outcome):
            taken.append(record.genes)
            refused += 1
    whole = sum(r.outcome is not None and r.outcome.kind == "evaluated" for r in source.records)
    note = (
        f"from {source.name}: {len(taken) - refused} of {whole} trained candidates, and {refused} "
        "that break a limit of this study, too; all count as proposals of this study"
    )
    if other:
        note += f". No accuracy was taken over, for {'; '.join(other)}"
    same_seed = parts.settings.study.seed == source.settings.study.seed
    return Imported(
        source=source.name,
        genes=tuple(taken),
        evaluations=evaluations,
        note=note,
        seeds=(source.attributes.get("nas.seeds") or {}) if same_seed and not other else {},
    )


def _differences(source: Source, parts: Parts) -> list[str]:
    """What makes an accuracy of the source mean something else here."""
    found = []
    if source.attributes.get("nas.data") != parts.facts.hash:
        found.append("the images differ (hash)")
    old, new = source.settings, parts.settings
    before, after = asdict(old.training), asdict(new.training)
    names = [name for name in before if name not in HERE and before[name] != after[name]]
    found += [f"training.{name} was {before[name]!r}, now {after[name]!r}" for name in names]
    if old.objective.metric != new.objective.metric:
        found.append(f"objective.metric was {old.objective.metric}")
    if (old.evaluation.name == "table") != (new.evaluation.name == "table"):
        found.append(f"evaluation was {old.evaluation.name}")
    return found


def _evaluations(source: Source, parts: Parts) -> dict[str, Evaluation]:
    """Accuracies by fingerprint; those of a lower rung only among the same rungs."""
    old, new = source.settings.evaluation, parts.settings.evaluation
    rungs = (old.name, old.fractions, old.promoted) == (new.name, new.fractions, new.promoted)
    outcomes = [r.outcome for r in source.records if r.outcome and r.outcome.kind == "evaluated"]
    found = dict(source.before.evaluations) if source.before else {}
    for outcome in (*outcomes, *([source.reference] if source.reference else [])):
        evaluation = outcome.evaluation
        if evaluation is not None and (evaluation.whole or rungs):
            conditions = {**evaluation.conditions, "source": source.name}
            found[outcome.architecture.fingerprint] = replace(evaluation, conditions=conditions)
    return found


def _is_point(parts: Parts, record: TrialRecord) -> bool:
    """Whether its genes mean the same network in this study's space."""
    with suppress(SpaceError):
        parts.space.validate(record.genes)
        return parts.space.decode(record.genes).fingerprint == record.architecture.fingerprint
    return False


def _still_refused(parts: Parts, outcome: Outcome) -> bool:
    """Whether what is known of a refused candidate breaks a limit of this study for certain."""
    objective, latency = parts.objective, outcome.latency
    fingerprint = outcome.architecture.fingerprint
    if any(v > 0 for v in objective.violations(fingerprint, outcome.costs, None).values()):
        return True
    if latency is None or latency.clock == "block table":
        return False
    beside = parts.yardstick.fingerprint if parts.yardstick else ""
    here = (parts.target, beside, parts.settings.objective.latency_statistic)
    known = (latency.target, latency.reference, latency.statistic)
    return known == here and verdict(latency, *bounds_of(objective)) == "broken"


def write_imported(imported: Imported, source: Source, folder: Path) -> None:
    """Keep what was taken over, with the weights that the source still has, in a new folder."""
    value = {
        "source": imported.source,
        "genes": [dict(genes) for genes in imported.genes],
        "evaluations": {name: one.to_json() for name, one in imported.evaluations.items()},
        "note": imported.note,
    }
    (folder / FILE).write_text(json.dumps(value), encoding="utf-8")
    weights = folder / WEIGHTS
    weights.mkdir()
    for path in (source.path / WEIGHTS).glob("*.safetensors"):
        # Named FINGERPRINT.safetensors, or FINGERPRINT.seedN.safetensors.
        if path.name.partition(".")[0] in imported.evaluations:
            _linked(path, weights / path.name)


def _linked(path: Path, other: Path) -> None:
    # Weights are written beside and moved: a link shares nothing that changes.
    try:
        os.link(path, other)
    except OSError:
        shutil.copy2(path, other)


def read_imported(folder: Path) -> Imported | None:
    """What the study in a folder took over, None if it began with nothing.

    Raises:
        StudyError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return Imported(
            source=value["source"],
            genes=tuple(value["genes"]),
            evaluations={n: Evaluation.from_json(e) for n, e in value["evaluations"].items()},
            note=value["note"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(
            f"{path}: must be as the study's first start wrote it; got {type(error).__name__}: "
            f"{error}; allowed: the file from a copy, or a new study with the same study.source"
        ) from error


def answering(examiner: Examiner, imported: Imported, ladder: Ladder | None) -> Examiner:
    """The examiner that trains nothing whose accuracy was taken over."""
    evaluations = imported.evaluations

    def evaluate(
        architecture: Architecture, genes: Mapping[str, Option], report: Report
    ) -> Evaluation:
        known = evaluations.get(architecture.fingerprint)
        return known or examiner.evaluate(architecture, genes, report)

    def climb(candidate: Outcome, report: Report) -> Evaluation:
        known = evaluations.get(candidate.architecture.fingerprint)
        assert ladder is not None  # without one nothing climbs
        assert examiner.climb is not None
        return ladder.take(candidate, known) if known else examiner.climb(candidate, report)

    return replace(examiner, evaluate=evaluate, climb=climb if examiner.climb else None)
