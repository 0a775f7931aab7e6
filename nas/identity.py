"""What a study is: written down when it begins, compared when it goes on, told to listeners."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nas.composition import Parts
from nas.errors import StudyError
from nas.events import StudyInfo
from nas.study.storage import StudyStorage


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
