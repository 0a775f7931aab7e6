"""A PostgreSQL server of a test's own: Debian's, in a temporary folder, as an unprivileged user."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PASSWORD = "pa55word"


def programs() -> Path:
    """Where the server's programs are; skips the test where there are none, but not in CI."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if found:
        return found[-1].parent
    if os.environ.get("CI") == "true":
        pytest.fail("PostgreSQL is not installed; CI needs Debian's package postgresql")
    # A server is not for everybody to install; CI always has it.
    pytest.skip("PostgreSQL is not installed (Debian: apt install postgresql)")


def unprivileged() -> dict[str, Any]:
    """For `subprocess`: the server refuses to run as root."""
    if os.getuid():
        return {}
    return {"user": "nobody", "group": "nogroup", "extra_groups": []}


class Server:
    """A running server."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self._number = 0

    def database(self) -> str:
        """The URI of a new empty database, with a password."""
        self._number += 1
        name = f"study{self._number}"
        host = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "nas"]
        environment = {**os.environ, "PGPASSWORD": PASSWORD}
        subprocess.run(
            [programs() / "createdb", *host, name],
            check=True, capture_output=True, timeout=60, env=environment,
        )  # fmt: skip
        return f"postgresql://nas:{PASSWORD}@127.0.0.1:{self.port}/{name}"


@contextmanager
def running() -> Iterator[Server]:
    """A server that ends with the block."""
    where, how = programs(), unprivileged()
    # Short: the path of a socket may have 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    secret, data = folder / "secret", folder / "data"
    secret.write_text(PASSWORD)
    if how:
        for path in (folder, secret):
            shutil.chown(path, how["user"], how["group"])
    initdb = ["initdb", "-D", data, "-U", "nas", "-A", "scram-sha-256", "--no-sync"]
    control = ["pg_ctl", "-D", data, "-l", folder / "log", "-w", "-t", "60"]
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    try:
        for words in (
            [*initdb, "-E", "UTF8", "--locale=C", f"--pwfile={secret}"],
            [*control, "-o", options, "start"],
        ):
            done = subprocess.run(
                [where / str(words[0]), *words[1:]],
                stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, cwd=folder, timeout=120,
                check=False, **how,
            )  # fmt: skip
            if done.returncode:
                log = folder / "log"
                pytest.fail(f"{words[0]} failed: {log.read_text() if log.exists() else ''}")
        yield Server(folder, port)
    finally:
        stop = [where / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"]
        subprocess.run(stop, capture_output=True, cwd=folder, timeout=60, check=False, **how)
        shutil.rmtree(folder, ignore_errors=True)
