"""Every setting as a frozen dataclass: the schema for Hydra, and the validation, nothing else.

Torch-free. `nas.settings.compose` turns overrides into a `Settings`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

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

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)
