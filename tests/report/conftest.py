"""The study that the report's tests read: one a file of tests, which may write its report."""

from __future__ import annotations

from pathlib import Path

import pytest
from reported import study

from nas.report.story import Story, read_story


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return study(tmp_path_factory.mktemp("runs") / "first")


@pytest.fixture(scope="module")
def story(path: Path) -> Story:
    return read_story(path)
