"""Where studies live: their folders, their names, and the one process that drives each."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from nas.errors import StudyError, nearest

DATABASE = "study.db"
ELSEWHERE = "storage.txt"
"""In the place of the database, where that is on a server: its URI, without a password, and the
study's name there."""

NETWORK_FILE_SYSTEMS = ("nfs", "nfs4", "cifs", "smbfs", "smb3", "fuse.sshfs", "afs", "ceph")
"""SQLite's locks do not hold on these, so a study on one can be damaged."""


def studies(folder: Path) -> list[str]:
    """The names of the studies in a folder of runs, in order."""
    # A study in the making has a hidden folder.
    found = (path for name in (DATABASE, ELSEWHERE) for path in folder.glob(f"[!.]*/{name}"))
    return sorted({path.parent.name for path in found})


def is_study(path: Path) -> bool:
    """Whether a folder is that of a study."""
    return (path / DATABASE).is_file() or (path / ELSEWHERE).is_file()


def elsewhere(path: Path) -> tuple[str, str] | None:
    """The URI of the server that has the database of a study, and its name there; or None."""
    file = path / ELSEWHERE
    if not file.is_file():
        return None
    uri, _, name = file.read_text(encoding="utf-8").strip().partition("\n")
    return uri, name or path.name


def missing(path: Path) -> StudyError:
    """What to say where a study is asked for and the folder has no database."""
    if (path / "settings.yaml").is_file():
        return StudyError(
            f"study {path.name}, {path / DATABASE}: must be there, it is the study's memory; got a "
            "folder without it; settings, weights and what MLflow has of it are safe; allowed: "
            f"copy {DATABASE} (with {DATABASE}-wal, if there is one) from where the study ran, or "
            "a new study"
        )
    return StudyError(
        f"study {path.name}: must be one of the studies in {path.parent}; got a name without "
        f"{DATABASE}; allowed: {nearest(path.name, studies(path.parent)) or 'none yet'}"
    )


def next_name(folder: Path, stem: str, *, also: Iterable[str] = ()) -> str:
    """`stem`-NNN with the next free number: the same command twice is two studies.

    Names that are taken `also` elsewhere count.
    """
    names = [*also, *(path.name for path in folder.iterdir())] if folder.is_dir() else [*also]
    taken = [name.rpartition("-")[2] for name in names if name.startswith(f"{stem}-")]
    return f"{stem}-{max((int(t) for t in taken if t.isdigit()), default=0) + 1:03d}"


def check_folder(folder: Path) -> None:
    """Raise unless studies can be kept safely under this folder.

    Raises:
        StudyError: it cannot be written, or is on a network file system.
    """
    import psutil

    there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not os.access(there, os.W_OK | os.X_OK) or not there.is_dir():
        raise StudyError(
            f"folder {folder}: must be a folder that can be written; got {there}, which is not; "
            "allowed: another study.folder, or other permissions"
        )
    mounts = {p.mountpoint: p.fstype for p in psutil.disk_partitions(all=True)}
    refuse_network(there, mounts)


def refuse_network(folder: Path, mounts: Mapping[str, str]) -> None:
    """Raise if a folder lies on a network file system, by the mounts (mount point -> kind).

    Raises:
        StudyError: it does; which kind.
    """
    mount = next((p for p in (folder.resolve(), *folder.resolve().parents) if str(p) in mounts), "")
    kind = mounts.get(str(mount), "")
    if kind in NETWORK_FILE_SYSTEMS:
        raise StudyError(
            f"folder {folder}: SQLite needs a local disk; got a network file system ({kind}); "
            "allowed: study.folder=/a/local/disk"
        )


class DriverLock:
    """One driver a study: a kernel lock on a file, gone with its process.

    The file names host and pid of the holder; its being there means nothing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path / "driver.lock"
        self._file: int | None = None

    def acquire(self) -> None:
        """Become the driver.

        Raises:
            StudyError: another process is; its host and pid.
        """
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if not _locked(self._file):
            self.release()
            raise StudyError(
                f"study {self._path.parent.name}: one driver at a time; got a second, while "
                f"{driver(self._path.parent) or 'another process'} runs it; allowed: wait for it, "
                "or stop it first"
            )
        os.ftruncate(self._file, 0)
        os.write(self._file, json.dumps([socket.gethostname(), os.getpid()]).encode())

    def release(self) -> None:
        """Stop being the driver."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _locked(file: int) -> bool:
    """Whether the lock could be had; `nas status` may hold it for a moment."""
    for _ in range(10):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return True
    return False


def driver(path: Path) -> str:
    """Host and pid of the process that drives the study now, or an empty string."""
    try:
        file = os.open(path / "driver.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        host, pid = json.loads(os.read(file, 1000) or b'["?", 0]')
        return f"pid {pid} on {host}"
    finally:
        os.close(file)
    return ""
