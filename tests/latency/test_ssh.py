"""The device itself, over a real sshd on this machine."""

import math
import random
import subprocess
import threading
import time
from dataclasses import replace
from functools import partial

import pytest
from architectures import network
from sshd import started

from nas.errors import SettingsError, TargetError
from nas.latency.instrument import Instrument
from nas.latency.levels import SCREEN
from nas.latency.measuring import measure
from nas.latency.runtimes import prepare
from nas.latency.seat import DUPLICATE, REFERENCE, Patience, Seat
from nas.latency.subject import subject
from nas.latency.target import target_of
from nas.settings import TargetSettings


@pytest.fixture
def device(tmp_path):
    device = started(tmp_path)
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
    # Each within the other's interval, which is widened three times for a busy machine.
    apart = abs(math.log(found[0].ratio / found[1].ratio))
    for one in found:
        assert apart <= 3 * math.log(one.ratio_high / one.ratio_low) / 2
    assert found[0].ratio > 1.5


def test_a_device_that_goes_away_is_waited_for_and_the_seconds_of_that_are_no_measuring(device):
    told = []
    target = target_of(device.settings())
    prepared = prepare(subject(network(1)), target)
    always = {REFERENCE: prepared, DUPLICATE: prepared}
    seat = Seat(target, always, patience=Patience(told.append, first_pause=0.2))
    level = replace(SCREEN, most_rounds=8)
    run = partial(measure, [seat], {}, level=level, statistic="median", rng=random.Random(0))
    assert run().samples[0]
    assert seat.away == 0
    device.down()
    back = threading.Timer(2.0, device.up)
    back.start()
    began = time.time()
    found = run()  # by itself
    took = time.time() - began
    seat.close()
    back.join()
    assert found.samples[0]
    assert 1 < seat.away < took
    assert found.seconds <= took - seat.away + 0.05  # by another clock
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
