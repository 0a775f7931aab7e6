"""A real sshd on this machine, as a device that can go away and come back."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from nas.settings import TargetSettings

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


class Device:
    """An sshd with keys of its own, which can go away and come back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("host", "user"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)],
                check=True,
            )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (folder / "config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\n"
            f"AuthorizedKeysFile {folder}/user.pub\nPidFile {folder}/pid\nStrictModes no\n"
            "UsePAM no\nPasswordAuthentication no\n"
        )
        key = (folder / "host.pub").read_text().split()
        (folder / "known").write_text(f"[127.0.0.1]:{self.port} {key[0]} {key[1]}\n")
        self.process = None

    def up(self):
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # sshd of root insists on its empty folder
        self.process = subprocess.Popen(
            [SSHD, "-D", "-f", str(self.folder / "config")],
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        until = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert time.monotonic() < until, "sshd does not listen"
            time.sleep(0.05)

    def down(self):
        if self.process is None:
            return
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        self.process.wait()
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):  # a session may end by itself
                one.kill()
        self.process = None

    def settings(self, **more):
        options = [
            "-p", str(self.port), "-i", str(self.folder / "user"), "-o", "IdentitiesOnly=yes",
            "-o", f"UserKnownHostsFile={self.folder / 'known'}", "-F", "none",
        ]  # fmt: skip
        values = {
            "where": "ssh",
            "host": f"{getpass.getuser()}@127.0.0.1",
            "ssh_options": options,
            "python": sys.executable,
        }
        return TargetSettings(**{**values, **more})


def started(folder: Path) -> Device:
    """An sshd that listens; the test is skipped where there is none, but not in CI."""
    if SSHD is None or shutil.which("ssh") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI must have openssh-server")
        # A server that listens is not for everybody to install; CI always has it.
        pytest.skip("openssh-server is not installed")
    device = Device(folder)
    device.up()
    return device
