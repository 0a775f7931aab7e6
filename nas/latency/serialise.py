"""A module in eval mode and an example input to the bytes a worker's loader reads."""

from __future__ import annotations

import io
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from types import ModuleType
from typing import TYPE_CHECKING

from nas.errors import MeasurementError

if TYPE_CHECKING:
    import torch
    from torch import nn

OPSET = 17


def to_onnx(module: nn.Module, example: torch.Tensor, *, any_batch: bool = False) -> bytes:
    """ONNX with the example's batch as the only one, by torch's quick exporter (0.2 s).

    With `any_batch` it takes every batch, and computes some shapes as it runs.

    Raises:
        MeasurementError: an operator of the module has no ONNX form; which.
    """
    import torch

    file = io.BytesIO()
    # What the exporter says of an operator it lacks is torch's graph, pages of it.
    with warnings.catch_warnings(), _even(module), redirect_stdout(io.StringIO()):
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
                dynamic_axes={"image": {0: "batch"}, "output": {0: "batch"}} if any_batch else None,
            )
        except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
            raise MeasurementError(
                f"ONNX export: every operator must have an ONNX form; got {_line(error)}; "
                "allowed: another runtime (eager)"
            ) from error
    return file.getvalue()


@contextmanager
def _even(module: nn.Module) -> Iterator[None]:
    """While it lasts, adaptive pooling works for every size of image under ONNX too.

    ONNX has none whose cells differ in size or overlap, as AlexNet's 13 pixels into 6: such a cell
    is cut out and reduced by itself, to the same values.
    """
    import torch
    from torch import nn

    class Cells(nn.Module):
        def __init__(self, pool: nn.AdaptiveMaxPool2d | nn.AdaptiveAvgPool2d) -> None:
            super().__init__()
            self.pool = pool

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            asked = self.pool.output_size
            counts = asked if isinstance(asked, tuple) else (asked, asked)
            places = [(dim, n) for dim, n in zip((-2, -1), counts, strict=True) if n is not None]
            if all(int(x.shape[dim]) % count == 0 for dim, count in places):
                pooled: torch.Tensor = self.pool(x)
                return pooled
            for dim, count in places:
                side = int(x.shape[dim])
                starts = [side * i // count for i in range(count)]
                ends = [-(-side * (i + 1) // count) for i in range(count)]
                cells = [x.narrow(dim, a, b - a) for a, b in zip(starts, ends, strict=True)]
                if isinstance(self.pool, nn.AdaptiveMaxPool2d):
                    x = torch.cat([cell.amax(dim, keepdim=True) for cell in cells], dim)
                else:
                    x = torch.cat([cell.mean(dim, keepdim=True) for cell in cells], dim)
            return x

    places = [
        (parent, name, child)
        for parent in module.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.AdaptiveMaxPool2d | nn.AdaptiveAvgPool2d)
    ]
    for parent, name, child in places:
        setattr(parent, name, Cells(child))
    try:
        yield
    finally:
        for parent, name, child in places:
            setattr(parent, name, child)


def to_pickle(module: nn.Module, example: torch.Tensor) -> bytes:
    """The module itself, with the code of its classes where that is not installed.

    A class of a user's file has no name that another process could import it by.

    Raises:
        MeasurementError: it holds what no other process can be given.
    """
    import pickle

    import cloudpickle
    import torch

    file = io.BytesIO()
    try:
        with _by_value(module, cloudpickle):
            torch.save(module, file, pickle_module=cloudpickle)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise MeasurementError(
            "torch runtime: the module must be picklable to reach the measuring process; got "
            f"{type(module).__name__}: {_line(error)}; allowed: modules without open files or "
            "locks, or another runtime (onnxruntime)"
        ) from error
    return file.getvalue()


@contextmanager
def _by_value(module: nn.Module, cloudpickle: ModuleType) -> Iterator[None]:
    """While it lasts, classes of files that are not installed are pickled as code."""
    installed = tuple(sysconfig.get_path(kind) for kind in ("stdlib", "purelib", "platlib"))
    names = {type(part).__module__ for part in module.modules()}
    found = [
        sys.modules[name]
        for name in names
        if name in sys.modules and name.partition(".")[0] not in ("nas", "search_spaces")
    ]
    own = [one for one in found if not (getattr(one, "__file__", "") or "").startswith(installed)]
    for one in own:
        cloudpickle.register_pickle_by_value(one)
    try:
        yield
    finally:
        for one in own:
            cloudpickle.unregister_pickle_by_value(one)


def to_script(module: nn.Module, example: torch.Tensor) -> bytes:
    """TorchScript, traced and frozen.

    Raises:
        MeasurementError: the module cannot be traced.
    """
    import torch

    file = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # that TorchScript is deprecated, and about constants
        try:
            traced = torch.jit.trace(  # type: ignore[no-untyped-call]
                module, example, check_trace=False
            )
            torch.jit.save(torch.jit.freeze(traced), file)
        except RuntimeError as error:
            raise MeasurementError(
                f"runtime jit: the module must be traceable; got {_line(error)}; "
                "allowed: another runtime (eager)"
            ) from error
    return file.getvalue()


def to_program(module: nn.Module, example: torch.Tensor) -> bytes:
    """A program of torch.export for any batch.

    Raises:
        MeasurementError: the module cannot be exported.
    """
    import torch

    file = io.BytesIO()
    # Exported for one image, a batch of one would be all it takes.
    several = torch.cat([example, example])
    shapes = ({0: torch.export.Dim("batch", min=1, max=1 << 16)},)
    try:
        program = torch.export.export(module, (several,), dynamic_shapes=shapes)
        torch.export.save(program, file)
    except (RuntimeError, ValueError, torch._dynamo.exc.TorchDynamoException) as error:
        raise MeasurementError(
            f"torch.export: the module must be exportable; got {_line(error)}; "
            "allowed: another runtime (eager)"
        ) from error
    return file.getvalue()


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def fold(module: nn.Module) -> nn.Module:
    """Batch normalisation folded into the convolution right before it, in place.

    Only inside `nn.Sequential`, where "right before" is certain.
    """
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for part in list(module.modules()):
        if not isinstance(part, nn.Sequential):
            continue
        last: str | None = None
        for name, layer in list(part.named_children()):
            before = None if last is None else getattr(part, last)
            if isinstance(layer, nn.BatchNorm2d) and isinstance(before, nn.Conv2d):
                assert last is not None
                setattr(part, last, fuse_conv_bn_eval(before, layer))
                delattr(part, name)
            else:
                last = name
    return module
