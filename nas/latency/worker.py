"""The measuring process: one file that runs alone, here or on a device, and needs no torch.

It reads requests from its input, one JSON object a line, followed by as many raw bytes as the
object's "bytes" says (the network), and answers each with one JSON line: {"ok": true, ...} or
{"ok": false, "kind": ..., "error": ...}. It decides nothing: which network runs when is in the
request, what the times mean is worked out by who asked.

    hello   threads, device, pin, parent        -> versions, machine
    load    name, runtime, shape, seed, bytes   -> outputs, ns (of a warm call)
    time    schedule, reference, repeats, untimed, shared  -> samples, states
    drop    names                               -> {}
    profile runtime, shape, seed, calls, bytes  -> operators

Only Python 3.9, numpy and the runtime asked for are needed: a device may have no more. It stays
one file, longer than the others here, because it is sent to a device whole.
"""

from __future__ import annotations

import base64
import ctypes
import gc
import glob
import importlib
import io
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

Call = Callable[[], Any]
Read = Callable[[Any], list[Any]]
Timer = Callable[[Call, int], list[Any]]

WARM_UP = 5
NETWORKS: dict[str, tuple[Call, Read, Timer, list[Any]]] = {}
OPTIONS: dict[str, Any] = {}


class RefusedError(Exception):
    """A request that cannot be met; `kind` tells who asked what to make of it."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


# --- the runtimes: bytes and an image in, a call that runs the network once out ----------------


def load_onnxruntime(content: bytes, image: Any, request: dict[str, Any]) -> tuple[Call, Read]:
    """An ONNX network under ONNX Runtime on the CPU."""
    onnxruntime = importlib.import_module("onnxruntime")
    settings = _session_options()
    session = onnxruntime.InferenceSession(content, settings, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    feed = {session.get_inputs()[0].name: image}
    return (lambda: session.run(names, feed)), list


def _session_options() -> Any:
    settings = importlib.import_module("onnxruntime").SessionOptions()
    settings.intra_op_num_threads = OPTIONS["threads"]
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 3
    settings.add_session_config_entry("session.set_denormal_as_zero", "1")
    return settings


def _torch() -> Any:
    import torch

    if "inference" not in OPTIONS:
        torch.set_num_threads(OPTIONS["threads"])
        torch.set_flush_denormal(True)
        torch.backends.cudnn.benchmark = True
        # float32 is float32 on a GPU too: cuDNN computes in ten bits of mantissa otherwise.
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        # For the life of the process: entering it for every call would be timed with the call.
        # (Kept: the mode ends with the object.)
        OPTIONS["inference"] = torch.inference_mode()
        OPTIONS["inference"].__enter__()
    return torch


def _torch_image(image: Any, request: dict[str, Any]) -> Any:
    torch = _torch()
    layout = torch.channels_last if request["channels_last"] else torch.contiguous_format
    at = torch.from_numpy(image).to(OPTIONS["device"], getattr(torch, request["dtype"]))
    return at.contiguous(memory_format=layout)


def _torch_arrays(outputs: Any) -> list[Any]:
    many = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    return [one.detach().float().cpu().numpy() for one in many]


def _eager(content: bytes) -> Any:
    torch = _torch()
    module = torch.load(io.BytesIO(content), weights_only=False, map_location=OPTIONS["device"])
    module.eval()
    if any(part.training for part in module.modules()) or torch.is_grad_enabled():
        raise RefusedError("assert", "the module must be in eval mode and gradients off")
    return module


def load_eager(content: bytes, image: Any, request: dict[str, Any]) -> tuple[Call, Read]:
    """A pickled torch module, run as it is."""
    module, at = _eager(content), _torch_image(image, request)
    return _graphed(lambda: module(at), request), _torch_arrays


def load_compile(content: bytes, image: Any, request: dict[str, Any]) -> tuple[Call, Read]:
    """A pickled torch module, compiled for this input."""
    module, at = _eager(content), _torch_image(image, request)
    compiled = _torch().compile(module, fullgraph=True, dynamic=False)
    compiled(at)
    return _graphed(lambda: compiled(at), request), _torch_arrays


def load_jit(content: bytes, image: Any, request: dict[str, Any]) -> tuple[Call, Read]:
    """A frozen TorchScript module."""
    torch, at = _torch(), _torch_image(image, request)
    module = torch.jit.load(io.BytesIO(content), map_location=OPTIONS["device"])
    return _graphed(lambda: module(at), request), _torch_arrays


def load_program(content: bytes, image: Any, request: dict[str, Any]) -> tuple[Call, Read]:
    """A program of torch.export."""
    torch, at = _torch(), _torch_image(image, request)
    module = torch.export.load(io.BytesIO(content)).module()
    return _graphed(lambda: module(at), request), _torch_arrays


def _graphed(call: Call, request: dict[str, Any]) -> Call:
    """The call as one CUDA graph, if that is asked for."""
    if not request["cuda_graphs"]:
        return call
    torch = _torch()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = call()

    def replay() -> Any:
        graph.replay()
        return outputs

    return replay


def load_openvino(content: bytes, image: Any, request: dict[str, Any]) -> tuple[Call, Read]:
    """An ONNX network under OpenVINO on the CPU, in float32."""
    openvino = importlib.import_module("openvino")
    model = openvino.Core().compile_model(
        openvino.Core().read_model(io.BytesIO(content)),
        "CPU",
        {
            "INFERENCE_NUM_THREADS": OPTIONS["threads"],
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
        },
    )
    infer = model.create_infer_request()
    feed = {0: image}
    return (lambda: infer.infer(feed)), lambda outputs: list(outputs.values())


LOADERS = {
    "onnxruntime": load_onnxruntime,
    "openvino": load_openvino,
    "eager": load_eager,
    "jit": load_jit,
    "compile": load_compile,
    "program": load_program,
}


# --- clocks ------------------------------------------------------------------------------------


def _usage() -> tuple[int, int]:
    """Involuntary switches and minor faults of this thread so far, where the system tells."""
    try:
        import resource

        usage = resource.getrusage(resource.RUSAGE_THREAD)
    except (ImportError, AttributeError):
        return 0, 0
    return usage.ru_nivcsw, usage.ru_minflt


def time_on_cpu(call: Call, count: int) -> list[Any]:
    """[[CPU ns of this thread in each call], switches, minor faults, [wall ns of each call]]."""
    cpus, walls = [], []
    switches, faults = _usage()
    for _ in range(count):
        cpu = time.thread_time_ns()
        start = time.perf_counter_ns()
        call()
        walls.append(time.perf_counter_ns() - start)
        cpus.append(time.thread_time_ns() - cpu)
    switches_after, faults_after = _usage()
    return [cpus, switches_after - switches, faults_after - faults, walls]


def time_on_cuda(call: Call, count: int) -> list[Any]:
    """The same with the time between two CUDA events, in ns, in the place of the CPU time."""
    torch = _torch()
    walls, device = [], []
    switches, faults = _usage()
    for _ in range(count):
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        start = time.perf_counter_ns()
        first.record()
        call()
        last.record()
        last.synchronize()
        walls.append(time.perf_counter_ns() - start)
        device.append(int(first.elapsed_time(last) * 1e6))
    switches_after, faults_after = _usage()
    return [device, switches_after - switches, faults_after - faults, walls]


# --- what is asked -----------------------------------------------------------------------------


def hello(request: dict[str, Any], content: bytes) -> dict[str, Any]:
    """Settle into the options of the target; say what this machine is."""
    OPTIONS.update(threads=request["threads"], device=request["device"], parent=request["parent"])
    if request["parent"] is not None:
        _end_with_parent(request["parent"], request["main_thread"])
    cores, pinned = os.cpu_count(), None
    if hasattr(os, "sched_getaffinity"):
        allowed = os.sched_getaffinity(0)
        cores = len(allowed)
        if request["pin"]:
            pinned = max(allowed)  # interrupts tend to be served by the first
            os.sched_setaffinity(0, [pinned])
    return {
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "system": platform.platform(),
        },
        "processor": processor(),
        "cores": cores,
        "pinned": pinned,
    }


def processor() -> str:
    """The processor's name."""
    names = ("model name", "Model", "Hardware")
    try:
        with open("/proc/cpuinfo") as file:
            lines = [line.partition(":") for line in file]
    except OSError:
        lines = []  # not Linux: what Python knows has to do
    found = {key.strip(): value.strip() for key, _, value in lines}
    for name in names:
        if found.get(name):
            return found[name]
    return platform.processor() or platform.machine()


def _said(path: str) -> str:
    """What a file of the system says; nothing where it is not told."""
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""


def _end_with_parent(parent: int, main_thread: bool) -> None:
    # The kernel sends the signal when the *thread* that started us ends, so it is asked for only
    # where that is the main thread; elsewhere the end of our input and `_orphan_check` do it.
    if sys.platform == "linux" and main_thread:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    _orphan_check()


def _orphan_check() -> None:
    if OPTIONS["parent"] is not None and os.getppid() != OPTIONS["parent"]:
        os._exit(0)


def load(request: dict[str, Any], content: bytes) -> dict[str, Any]:
    """Load a network, run it untimed, warm it up; give its outputs and the time of a warm call."""
    runtime = request["runtime"]
    if runtime not in LOADERS:
        raise RefusedError("runtime", f"unknown runtime {runtime!r}; this worker has {[*LOADERS]}")
    # The stream of RandomState is frozen for all versions of numpy: who asked draws the same.
    image = np.random.RandomState(request["seed"]).standard_normal(request["shape"])
    try:
        call, read = LOADERS[runtime](content, image.astype(np.float32), request)
    except ImportError as error:
        raise RefusedError("missing", str(error)) from error
    timer = time_on_cuda if OPTIONS["device"].startswith("cuda") else time_on_cpu
    start = time.perf_counter_ns()
    first = call()
    first_ns = time.perf_counter_ns() - start
    outputs = [np.array(one, dtype=np.float32) for one in read(first)]
    warm = [timer(call, 1)[3][0] for _ in range(WARM_UP)]
    if timer is time_on_cuda:
        until = time.perf_counter() + 0.2  # clocks of a GPU rise under load
        while time.perf_counter() < until:
            warm.append(timer(call, 1)[3][0])
    NETWORKS[request["name"]] = (call, read, timer, outputs)
    return {
        "outputs": [{"shape": one.shape, "data": _encode(one)} for one in outputs],
        "first_ns": first_ns,
        "ns": min(warm[1:]),
        "version": _version(runtime),
    }


def _encode(array: Any) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


def _version(runtime: str) -> str:
    module = sys.modules.get(runtime) or sys.modules.get("torch")
    return f"{getattr(module, '__name__', '')} {getattr(module, '__version__', '?')}"


def time_schedule(request: dict[str, Any], content: bytes) -> dict[str, Any]:
    """Run the schedule: reference | untimed | timed twice | untimed reference | reference.

    What comes after another network finds the caches full of that one's weights. So the first calls
    after a change are never timed (`untimed` says how many), the reference's as little as the
    candidate's: without its own untimed call a duplicate of the reference came out 7 % faster.
    With `shared` the reference call after a candidate is the one before the next, too.
    """
    repeats, untimed = request["repeats"], request["untimed"]
    samples, states = [], []
    reference, _, timer, _ = NETWORKS[request["reference"]]
    often = repeats[request["reference"]]
    reference()
    after = None
    for number, names in enumerate(request["schedule"]):
        _orphan_check()
        states.append(state())
        for name in names:
            call, count = NETWORKS[name][0], repeats[name]
            before = after if after and request["shared"] else timer(reference, often)
            for _ in range(untimed[name]):
                call()
            calls = [timer(call, count), timer(call, count)]
            for _ in range(untimed[request["reference"]]):
                reference()
            after = timer(reference, often)
            samples.append([number, name, before, calls, after])
    for name in repeats:
        _check_same(name)
    return {"samples": samples, "states": states}


def _check_same(name: str) -> None:
    """What was timed under a name still gives what that name gave when it was loaded."""
    call, read, _, outputs = NETWORKS[name]
    for before, now in zip(outputs, read(call())):  # noqa: B905  # strict needs Python 3.10
        scale = float(np.abs(before).max()) or 1.0
        if not np.allclose(before, now, rtol=0, atol=1e-3 * scale):
            raise RefusedError("outputs", f"the outputs of {name} changed while it was timed")


def profile(request: dict[str, Any], content: bytes) -> dict[str, Any]:
    """Where the time of a call goes: ns by the kind of operator, as the runtime counts it."""
    runtime = request["runtime"]
    if runtime not in PROFILERS:
        raise RefusedError("runtime", f"{runtime} tells no operators; {[*PROFILERS]} do")
    image = np.random.RandomState(request["seed"]).standard_normal(request["shape"])
    try:
        found = PROFILERS[runtime](content, image.astype(np.float32), request)
    except ImportError as error:
        raise RefusedError("missing", str(error)) from error
    return {"operators": found}


def profile_onnxruntime(content: bytes, image: Any, request: dict[str, Any]) -> dict[str, float]:
    """By ONNX Runtime's own profile: the median of each node, added up by operator."""
    with tempfile.TemporaryDirectory() as folder:
        settings = _session_options()
        settings.enable_profiling = True
        settings.profile_file_prefix = os.path.join(folder, "profile")
        onnxruntime = importlib.import_module("onnxruntime")
        session = onnxruntime.InferenceSession(
            content, settings, providers=["CPUExecutionProvider"]
        )
        feed = {session.get_inputs()[0].name: image}
        for _ in range(WARM_UP + request["calls"]):
            session.run(None, feed)
        with open(session.end_profiling()) as file:
            events = json.load(file)
    nodes: dict[tuple[str, str], list[float]] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            nodes.setdefault((event["name"], event["args"]["op_name"]), []).append(event["dur"])
    found: dict[str, float] = {}
    for (_, operator), durations in nodes.items():
        found[operator] = found.get(operator, 0.0) + 1e3 * float(np.median(durations))
    return found


def profile_torch(content: bytes, image: Any, request: dict[str, Any]) -> dict[str, float]:
    """By torch's profiler: the time an operator spends itself, of all calls, by operator."""
    torch = _torch()
    call, _ = LOADERS[request["runtime"]](content, image, request)
    for _ in range(WARM_UP):
        call()
    with torch.profiler.profile() as profiler:
        for _ in range(request["calls"]):
            call()
    return {
        event.key: 1e3 * event.self_cpu_time_total / request["calls"]
        for event in profiler.key_averages()
        if event.key.startswith("aten::")
    }


PROFILERS = {"onnxruntime": profile_onnxruntime, "eager": profile_torch, "jit": profile_torch}


def state(system: str = "/sys") -> dict[str, Any]:
    """Frequency, temperature, governor, throttling and load, where the system tells.

    `cooling`: steps by which the kernel holds clocks down against heat; `throttled`: how often the
    processor did so itself, all its cores since it was started.
    """
    cpus, thermal = system + "/devices/system/cpu/cpu*/", system + "/class/thermal/"
    found: dict[str, Any] = {}
    for name, pick, unit, pattern in (
        ("mhz", max, 1e-3, cpus + "cpufreq/scaling_cur_freq"),
        ("celsius", max, 1e-3, thermal + "thermal_zone*/temp"),
        ("cooling", sum, 1.0, thermal + "cooling_device*/cur_state"),
        ("throttled", sum, 1.0, cpus + "thermal_throttle/core_throttle_count"),
    ):
        values = []
        for path in glob.glob(pattern):
            try:
                values.append(float(_said(path)) * unit)
            except ValueError:
                continue  # a sensor that answers nothing tells nothing
        if values:
            found[name] = pick(values)
    governor = _said(system + "/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if governor:
        found["governor"] = governor
    if hasattr(os, "getloadavg"):
        found["load"] = os.getloadavg()[0]
    return found


def drop(request: dict[str, Any], content: bytes) -> dict[str, Any]:
    """Forget networks."""
    for name in request["names"]:
        NETWORKS.pop(name, None)
    gc.collect()  # collection is off while anything is timed
    return {}


REQUESTS = {
    "hello": hello,
    "load": load,
    "time": time_schedule,
    "drop": drop,
    "profile": profile,
}


def answer(request: dict[str, Any], content: bytes) -> dict[str, Any]:
    """The reply to one request; whatever goes wrong in it is told, not raised."""
    try:
        return {"ok": True, **REQUESTS[request["do"]](request, content)}
    except RefusedError as error:
        return {"ok": False, "kind": error.kind, "error": str(error)}
    except MemoryError:
        return {"ok": False, "kind": "memory", "error": "out of memory"}
    except Exception as error:
        text = " ".join(str(error).split())[:600]
        return {"ok": False, "kind": "failed", "error": f"{type(error).__name__}: {text}"}


def main(requests: BinaryIO) -> None:
    """Answer until the input ends."""
    # Whatever a runtime prints must not stand between two replies.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who asked
    gc.disable()
    while True:
        line = requests.readline()
        if not line:
            return
        request = json.loads(line)
        content = requests.read(request.get("bytes", 0))
        replies.write(json.dumps(answer(request, content)) + "\n")
        replies.flush()


if __name__ == "__main__":
    main(sys.stdin.buffer)
