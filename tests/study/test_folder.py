from __future__ import annotations

from pathlib import Path

import pytest

from nas.errors import StudyError
from nas.study.folder import DriverLock, check_folder, driver, next_name, refuse_network, studies
from nas.study.storage import StudyStorage


def test_the_next_name_is_one_above_the_highest(tmp_path: Path) -> None:
    assert next_name(tmp_path, "digits-mixed") == "digits-mixed-001"
    for name in ("digits-mixed-001", "digits-mixed-009", "digits-other-042", "digits-mixed-x"):
        (tmp_path / name).mkdir()
    assert next_name(tmp_path, "digits-mixed") == "digits-mixed-010"


def test_a_network_file_system_is_refused_by_its_kind(tmp_path: Path) -> None:
    mounts = {"/": "ext4", str(tmp_path.resolve()): "nfs4"}
    with pytest.raises(StudyError, match=r"local disk; got a network file system \(nfs4\)"):
        refuse_network(tmp_path / "runs", mounts)
    refuse_network(tmp_path.parent, mounts)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(StudyError, match="must be a folder that can be written"):
        check_folder(file / "runs")


def test_a_second_driver_is_refused_and_the_lock_goes_with_its_holder(tmp_path: Path) -> None:
    first, second = DriverLock(tmp_path), DriverLock(tmp_path)
    assert driver(tmp_path) == ""
    first.acquire()
    assert driver(tmp_path).startswith("pid ")
    with pytest.raises(StudyError, match="one driver at a time"):
        second.acquire()
    first.release()
    assert driver(tmp_path) == ""
    second.acquire()
    second.release()


def test_a_study_that_does_not_exist_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    StudyStorage.create(tmp_path / "digits-mixed-001", ("maximize",), {}).close()
    with pytest.raises(StudyError, match="allowed: digits-mixed-001"):
        StudyStorage.open(tmp_path / "digits-mixed-01")
    assert studies(tmp_path) == ["digits-mixed-001"]


def test_a_name_that_exists_is_refused(tmp_path: Path) -> None:
    StudyStorage.create(tmp_path / "one", ("maximize",), {}).close()
    with pytest.raises(StudyError, match="nas resume one"):
        StudyStorage.create(tmp_path / "one", ("maximize",), {})


def test_a_damaged_database_is_told_and_left_alone(tmp_path: Path) -> None:
    StudyStorage.create(tmp_path / "one", ("maximize",), {}).close()
    database = tmp_path / "one" / "study.db"
    damaged = b"not a database" + database.read_bytes()[14:]
    database.write_bytes(damaged)
    with pytest.raises(StudyError, match=r"must be readable and writable.+MLflow has.+ are safe"):
        StudyStorage.open(tmp_path / "one")
    assert database.read_bytes() == damaged


def test_a_folder_copied_without_its_database_says_what_is_safe_and_what_to_do(
    tmp_path: Path,
) -> None:
    StudyStorage.create(tmp_path / "one", ("maximize",), {}).close()
    (tmp_path / "one" / "settings.yaml").write_text("study: {trials: 3}\n")
    (tmp_path / "one" / "study.db").unlink()
    with pytest.raises(StudyError, match=r"weights .+ are safe; allowed: copy study\.db"):
        StudyStorage.open(tmp_path / "one")


def test_a_study_of_a_newer_version_is_refused_in_words(tmp_path: Path) -> None:
    storage = StudyStorage.create(tmp_path / "one", ("maximize",), {})
    storage.set("nas.format", 99)
    storage.close()
    with pytest.raises(StudyError, match="newer latency-nas"):
        StudyStorage.open(tmp_path / "one")
