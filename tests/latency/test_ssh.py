"""The device itself, over a real sshd on this machine."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from nas.architecture import Architecture, HeadSpec, StemSpec, UnitSpec
from nas.errors import SettingsError, TargetError
from nas.latency.instrument import Instrument
from nas.latency.runtimes import prepare
from nas.latency.seat import Patience, Seat
from nas.latency.subject import subject
from nas.latency.target import target_of
from nas.settings import TargetSettings

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def network(depth):
    return Architecture(
        input=(1, 8, 8),
        stem=StemSpec(24, stride=1, pool=False),
        units=(UnitSpec("shuffle_v2", 48, stride=2), *[UnitSpec("shuffle_v2", 48)] * depth),
        head=HeadSpec(),
        classes=10,
    )


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
        until = time.monotonic() + 10
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


@pytest.fixture
def device(tmp_path):
    if SSHD is None or shutil.which("ssh") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI must have openssh-server")
        pytest.skip("openssh-server is not installed")
    device = Device(tmp_path)
    device.up()
    yield device
    device.down()


@pytest.mark.slow
def test_a_device_over_ssh_gives_the_numbers_of_the_machine_it_is(device):
    remote, here = target_of(device.settings()), target_of(TargetSettings())
    assert remote.key != here.key
    assert remote.machine == here.machine
    assert remote.where == "ssh:127.0.0.1"
    found = []
    for target in (remote, here):
        with Instrument(target, reference=network(4)) as instrument:
            found.append(instrument.measure(network(12)))
    assert found[0].ratio_low < found[1].ratio_high
    assert found[1].ratio_low < found[0].ratio_high
    assert found[0].ratio > 1.5


def test_a_device_that_goes_away_is_waited_for(device):
    told = []
    target = target_of(device.settings())
    prepared = prepare(subject(network(1)), target)
    seat = Seat(target, {"reference": prepared}, patience=Patience(told.append, first_pause=0.2))
    repeats = {"reference": 1}
    assert len(seat.time({}, [["reference"]], repeats)[0]) == 1
    device.down()
    back = threading.Timer(2.0, device.up)
    back.start()
    began = time.time()
    assert len(seat.time({}, [["reference"]], repeats)[0]) == 1  # by itself
    seat.close()
    back.join()
    assert told[0].tries == 3
    assert began - 1 < told[0].since < time.time()
    pauses = [one.pause for one in told]
    assert pauses == [0.2 * 2**n for n in range(len(told))]


def test_waiting_may_be_given_up(device):
    class GivenUpError(Exception):
        pass

    def give_up(waiting):
        raise GivenUpError(waiting.reason)

    target = target_of(device.settings())
    seat = Seat(
        target, {"reference": prepare(subject(network(1)), target)}, patience=Patience(give_up)
    )
    seat.load({})
    device.down()
    with pytest.raises(GivenUpError, match="Connection refused"):
        seat.time({}, [["reference"]], {"reference": 1})


def test_a_key_that_is_not_accepted_is_told_at_once(device, tmp_path):
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True
    )
    settings = device.settings()
    options = [str(tmp_path / "other") if o.endswith("/user") else o for o in settings.ssh_options]
    with pytest.raises(TargetError, match=r"target ssh:127.0.0.1: .*Permission denied"):
        target_of(device.settings(ssh_options=options))


def test_an_unknown_host_is_told_at_once():
    settings = TargetSettings(where="ssh", host="nowhere.invalid", ssh_options=["-F", "none"])
    with pytest.raises(TargetError, match=r"target ssh:nowhere.invalid: .*resolve"):
        target_of(settings)


def test_a_host_whose_key_changed_is_told_at_once(device, tmp_path):
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "new")], check=True
    )
    key = (tmp_path / "new.pub").read_text().split()
    (tmp_path / "known").write_text(f"[127.0.0.1]:{device.port} {key[0]} {key[1]}\n")
    with pytest.raises(TargetError, match="Host key verification failed"):
        target_of(device.settings())


def test_a_device_without_that_python_is_told(device):
    with pytest.raises(TargetError, match="no-such-python"):
        target_of(device.settings(python="no-such-python"))


def test_ssh_without_a_host_is_a_settings_error():
    with pytest.raises(SettingsError, match=r"target.host: target.where=ssh needs a host"):
        TargetSettings(where="ssh")


def test_a_host_that_looks_like_an_option_is_refused():
    with pytest.raises(SettingsError, match=r"target.host"):
        TargetSettings(where="ssh", host="-oProxyCommand=true")
