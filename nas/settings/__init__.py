"""Every setting as a frozen dataclass: the schema for Hydra, and the validation, nothing else.

Torch-free. `nas.settings.compose` turns overrides into a `Settings`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from nas.masking import masked
from nas.settings.checks import fail
from nas.settings.data import DATA_SETS, DataSettings
from nas.settings.objective import (
    EVALUATIONS,
    OBJECTIVES,
    QUANTITIES,
    EvaluationSettings,
    ObjectiveSettings,
)
from nas.settings.space import SPACES, SpaceSettings
from nas.settings.study import (
    EXECUTIONS,
    SAMPLERS,
    ExecutionSettings,
    SamplerSettings,
    StudySettings,
    TrackingSettings,
)
from nas.settings.target import RUNTIMES, TORCH_RUNTIMES, TargetSettings
from nas.settings.training import OPTIMIZERS, PRECISIONS, SCHEDULES, TrainingSettings

__all__ = [
    "DATA_SETS",
    "EVALUATIONS",
    "EXECUTIONS",
    "OBJECTIVES",
    "OPTIMIZERS",
    "PRECISIONS",
    "QUANTITIES",
    "RUNTIMES",
    "SAMPLERS",
    "SCHEDULES",
    "SPACES",
    "TORCH_RUNTIMES",
    "DataSettings",
    "EvaluationSettings",
    "ExecutionSettings",
    "ObjectiveSettings",
    "SamplerSettings",
    "Settings",
    "SpaceSettings",
    "StudySettings",
    "TargetSettings",
    "TrackingSettings",
    "TrainingSettings",
]


def _place(uri: str) -> str:
    """Host and database of a URI: neither how it is spoken to nor by whom."""
    return uri.partition("://")[2].rpartition("@")[2].partition("?")[0]


@dataclass(frozen=True)
class Settings:
    """All of it; what a study stores and a resume compares."""

    space: SpaceSettings = field(default_factory=SpaceSettings)
    data: DataSettings = field(default_factory=DataSettings)
    target: TargetSettings = field(default_factory=TargetSettings)
    objective: ObjectiveSettings = field(default_factory=ObjectiveSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    sampler: SamplerSettings = field(default_factory=SamplerSettings)
    study: StudySettings = field(default_factory=StudySettings)
    tracking: TrackingSettings = field(default_factory=TrackingSettings)
    execution: ExecutionSettings = field(default_factory=ExecutionSettings)

    def __post_init__(self) -> None:
        places = [_place(uri) for uri in (self.study.storage, self.tracking.uri) if uri]
        if len(set(places)) < len(places):
            raise fail(
                "tracking.uri",
                "needs another database than study.storage: both have tables of one name",
                masked(str(self.tracking.uri)),
                "a second database on the same server, as createdb makes it",
            )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)
