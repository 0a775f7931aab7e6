"""What is known of a run in MLflow, so that only what it lacks is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.entities import Run

WINNER = "nas.winner"
DONE = ("FINISHED", "FAILED")


@dataclass
class KnownRun:
    """What a run holds, as far as it was read or written; `steps` is None while unread.

    Of one that is done only what finds it again is kept, and its place among the winners: `whole`
    is false then. A study may have thousands, each with as many steps as epochs.
    """

    id: str
    name: str
    status: str
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    steps: set[tuple[str, int]] | None = None
    files: bool = False
    whole: bool = True

    def released(self) -> KnownRun:
        """The same with its values forgotten."""
        place = {key: value for key, value in self.tags.items() if key == WINNER}
        return KnownRun(self.id, self.name, self.status, tags=place, files=self.files, whole=False)


def known_run(run: Run) -> KnownRun:
    """What a run holds that was read."""
    return KnownRun(
        id=run.info.run_id,
        name=run.info.run_name,
        status=run.info.status,
        params=dict(run.data.params),
        metrics=dict(run.data.metrics),
        tags=dict(run.data.tags),
        files=run.info.status in DONE and "nas.trial" in run.data.tags,
    )
