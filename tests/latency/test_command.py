"""A user's program that times ONNX files in the order it is given."""

import json
import os
import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from architectures import network

from nas.errors import MeasurementError, SettingsError, TargetError
from nas.latency.command import CommandWorker
from nas.latency.instrument import Instrument
from nas.latency.levels import BLOCKS, SCREEN
from nas.latency.process import WorkerLostError
from nas.latency.seat import Patience
from nas.latency.target import target_of
from nas.settings import TargetSettings

PROGRAM = """
import json, os, sys
manifest = json.load(open(sys.argv[-1]))
with open(os.environ["SEEN"], "a") as file:
    file.write(json.dumps(manifest) + "\\n")
times = []
for name, count in manifest["calls"]:
    # As long as the file is: a network of twice the weights takes twice the time.
    times.append([os.path.getsize(manifest["networks"][name]) / 1e4] * count)
state = {"celsius": 41, "governor": "walt"}
answer = {"device": "board", "cores": 4, "times_ms": times, "state": state}
"""

REAL = """
import json, sys, time
import numpy, onnxruntime
manifest = json.load(open(sys.argv[-1]))
run, outputs = {}, {}
for name, path in manifest["networks"].items():
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    image = numpy.random.RandomState(0).standard_normal(manifest["shapes"][name])
    run[name] = (session, {"image": image.astype("float32")})
    outputs[name] = session.run(None, run[name][1])[0].ravel().tolist()
times = []
for name, count in manifest["calls"]:
    session, feed = run[name]
    group = []
    for _ in range(count):
        start = time.perf_counter()
        session.run(None, feed)
        group.append((time.perf_counter() - start) * 1e3)
    times.append(group)
answer = {"device": "board", "cores": 4, "times_ms": times, "outputs": outputs}
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Settings whose command is a program with these last lines."""
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))

    def write(last="print(json.dumps(answer))", body=PROGRAM):
        path = tmp_path / "measure_on_board.py"
        path.write_text(body + last)
        return TargetSettings(where="command", command=[sys.executable, str(path)])

    return write


def test_its_times_are_what_is_reported(program, tmp_path):
    target = target_of(program())
    assert target.where == "command:measure_on_board.py"
    assert target.machine == "board-4c"
    assert target.clock == "wall"
    with Instrument(target, reference=network(2)) as instrument:
        found = instrument.measure(network(12))
        sizes = json.loads((tmp_path / "seen").read_text().splitlines()[-1])["networks"]
    assert found.ratio > 2
    assert found.ms == pytest.approx(found.ratio * found.reference_ms)
    assert (found.conditions["celsius"], found.conditions["governor"]) == (41, "walt")
    assert len(sizes) == 3  # the reference, its duplicate and the candidate
    # Nothing of the candidates is left.
    assert not any(map(os.path.exists, sizes.values()))


def test_every_turn_stands_between_two_reference_calls(program, tmp_path):
    with Instrument(target_of(program()), reference=network(2)) as instrument:
        instrument.measure(network(12))
    calls = json.loads((tmp_path / "seen").read_text().splitlines()[-1])["calls"]
    assert len(calls) % 6 == 0
    candidates = set()
    for turn in range(0, len(calls), 6):
        before, untimed, first, second, again, after = calls[turn : turn + 6]
        assert before == after
        assert before[0] == again[0] == "reference"
        assert untimed[0] == first[0]
        assert untimed[1] >= 1
        assert again[1] >= 1
        assert first == second
        candidates.add(first[0])
    assert candidates == {"duplicate", network(12).fingerprint}


def test_a_network_without_quiet_turns_is_run_three_times_a_block_once(program, tmp_path):
    # Reference and candidate are never near their fastest in the same of the six parts of a turn.
    last = "answer['times_ms'] = [[t * (1 + n % 5) for t in one] for n, one in enumerate(times)]\n"
    target, schedules = target_of(program(last + "print(json.dumps(answer))")), []
    with Instrument(target, reference=network(2)) as instrument:
        for wanted in (SCREEN, BLOCKS):
            (tmp_path / "seen").unlink()
            instrument.measure(network(12), level=wanted)
            asked = [json.loads(line)["calls"] for line in (tmp_path / "seen").open()]
            schedules.append(sum(len(calls) > 2 for calls in asked))  # a network is loaded by two
    assert schedules == [3, 1]


@pytest.mark.slow
def test_a_program_that_really_runs_the_networks_is_checked_against_eager(program):
    settings = program(body=REAL)
    with Instrument(target_of(settings), reference=network(2)) as instrument:
        assert instrument.measure(network(12)).ratio > 1.5
    lying = program(
        "outputs = {n: [v + 1 for v in o] for n, o in outputs.items()}\n"
        "print(json.dumps({**answer, 'outputs': outputs}))",
        body=REAL,
    )
    with pytest.raises(MeasurementError, match="outputs must be eager's"):
        Instrument(target_of(lying), reference=network(2))


@pytest.mark.parametrize(
    ("last", "told"),
    [
        ("print('hello')", "no JSON object: 'hello"),
        ("print('[1]')", "no JSON object"),
        ("sys.exit('the phone is locked')", "exit status 1: the phone is locked"),
    ],
)
def test_a_program_that_prints_nonsense_or_fails_is_told_before_anything_starts(
    program, last, told
):
    with pytest.raises(TargetError, match=told):
        target_of(program(last))


@pytest.mark.parametrize(
    ("last", "told"),
    [
        ("answer['times_ms'] = [[-1.0] * len(t) for t in times]", "times that are not above 0"),
        ("answer['times_ms'] = [[float('nan')] * len(t) for t in times]", "not above 0"),
        ("answer['times_ms'] = [['fast'] * len(t) for t in times]", "not above 0"),
        ("answer['times_ms'] = times[:-1]", "where .* were asked for"),
        ("answer['state'] = {'celsius': 'hot'}", "a state that is no object of numbers"),
        ("answer['state'] = {'governor': 5}", "a state whose governor is no word"),
    ],
)
def test_impossible_times_are_told(program, last, told):
    settings = program(f"{last}\nprint(json.dumps(answer))")
    with pytest.raises(MeasurementError, match=told):
        Instrument(target_of(settings), reference=network(2))


def test_a_program_that_is_not_there_is_told():
    settings = TargetSettings(where="command", command=["/nowhere/measure"])
    with pytest.raises(TargetError, match="must be a program that starts; got /nowhere/measure"):
        target_of(settings)


ADB = """
import os, sys
words = sys.argv[1:]
with open(os.environ["SEEN"], "a") as file:
    print(*words, file=file)
if "getprop" in words:
    print("Pixel 8")
elif "nproc" in words:
    print(8)
elif "cat" in words:
    print(41000)
elif words[0] == "shell" and "benchncnn" in words[1]:
    print("num_threads = 1\\n     x.ncnn.param  min =    4.90  max =    5.10  avg =    5.00",
          file=sys.stderr)
elif words[0] == "shell":
    print("count=3 first=9100 curr=9000 min=9000 max=9100 avg=9050 std=50", file=sys.stderr)
    print("count=5 first=5100 curr=5000 min=4900 max=5100 avg=5.0e+03 std=80", file=sys.stderr)
"""
CONVERTER = """
import os, sys
folder = sys.argv[sys.argv.index("-o") + 1]
os.mkdir(folder)
open(os.path.join(folder, os.path.basename(folder) + "_float32.tflite"), "w").close()
"""
PNNX = """
import sys
assert sys.argv[2] == "inputshape=[1,3,8,16]"
open(sys.argv[1].removesuffix(".onnx") + ".ncnn.param", "w").close()
"""


@pytest.mark.parametrize(
    ("tool", "pushed", "asked"),
    [
        ("litert", "0-a_float32.tflite", "benchmark_model --graph=/data/local/tmp/0-a "
         "--warmup_runs=3 --warmup_min_secs=0 --min_secs=0 --num_threads=1 --num_runs=2"),
        ("ncnn", "0-a.ncnn.param", "benchncnn 2 1 2 -1 0 param=/data/local/tmp/0-a shape=[16,8,3]"),
    ],
)  # fmt: skip
def test_the_documented_program_for_phones_keeps_the_contract(
    tmp_path, monkeypatch, tool, pushed, asked
):
    # Phone and converters are stood in for; what they are asked and how they answer is documented.
    page = (Path(__file__).parents[2] / "docs" / "latency.md").read_text()
    (text,) = [one for one in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "adb" in one]
    (tmp_path / "phone.py").write_text(text)
    for name, body in (("adb", ADB), ("onnx2tf", CONVERTER), ("pnnx", PNNX)):
        (tmp_path / name).write_text(f"#!{sys.executable}\n{body}")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    program = [sys.executable, str(tmp_path / "phone.py"), tool]
    target = target_of(TargetSettings(where="command", command=program))
    assert target.machine == "Pixel-8-8c"
    worker = CommandWorker(target.reach, threads=1)
    request = {"do": "load", "name": "a", "shape": [1, 3, 8, 16]}
    assert worker.ask(request, content=b"network", seconds=60)["ns"] == pytest.approx(5e6)
    request = {
        "do": "time", "schedule": [["a"]], "reference": "a",
        "repeats": {"a": 2}, "untimed": {"a": 3},
    }  # fmt: skip
    found = worker.ask(request, seconds=60)
    worker.close()
    assert found["states"] == [{"celsius": 41.0}]
    assert [len(group[0]) for group in found["samples"][0][3]] == [2, 2]
    seen = (tmp_path / "seen").read_text()
    assert seen.count("push") == 1  # converted and copied once
    assert f"{pushed} /data/local/tmp/0-a\n" in seen
    assert f"shell /data/local/tmp/{asked}\n" in seen


LOCKED = """
if os.path.exists(os.environ["SEEN"] + ".locked"):
    sys.exit("the phone is locked")
print(json.dumps(answer))
"""


def test_a_program_that_fails_for_a_while_is_waited_for(program, tmp_path):
    told, back = [], []
    locked = tmp_path / "seen.locked"

    def unlock(waiting):
        told.append(waiting)
        if len(told) == 2:
            locked.unlink()

    meanwhile = []
    patience = Patience(
        unlock, back.append, meanwhile=lambda: meanwhile.append(len(told)), first_pause=0.05
    )
    target = target_of(program(LOCKED))
    with Instrument(target, reference=network(2), patience=patience) as instrument:
        locked.touch()
        assert instrument.measure(network(12)).ratio > 2
    assert [one.tries for one in told] == [3, 4]
    assert [one.pause for one in told] == [0.05, 0.1]
    assert "the phone is locked" in told[0].reason
    assert back == told[1:]
    # Between two tries, never while a program is timed.
    assert set(meanwhile) == {1, 2}


def test_a_program_that_hangs_is_given_up_when_that_is_asked(program, tmp_path):
    class GivenUpError(Exception):
        pass

    def check():
        if (tmp_path / "seen.hangs").exists():
            raise GivenUpError

    hanging = """
if len(open(os.environ["SEEN"]).readlines()) > 4:
    open(os.environ["SEEN"] + ".hangs", "w").close()
    import time
    time.sleep(600)
print(json.dumps(answer))
"""
    patience = Patience(lambda _: None, check=check)
    with pytest.raises(GivenUpError):
        Instrument(target_of(program(hanging)), reference=network(2), patience=patience)


def test_a_command_without_a_program_is_a_settings_error():
    with pytest.raises(SettingsError, match=r"target.command"):
        TargetSettings(where="command")


def test_a_torch_runtime_cannot_be_sent_elsewhere():
    with pytest.raises(SettingsError, match=r"target.where=command sends ONNX files"):
        TargetSettings(where="command", command=["x"], runtime="eager")


def test_a_program_that_hangs_is_ended_and_told(program, tmp_path):
    hang = """
if manifest["calls"]:
    import subprocess
    child = subprocess.Popen(["sleep", "600"])
    with open(os.environ["SEEN"] + ".child", "w") as file:
        file.write(str(child.pid))
    child.wait()
print(json.dumps(answer))
"""
    settings = replace(program(hang), timeout=3.0)
    worker = CommandWorker(target_of(settings).reach, threads=1)
    request = {"do": "load", "name": "folder/own.py:make@1x8x8", "shape": [1]}
    with pytest.raises(WorkerLostError, match=r"target\.timeout; got no answer within 3 s"):
        worker.ask(request, content=b"network", seconds=600)
    worker.close()
    # So is what it had started: an adb that hangs would keep the phone busy.
    child = Path("/proc", (tmp_path / "seen.child").read_text(), "stat")
    deadline = time.monotonic() + 60
    while child.exists() and child.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.05)
