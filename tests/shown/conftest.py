"""A real search of 60 candidates, its MLflow UI, and a browser to look at both."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, open_browser, programs
from tracked_studies import outcome, record, study_info

import nas
from nas.report.story import Story, read_story
from nas.tracking import Server, serve, track

CANDIDATES, MANY = 60, 200
CHEAP = (
    "data=digits",
    "sampler=tpe",  # it also proposes what is over a limit, which hamming_gp does not
    f"study.trials={CANDIDATES}",
    "training.epochs=1",
    "evaluation.seeds=1",
    "space.widths=[12,16,24]",
    "space.depths=[1]",
    "space.kernel_sizes=[3]",
    "space.start_from=[]",
    "objective.latency_ms=50",
    "objective.multiply_adds=700000",
    "study.name=digits",
)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of 60 candidates, trained for an epoch each; some proposals are over a limit."""
    programs()
    folder = tmp_path_factory.mktemp("browser") / "runs"
    found = nas.search(*CHEAP, f"study.folder={folder}")
    assert found.counts.evaluated == CANDIDATES
    assert found.problems == ()
    return folder / "digits"


@pytest.fixture(scope="session")
def story(study: Path) -> Story:
    return read_story(study)


@pytest.fixture(scope="session")
def many(study: Path) -> str:
    """A study of 200 candidates in the same store, from seeds instead of by training."""
    rng = random.Random(0)
    records = [record(n, outcome(accuracy=rng.uniform(0.6, 0.99))) for n in range(MANY)]
    info = study_info(name="many", space="many", identity="many")
    track(info, records, runs=study.parent, reason="finished")
    return info.name


@pytest.fixture(scope="session")
def server(study: Path, many: str) -> Iterator[Server]:
    with serve(study.parent, study=many, port=5470) as running:
        yield running


@pytest.fixture(scope="session")
def window() -> Iterator[Browser]:
    with open_browser() as found:
        yield found


@pytest.fixture
def browser(window: Browser) -> Browser:
    """The one window, as if it had just been opened: to open one takes seconds."""
    window.fresh()
    return window
