"""How a network is made ready for each runtime, and that it still gives the same outputs.

The driver's half: module to bytes, and the outputs to expect. The worker's half (bytes to a call)
is `nas.latency.worker.LOADERS`, under the same name.
"""

from __future__ import annotations

import base64
import importlib.util
import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import MeasurementError, TargetError, nearest
from nas.latency.subject import Subject, module_of

if TYPE_CHECKING:
    import torch
    from torch import nn

    from nas.latency.target import Target

SEED = 0
OPSET = 17

Arrays = list[NDArray[np.float32]]


@dataclass(frozen=True)
class Runtime:
    """One way to run a network.

    `serialise` turns a module in eval mode and an example input into what the worker's loader of
    the same name reads. `package` is what the worker imports, `install` the command that brings it.
    `tolerance`: the largest allowed difference of an output from eager's, as a share of the
    largest eager output (float32 rounding in another order stays below a thousandth).
    """

    name: str
    package: str
    install: str
    serialise: Callable[[nn.Module, torch.Tensor], bytes]
    devices: tuple[str, ...] = ("cpu",)
    memory_formats: tuple[str, ...] = ("contiguous",)
    tolerance: float = 1e-3
    load_seconds: float = 60.0


@dataclass(frozen=True)
class Prepared:
    """A network made ready: what the worker loads and what it has to give."""

    name: str
    content: bytes
    shape: tuple[int, ...]
    expected: Arrays
    seed: int = SEED


def to_onnx(module: nn.Module, example: torch.Tensor) -> bytes:
    """ONNX with the example's batch as the only one, by torch's quick exporter (0.2 s).

    Raises:
        MeasurementError: an operator of the module has no ONNX form; which.
    """
    import torch

    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the quick exporter is deprecated
        try:
            torch.onnx.export(
                module,
                (example,),
                file,  # type: ignore[arg-type]  # the quick exporter writes to files too
                dynamo=False,
                opset_version=OPSET,
                input_names=["image"],
                output_names=["output"],
            )
        except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
            raise MeasurementError(
                f"runtime onnxruntime: every operator must have an ONNX form; got "
                f"{' '.join(str(error).split())[:300]}; allowed: another runtime (eager)"
            ) from error
    return file.getvalue()


def to_pickle(module: nn.Module, example: torch.Tensor) -> bytes:
    """The module itself.

    Raises:
        MeasurementError: its class cannot be imported by name in another process.
    """
    import pickle

    import torch

    file = io.BytesIO()
    try:
        torch.save(module, file)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise MeasurementError(
            f"runtime eager: the module must be picklable to reach the measuring process; got "
            f"{type(module).__name__}: {error}; allowed: classes of an importable file"
        ) from error
    return file.getvalue()


_ALL_LAYOUTS = ("contiguous", "channels_last")
RUNTIMES: dict[str, Runtime] = {
    "onnxruntime": Runtime("onnxruntime", "onnxruntime", "pip install onnxruntime", to_onnx),
    "eager": Runtime(
        "eager",
        "torch",
        "pip install torch",
        to_pickle,
        devices=("cpu", "cuda"),
        memory_formats=_ALL_LAYOUTS,
    ),
}


def runtime_of(name: str) -> Runtime:
    """The runtime of that name.

    Raises:
        TargetError: no such runtime; the nearest names.
    """
    try:
        return RUNTIMES[name]
    except KeyError:
        raise TargetError(
            f"target.runtime: must be a known runtime; got {name!r}; "
            f"allowed: {nearest(name, RUNTIMES)}"
        ) from None


def require(runtime: Runtime) -> None:
    """Raise unless this machine can import the runtime.

    Raises:
        TargetError: it is not installed; the command that installs it.
    """
    if importlib.util.find_spec(runtime.package) is None:
        raise TargetError(
            f"target.runtime {runtime.name}: its package must be installed; got no "
            f"{runtime.package!r}; install it with: {runtime.install}"
        )


def image_of(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The seeded N(0, 1) input; the worker draws the same one."""
    return np.random.RandomState(SEED).standard_normal(shape).astype(np.float32)


def prepare(network: Subject, target: Target) -> Prepared:
    """Build, run once in eager, serialise for the target's runtime.

    Raises:
        MeasurementError: the runtime cannot take the network.
    """
    import torch

    shape = (target.batch_size, *network.input)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # tracing small operators, more threads only spin: half as much again
    try:
        module = module_of(network)
        example = torch.from_numpy(image_of(shape))
        with torch.inference_mode():
            outputs = module(example)
        content = runtime_of(target.runtime).serialise(module, example)
    finally:
        torch.set_num_threads(threads)
    many = outputs if isinstance(outputs, list | tuple) else [outputs]
    return Prepared(
        name=network.name,
        content=content,
        shape=shape,
        expected=[one.numpy().astype(np.float32) for one in many],
    )


def check_outputs(prepared: Prepared, given: list[Mapping[str, Any]], runtime: Runtime) -> None:
    """Raise unless the runtime gave eager's outputs; called before anything is timed.

    Raises:
        MeasurementError: other shapes, or a difference above the runtime's tolerance.
    """
    got = [
        np.frombuffer(base64.b64decode(one["data"]), np.float32).reshape(one["shape"])
        for one in given
    ]
    where = f"runtime {runtime.name}, network {prepared.name}"
    shapes, expected = [one.shape for one in got], [one.shape for one in prepared.expected]
    if shapes != expected:
        raise MeasurementError(
            f"{where}: outputs must have eager's shapes; got {shapes}; eager: {expected}"
        )
    for ours, theirs in zip(prepared.expected, got, strict=True):
        scale = float(np.abs(ours).max()) or 1.0
        difference = float(np.abs(ours - theirs).max()) / scale
        if not difference <= runtime.tolerance:  # a NaN is not either
            raise MeasurementError(
                f"{where}: outputs must be eager's; got a difference of {difference:.2g} of the "
                f"largest output; allowed up to {runtime.tolerance:g}"
            )
