"""Settings as a file beside their study."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nas.errors import SettingsError, StudyError
from nas.masking import unmasked
from nas.settings import StudySettings
from nas.settings.compose import compose, override
from nas.settings.stored import changes_meaning, connected, difference, read, write


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    settings = compose(
        ["space.widths=[0.5,1]", "study.hours=1.5", "study.name='yes'", "training.weight_decay=0"]
    )
    write(settings, tmp_path / "settings.yaml")
    assert read(tmp_path / "settings.yaml") == settings
    assert [p.name for p in tmp_path.iterdir()] == ["settings.yaml"]


def test_a_setting_that_an_older_file_lacks_is_at_its_default(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("study: {trials: 3}\n")
    assert read(tmp_path / "settings.yaml").study == replace(compose().study, trials=3)


def test_a_setting_of_a_newer_version_is_told(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("study: {trials: 3, telepathy: true}\n")
    with pytest.raises(SettingsError, match=r"settings\.yaml, study\.telepathy.+another version"):
        read(tmp_path / "settings.yaml")


@pytest.mark.parametrize("content", ["study: [", "study", "study: 3", "\0"])
def test_a_damaged_file_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "settings.yaml").write_text(content)
    with pytest.raises(StudyError, match=r"settings\.yaml: .+; got .+; allowed: "):
        read(tmp_path / "settings.yaml")
    with pytest.raises(StudyError, match="FileNotFoundError"):
        read(tmp_path / "none.yaml")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    write(compose(), path)
    before = path.read_text()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write(compose(["study.trials=3"]), tmp_path / "folder")
    assert path.read_text() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "settings.yaml"]


def test_a_difference_is_readable() -> None:
    old, new = compose(), compose(["study.trials=40", "space.groups=[1,2]", "tracking=none"])
    assert difference(old, new) == [
        "space.groups: null -> [1, 2]",
        "study.trials: 20 -> 40",
        "tracking.enabled: true -> false",
    ]
    assert difference(old, old) == []


def test_a_resume_may_go_on_for_longer_and_track_elsewhere() -> None:
    old = compose()
    later = ["study.trials=40", "study.max_proposals=900", "study.hours=2", "tracking=none"]
    later += ["tracking.uri=sqlite:////tmp/a.db", "execution.retries=3", "study.folder=moved"]
    later += ["target.retry_seconds=60", "target.timeout=900", "study.sustained_seconds=60"]
    assert changes_meaning(old, override(old, later)) == []


def test_a_cluster_that_moved_has_one_new_address() -> None:
    dask = ["execution=dask", "target.where=dask"]
    old = compose([*dask, "execution.scheduler=tcp://a:1"])
    moved = override(old, ["execution.scheduler=tcp://b:1"])
    assert moved.target.scheduler == "tcp://b:1"
    assert changes_meaning(old, moved) == []
    two = override(old, ["target.scheduler=tcp://c:1", "execution.scheduler=tcp://b:1"])
    assert (two.target.scheduler, two.execution.scheduler) == ("tcp://c:1", "tcp://b:1")
    apart = compose([*dask, "execution.scheduler=tcp://a:1", "target.scheduler=tcp://c:1"])
    assert override(apart, ["execution.scheduler=tcp://b:1"]).target.scheduler == "tcp://c:1"
    assert override(old, ["execution=processes"]).target.scheduler == "tcp://a:1"


@pytest.mark.parametrize(
    "line",
    ["study.seed=1", "training.epochs=3", "data.seed=1", "target=eager", "objective.latency_ms=3",
     "sampler=gp", "space.groups=[1]", "evaluation.path=a"],
)  # fmt: skip
def test_what_changes_what_a_trial_means_is_told(line: str) -> None:
    old = compose()
    assert len(changes_meaning(old, override(old, [line]))) == 1


def test_no_module_of_the_settings_is_longer_than_300_lines() -> None:
    import nas.settings

    for path in Path(nas.settings.__file__).parent.glob("*.py"):
        assert len(path.read_text().splitlines()) <= 300, path.name


def test_passwords_are_not_written(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    settings = compose(
        [
            "study.storage=postgresql://ann:pa55@db/nas",
            "tracking.uri=http://ann:pa55@mlflow:5000",
        ]
    )
    write(settings, path)
    assert "pa55" not in path.read_text()
    assert read(path).study.storage == "postgresql://ann:***@db/nas"
    assert connected(read(path), settings) == settings
    assert "pa55" not in str(difference(read(path), settings))
    assert unmasked("postgresql://ann:***@db/nas") == "postgresql://ann@db/nas"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["study.storage=sqlite:///x.db"], r"study\.storage: must be null or the URI of a Postgre"),
        (["study.storage=postgresql://ann:pa55@db"], r"study\.storage: .+ann:\*\*\*@db"),
        (
            ["study.storage=postgresql://db/nas", "tracking.uri=postgresql://ann:pa55@db/nas"],
            r"tracking\.uri: needs another database than study\.storage",
        ),
    ],
)
def test_a_database_that_cannot_be_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(SettingsError, match=said) as found:
        compose(words)
    assert "pa55" not in str(found.value)


def test_a_study_from_another_one_is_not_begun_on_a_server_and_that_is_said() -> None:
    with pytest.raises(SettingsError) as told:
        StudySettings(source="one", storage="postgresql://ann@db/nas")
    assert str(told.value) == (
        "study.source: starts a study in a file of its own; got 'one'; "
        "allowed: null beside study.storage"
    )
