"""How a network is made ready for each runtime, and that it still gives the same outputs.

The driver's half: module to bytes, and the outputs to expect. The worker's half (bytes to a call)
is `nas.latency.worker.LOADERS`, under the same name.
"""

from __future__ import annotations

import base64
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import MeasurementError, TargetError, nearest
from nas.latency.serialise import fold, to_onnx, to_pickle, to_program, to_script
from nas.latency.subject import Subject, module_of, running

if TYPE_CHECKING:
    import torch
    from torch import nn

    from nas.latency.target import Target

SEED = 0
TOLERANCES = {"float32": 1e-3, "bfloat16": 5e-2}
"""Largest difference of an output from eager float32's, as a share of the largest output: rounding
in another order stays below a thousandth; bfloat16 has 8 bits, layer after layer."""

Arrays = list[NDArray[np.float32]]
if TYPE_CHECKING:
    Serialise = Callable[["nn.Module", "torch.Tensor"], bytes]


@dataclass(frozen=True)
class Runtime:
    """One way to run a network.

    `serialise` turns a module in eval mode and an example input into what the worker's loader of
    the same name reads. `package` is what the worker imports, `install` the command that brings it.
    `in_caller`: with one thread it works in the thread that calls it.
    """

    name: str
    package: str
    install: str
    serialise: Serialise
    devices: tuple[str, ...] = ("cpu",)
    memory_formats: tuple[str, ...] = ("contiguous",)
    load_seconds: float = 60.0
    in_caller: bool = True


@dataclass(frozen=True)
class Prepared:
    """A network made ready: what the worker loads and what it has to give."""

    name: str
    content: bytes
    shape: tuple[int, ...]
    expected: Arrays
    seed: int = SEED


def _torch(name: str, serialise: Serialise, *, load_seconds: float = 60.0) -> Runtime:
    return Runtime(
        name,
        "torch",
        "pip install torch",
        serialise,
        devices=("cpu", "cuda"),
        memory_formats=("contiguous", "channels_last"),
        load_seconds=load_seconds,
    )


RUNTIMES: dict[str, Runtime] = {
    runtime.name: runtime
    for runtime in (
        Runtime("onnxruntime", "onnxruntime", "pip install onnxruntime", to_onnx),
        Runtime("openvino", "openvino", "pip install openvino", to_onnx),
        _torch("eager", to_pickle),
        _torch("jit", to_script),
        _torch("compile", to_pickle, load_seconds=300.0),
        _torch("program", to_program),
    )
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
        MeasurementError: the network does not run, or the runtime cannot take it.
    """
    import torch

    from nas.threads import threads

    shape = (target.batch_size, *network.input)
    example = torch.from_numpy(image_of(shape))
    try:
        with threads(1):
            with running(network):
                module = module_of(network)
                with torch.inference_mode():
                    outputs = module(example)
            many = outputs if isinstance(outputs, list | tuple) else [outputs]
            if not all(isinstance(one, torch.Tensor) for one in many):
                raise MeasurementError(
                    f"network {network.name}: must give tensors; got {type(outputs).__name__}; "
                    "allowed: a tensor, or a list or tuple of them"
                )
            content = network.content
            if content is None:
                form = _as_asked(module, example, target)
                content = runtime_of(target.runtime).serialise(*form)
    except MeasurementError as error:
        error.add_note(f"the network is {network.name}")
        raise
    return Prepared(
        name=network.name,
        content=content,
        shape=shape,
        expected=[one.numpy().astype(np.float32) for one in many],
    )


def _as_asked(
    module: nn.Module, example: torch.Tensor, target: Target
) -> tuple[nn.Module, torch.Tensor]:
    """The module and the input in the form the target says; outputs are compared with the plain."""
    import torch

    if target.folded:
        module = fold(module)
    if target.dtype == "bfloat16":
        module, example = module.to(torch.bfloat16), example.to(torch.bfloat16)
    if target.memory_format == "channels_last":
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        example = example.contiguous(memory_format=torch.channels_last)
    return module, example


def check_outputs(
    prepared: Prepared, given: list[Mapping[str, Any]] | None, target: Target
) -> None:
    """Raise unless the runtime gave eager's outputs; called before anything is timed.

    A user's program may give none, and gives flat ones; anything else gives them in shape.

    Raises:
        MeasurementError: other shapes, or a difference above the tolerance.
    """
    if given is None:
        return
    where = f"runtime {target.runtime}, network {prepared.name}"
    tolerance = TOLERANCES[target.dtype]
    got = [np.frombuffer(base64.b64decode(one["data"]), np.float32) for one in given]
    shapes = [tuple(one["shape"]) for one in given]
    expected = [one.shape for one in prepared.expected]
    if target.reach.kind == "command":
        expected = [(one.size,) for one in prepared.expected]
    if shapes != expected:
        raise MeasurementError(
            f"{where}: outputs must have eager's shapes; got {shapes}; eager: {expected}"
        )
    for ours, theirs in zip(prepared.expected, got, strict=True):
        scale = float(np.abs(ours).max()) or 1.0
        difference = float(np.abs(ours.ravel() - theirs).max()) / scale
        if not difference <= tolerance:  # a NaN is not either
            raise MeasurementError(
                f"{where}: outputs must be eager's; got a difference of {difference:.2g} of the "
                f"largest output; allowed up to {tolerance:g}"
            )
