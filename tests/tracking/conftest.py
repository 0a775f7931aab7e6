from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nas.tracking import store


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database, migrated once: that takes seconds."""
    folder = tmp_path_factory.mktemp("template")
    store.connect(store.resolve(None, folder), folder)
    return folder / store.DATABASE


@pytest.fixture
def runs(tmp_path: Path, template: Path) -> Path:
    """A folder of runs with an empty MLflow database."""
    folder = tmp_path / "runs"
    folder.mkdir()
    shutil.copy(template, folder / store.DATABASE)
    return folder
