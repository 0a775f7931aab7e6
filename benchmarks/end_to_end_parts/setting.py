"""What both sides of benchmarks/end_to_end.py are given; fixed before any result was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from nas.settings import DataSettings, TrainingSettings

REFERENCE = "shufflenet_v2_x0_5"
SIDE = 28


@dataclass(frozen=True)
class Setting:
    """Images, space, recipe and budget.

    `widths` are those of the first stage, up to the reference's own. The budget is of CPU seconds,
    user and system, of a side's process and its children, from its start on; what is unfinished
    then does not count.
    """

    images: int = 4000
    validation_share: float = 0.1
    test_share: float = 0.8
    epochs: int = 9
    batch_size: int = 32
    shift: int = 2
    widths: tuple[int, ...] = (12, 16, 24, 36, 48)
    budget_seconds: float = 400.0

    def data(self, path: Path) -> DataSettings:
        return DataSettings(
            name="arrays",
            path=str(path),
            validation_share=self.validation_share,
            test_share=self.test_share,
        )

    @property
    def training(self) -> TrainingSettings:
        return TrainingSettings(
            epochs=self.epochs,
            batch_size=self.batch_size,
            shift=self.shift,
            flip=True,
            threads=1,
            device="cpu",
        )

    def overrides(self, path: Path) -> list[str]:
        """What `nas search` is told to do the same."""
        return [
            "data=arrays",
            f"data.path={path}",
            f"data.validation_share={self.validation_share}",
            f"data.test_share={self.test_share}",
            f"training.epochs={self.epochs}",
            f"training.batch_size={self.batch_size}",
            f"training.shift={self.shift}",
            "training.flip=true",
            "training.threads=1",
            "training.device=cpu",
            "space=mixed",
            f"space.widths=[{','.join(map(str, self.widths))}]",
            f"objective.latency_of={REFERENCE}",
            "execution=serial",
            # More than the budget can hold: it is the CPU seconds that end a search.
            "study.trials=5000",
        ]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "widths": list(self.widths)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(**{**value, "widths": tuple(value["widths"])})


SETTING = Setting()
SEEDS = 3
TOOL = ("evaluation=rungs", "sampler=hamming_gp")
SWITCHED_OFF = {
    "tool, random draws": ("evaluation=rungs", "sampler=random"),
    "tool, no rungs": ("evaluation=full", "sampler=hamming_gp"),
}
"""The tool with one part off, for what that part contributes."""
