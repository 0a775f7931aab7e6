"""What a study is: written down when it begins, compared when it goes on, told to listeners."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nas.composition import Parts
from nas.errors import StudyError
from nas.events import StudyInfo
from nas.study.storage import StudyStorage
from nas.tracking.origin import origin


def facts_of(parts: Parts) -> dict[str, Any]:
    """What a trial's meaning hangs on beside the settings; stored once, compared on resume."""
    return {
        "nas.space": parts.space.fingerprint,
        "nas.genes": [[gene.name, list(gene.options)] for gene in parts.space.genes],
        "nas.data": parts.facts.hash,
        "nas.target": parts.target,
        "nas.resolved": dict(parts.resolved),
        "nas.limits": sentences(parts),
        "nas.goal": parts.objective.goal,
        "nas.validation_images": parts.facts.validation_images,
    }


def sentences(parts: Parts) -> list[str]:
    """The limits in words, those that only weigh among them."""
    soft = [f"{limit.sentence} (weighed)" for limit in parts.objective.soft]
    return [*(limit.sentence for limit in parts.objective.limits), *soft]


def check_same(storage: StudyStorage, facts: Mapping[str, Any]) -> None:
    """Raise unless what a trial's meaning hangs on is as when the study began.

    Raises:
        StudyError: what differs, now and then.
    """
    for key, what in (
        ("nas.data", "the images (hash)"),
        ("nas.genes", "the genes of the space"),
        ("nas.space", "the input of the space"),
        ("nas.target", "the target"),
        ("nas.limits", "the limits"),
    ):
        old = storage.get(key)
        if old != facts[key]:
            raise StudyError(
                f"nas resume {storage.name}: {what} must be as when the study began; got "
                f"{facts[key]}, then {old}; allowed: the same, or a new study"
            )


def check_versions(storage: StudyStorage) -> None:
    """Raise if other drivers run the study, which was begun with another version or Python.

    Raises:
        StudyError: which, now and then.
    """
    if storage.drivers is None:
        return
    with storage.said():
        alone = len(storage.drivers.alive()) < 2
    began, now = storage.get("nas.origin") or {}, origin()
    for what, then, here in (
        ("latency-nas", _package(began), _package(now)),
        ("Python", _minor(began), _minor(now)),
    ):
        if not alone and then != here:
            raise StudyError(
                f"study {storage.name}: drivers that share it must run one version; got {what} "
                f"{here}, the study {then}; nothing was written; allowed: that version, or a "
                "resume once no other driver runs"
            )


def _package(found: Mapping[str, Any]) -> str:
    return str(found.get("packages", {}).get("latency-nas", "unknown"))


def _minor(found: Mapping[str, Any]) -> str:
    return ".".join(str(found.get("python", "unknown")).split(".")[:2])


def info_of(parts: Parts, storage: StudyStorage, *, command: str, resumed: bool) -> StudyInfo:
    """What listeners are told of a study when it starts or goes on."""
    return StudyInfo(
        name=storage.name,
        folder=str(storage.path),
        settings=parts.settings.to_json(),
        goal=parts.objective.goal,
        limits=tuple(sentences(parts)),
        target=parts.target,
        data=parts.facts.name,
        space=parts.space.name,
        trials=parts.settings.study.trials,
        resumed=resumed,
        command=command,
        identity=storage.get("nas.identity") or "",
        data_hash=parts.facts.hash,
    )
