"""The two sides as programs, and what each of them found by which CPU second."""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from end_to_end_parts.replay import Candidate
from end_to_end_parts.setting import Setting
from end_to_end_parts.tree import Tree, cpu_at

from nas.architecture import Architecture
from nas.outcome import Evaluation
from nas.study.storage import StudyStorage

SCRIPT = Path(__file__).with_name("script.py")
STUDY = "study"
SCRIPT_NAME = "script"


@dataclass
class Side:
    """One side of one seed: a program in a folder of its own."""

    name: str
    setting: Setting
    images: Path
    folder: Path
    seed: int
    overrides: Sequence[str] = ()
    tree: Tree = field(init=False)

    def start(self) -> Tree:
        self.folder.mkdir(parents=True)
        self.kept.mkdir()
        self.tree = Tree(
            self._command(),
            output=self.folder / "output.txt",
            budget_seconds=self.setting.budget_seconds,
        )
        return self.tree

    def _command(self) -> list[str]:
        if self.name == SCRIPT_NAME:
            setting = json.dumps(self.setting.to_json())
            return [
                sys.executable, str(SCRIPT), setting, str(self.images), str(self.folder),
                str(self.seed),
            ]  # fmt: skip
        return [
            sys.executable, "-m", "nas.cli", "search",
            *self.setting.overrides(self.images),
            *self.overrides,
            f"study.folder={self.folder}",
            f"study.name={STUDY}",
            f"study.seed={self.seed}",
        ]  # fmt: skip

    @property
    def kept(self) -> Path:
        """Weights under a second name, for a study removes those of who is no longer best."""
        return self.folder / "kept"

    def keep(self) -> None:
        for path in (self.folder / STUDY / "checkpoints").glob("*.safetensors"):
            if "." not in path.stem and not (self.kept / path.name).exists():
                with suppress(FileNotFoundError):
                    os.link(path, self.kept / path.name)

    def weights(self, fingerprint: str) -> Path:
        return self.kept / f"{fingerprint}.safetensors"

    def found(self) -> tuple[list[Candidate], dict[str, float]]:
        """The candidates, and CPU seconds by what they were spent on."""
        return self._script() if self.name == SCRIPT_NAME else self._study()

    def _script(self) -> tuple[list[Candidate], dict[str, float]]:
        found, known = [], set()
        for line in (self.folder / "candidates.jsonl").read_text().splitlines():
            one = json.loads(line)
            architecture = Architecture.from_json(one["architecture"])
            fingerprint = architecture.fingerprint
            if fingerprint not in known:
                os.link(self.folder / one["weights"], self.weights(fingerprint))
            found.append(
                Candidate(
                    cpu_seconds=cpu_at(self.tree.samples, one["time"]),
                    kind="repeated" if fingerprint in known else "evaluated",
                    fingerprint=fingerprint,
                    text=architecture.text,
                    keeps=one["keeps"],
                    whole=fingerprint not in known,
                    latency_ms=one["latency_ms"],
                    validation=one["validation"],
                    measuring=one["measuring"],
                    training=one["training"],
                    epochs=self.setting.epochs,
                )
            )
            known.add(fingerprint)
        spent = {
            "measuring": sum(one.measuring for one in found),
            "training": sum(one.training for one in found),
        }
        first = found[0]
        spent["start"] = first.cpu_seconds - first.measuring - first.training
        return found, spent

    def _study(self) -> tuple[list[Candidate], dict[str, float]]:
        path = self.folder / STUDY
        lines = (path / "log.jsonl").read_text().splitlines()
        by_trial = spans([json.loads(line) for line in lines], self.tree.samples)
        storage = StudyStorage.open(path)
        try:
            records = storage.records()
        finally:
            storage.close()
        found = []
        for one in records:
            outcome = one.outcome
            if outcome is None or one.finished is None:
                continue
            evaluation = outcome.evaluation
            took = by_trial[one.number]
            found.append(
                Candidate(
                    cpu_seconds=cpu_at(self.tree.samples, one.finished),
                    kind=outcome.kind,
                    fingerprint=outcome.architecture.fingerprint,
                    text=outcome.architecture.text,
                    keeps=outcome.kind == "evaluated" and outcome.feasible,
                    whole=evaluation is not None and evaluation.whole,
                    latency_ms=outcome.latency.ms if outcome.latency else None,
                    validation=evaluation.value if evaluation else None,
                    measuring=took["measuring"],
                    training=took["training"],
                    epochs=_epochs(evaluation) if evaluation else 0,
                )
            )
        spent: dict[str, float] = defaultdict(float)
        for took in by_trial.values():
            for what, seconds in took.items():
                spent[what] += seconds
        return found, dict(spent)


def _epochs(evaluation: Evaluation) -> int:
    """All that it was trained for, on every rung."""
    return sum(rung.epochs for rung in evaluation.rungs) or len(evaluation.epochs)


def spans(
    events: list[dict[str, Any]], samples: list[tuple[float, float]]
) -> dict[int | None, dict[str, float]]:
    """CPU seconds of each trial (None: the reference, and the start) by the stage it was in."""
    found: dict[int | None, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    turns = [one for one in events if one["event"] in ("stage", "trial", "outcome", "reference")]
    at = [cpu_at(samples, one["time"]) for one in turns]
    found[None]["start"] = at[0]
    for one, begin, end in zip(turns, at, [*at[1:], samples[-1][1]], strict=True):
        what = one["stage"] if one["event"] == "stage" else "between"
        found[one.get("trial")][what] += end - begin
    return found
