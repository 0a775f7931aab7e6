"""A built wheel works from any folder: its configuration and its spaces travel in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from nas.settings import compose

ROOT = Path(__file__).resolve().parents[1]


def built(folder: Path) -> Path:
    """The wheel of a copy of the sources: building in the checkout would leave a build/ there."""
    sources = folder / "sources"
    hidden = shutil.ignore_patterns("__pycache__")
    for name in ("nas", "search_spaces", "conf"):
        shutil.copytree(ROOT / name, sources / name, ignore=hidden)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources)
    command = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    pip(*command, str(sources))
    (wheel,) = folder.glob("latency_nas-*.whl")
    return wheel


def pip(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def site(wheel: Path) -> Path:
    """A folder with the wheel alone; torch and the others come from this environment."""
    folder = wheel.parent / "site"
    pip("install", "--no-deps", "--no-index", "--target", str(folder), str(wheel))
    return folder


def in_site(site: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )


def test_the_wheel_holds_every_module_and_every_option(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for package in ("nas", "search_spaces"):
        for path in (ROOT / package).rglob("*.py"):
            assert path.relative_to(ROOT).as_posix() in names
    for path in (ROOT / "conf").rglob("*.yaml"):
        assert f"nas/{path.relative_to(ROOT).as_posix()}" in names
    assert "nas/py.typed" in names


def test_a_checkout_finds_its_configuration_beside_the_package() -> None:
    assert compose.conf_folder() == ROOT / "conf"
    assert (compose.conf_folder() / "config.yaml").is_file()


def test_an_installed_wheel_finds_its_configuration_inside_the_package(
    site: Path, tmp_path: Path
) -> None:
    code = "import nas; from nas.settings.compose import conf_folder as f; print(nas.__file__, f())"
    done = in_site(site, "-c", code, cwd=tmp_path)
    file, folder = done.stdout.split()
    assert Path(file).is_relative_to(site)
    assert Path(folder) == site / "nas" / "conf"


@pytest.mark.slow
def test_an_installed_wheel_searches_from_an_empty_folder(site: Path, tmp_path: Path) -> None:
    command = str(site / "bin" / "nas")
    words = ["search", "study.trials=2", "training.epochs=1", "study.name=first", "--json"]
    words += ["study.sustained_seconds=0", "evaluation.seeds=1"]
    done = in_site(site, command, *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert value["counts"]["evaluated"] == 2
    assert value["reference"]["outcome"]["latency"]["ms"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    status = in_site(site, command, "status", "first", cwd=tmp_path)
    assert "2 of 2" in status.stdout
