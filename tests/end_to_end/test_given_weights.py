"""A search whose trainings begin with the weights of a file, and that is gone on with."""

from __future__ import annotations

import io
import json
import os
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from nas.data import load
from nas.final_table import search_table
from nas.network import build
from nas.outcome import TrialRecord
from nas.result import SearchResult
from nas.session import resume, start
from nas.settings import DataSettings
from nas.settings.compose import compose
from nas.study.storage import StudyStorage
from search_spaces.published import published

pytestmark = pytest.mark.slow

SPACE = '''
from nas import Architecture, Gene, SearchSpace

class Two(SearchSpace):
    """Networks of the units that the file of weights has, and of others."""

    name = "two"
    genes = (Gene("kind", ("shuffle_v2", "sandglass")), Gene("depth", (2, 3)))
    starts = tuple(
        f"in1x8x8+stem24-s1+{kind}:48-s2-n2+head0+out10" for kind in ("shuffle_v2", "sandglass")
    )

    def decode(self, genes):
        units = f"{genes['kind']}:48-s2-n{genes['depth']}"
        return Architecture.from_text(f"in1x8x8+stem24-s1+{units}+head0+out10")

    def encode(self, architecture):
        units = architecture.units
        return {"kind": units[0].kind, "depth": len(units)}
'''
QUICK = [
    "training.epochs=1", "training.memory_format=channels_last", "training.precision=float32",
    "execution=serial", "objective.latency_ms=50", "objective.multiply_adds=1e9", "study.trials=4",
    "study.name=one", "tracking=none",
]  # fmt: skip


class Stop:
    """A listener that ends the study with a signal once so many candidates were trained: nothing is
    certified then, which takes longest."""

    def __init__(self, behind: int) -> None:
        self._left = behind

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None

    def trial_finished(self, trial: TrialRecord, counts: object) -> None:
        self._left -= bool(trial.outcome and trial.outcome.kind == "evaluated")
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGTERM)


@dataclass(frozen=True)
class Searched:
    """Two of four candidates, searched from weights of the reference network but its stem."""

    folder: Path
    given: Path
    result: SearchResult

    @property
    def trials(self) -> list[TrialRecord]:
        """Those that were trained."""
        storage = StudyStorage.open(self.folder / "one")
        try:
            return [r for r in storage.records() if r.outcome and r.outcome.kind == "evaluated"]
        finally:
            storage.close()

    def log(self, event: str) -> list[dict[str, Any]]:
        """What the study's log has of an event."""
        lines = (self.folder / "one" / "log.jsonl").read_text().splitlines()
        return [found for found in map(json.loads, lines) if found["event"] == event]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    folder = tmp_path_factory.mktemp("given")
    (folder / "mine.py").write_text(SPACE)
    torch.manual_seed(1)
    # As for other classes: its head does not fit.
    weights = build(published("shufflenet_v2_x0_5", input=(1, 8, 8), classes=3)).state_dict()
    given = folder / "given.pth"
    torch.save({n: value for n, value in weights.items() if not n.startswith("stem.")}, given)
    words = [f"space.source={folder / 'mine.py'}:Two", f"training.init={given}"]
    settings = compose([*words, *QUICK, f"study.folder={folder / 'runs'}"])
    found = start(settings, command="test", listeners=[Stop(behind=2)])
    return Searched(folder / "runs", given, found)


def conditions(trial: TrialRecord) -> dict[str, Any]:
    assert trial.outcome is not None
    assert trial.outcome.evaluation is not None
    return trial.outcome.evaluation.conditions


def test_the_log_tells_how_many_images_classes_have_and_that_they_are_in_memory(
    searched: Searched,
) -> None:
    counts = torch.bincount(load(DataSettings()).train.labels)
    told = f"10 classes of {min(counts)} to {max(counts)} training images, kept in memory"
    assert searched.log("note")[0]["message"].startswith(f"images of digits: {told}")


def test_every_candidate_lists_what_it_took_from_the_file(searched: Searched) -> None:
    found = {trial.genes["kind"]: conditions(trial) for trial in searched.trials}
    assert {known["init"] for known in found.values()} == {str(searched.given)}
    # The first units of the published network are its own; the stem is not in the file.
    assert found["shuffle_v2"]["loaded"] == ["units"]
    assert found["shuffle_v2"]["left"] == ["stem", "head"]
    assert found["sandglass"]["loaded"] == []
    logged = [event["loaded"] for event in searched.log("outcome")]
    assert logged == [conditions(trial)["loaded"] for trial in searched.trials]
    assert searched.log("reference")[0]["loaded"] == ["units", "head.conv"]


def test_the_final_table_says_who_was_fine_tuned_and_who_began_from_scratch(
    searched: Searched,
) -> None:
    sheet = Console(file=io.StringIO(), width=200)
    sheet.print(search_table(searched.result))
    shown = sheet.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    # Behind that line come the text forms.
    above = shown.partition("FLOPs are multiply-adds")[0].splitlines()
    rows = {re.split(r"  +", line)[0] for line in above}
    kinds = {trial.genes["kind"]: trial.number for trial in searched.trials}
    assert {f"trial {kinds['shuffle_v2']}", f"trial {kinds['sandglass']}, from scratch"} <= rows
    assert f"trial {kinds['sandglass']}" not in rows
    assert "shufflenet_v2_x0_5, fine-tuned" in rows
    taken = re.escape(f"taken from {searched.given}: ")
    assert re.search(rf"^{taken}.*shufflenet_v2_x0_5 units, head\.conv$", shown, re.MULTILINE)


def test_a_resume_trains_as_the_study_found_out_when_it_began(searched: Searched) -> None:
    # As if the study had found out what its settings do not let it choose.
    before = {trial.number: conditions(trial) for trial in searched.trials}
    storage = StudyStorage.open(searched.folder / "one")
    storage.set("nas.resolved", {**storage.get("nas.resolved"), "memory_format": "contiguous"})
    storage.close()
    resume("one", folder=searched.folder, command="test", listeners=[Stop(behind=1)])
    (new,) = [trial for trial in searched.trials if trial.number not in before]
    assert {known["memory_format"] for known in before.values()} == {"channels_last"}
    assert conditions(new)["memory_format"] == "contiguous"
