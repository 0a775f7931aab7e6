"""The latency of each exported file, by the project's instrument, on the file itself."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nas.architecture import Architecture
from nas.errors import ExportError
from nas.export.forms import DYNAMIC, PROGRAM, STATIC
from nas.latency.instrument import Instrument
from nas.latency.levels import DECIDE
from nas.latency.subject import Subject
from nas.latency.target import target_of
from nas.names import resolve
from nas.outcome import Latency
from nas.settings import TargetSettings

if TYPE_CHECKING:
    from torch import nn

    from nas.export.source import Source

ONNX_RUNTIMES = ("onnxruntime", "openvino")


def measure(folder: Path, module: nn.Module, source: Source) -> dict[str, Latency]:
    """Each file on the target the source names, the program of torch.export under torch.

    `module` gives the outputs they have to give.
    """
    return measure_files(
        folder,
        module,
        input=source.architecture.input,
        classes=source.architecture.classes,
        target=source.settings.target,
        reference=source.settings.objective.reference,
    )


def measure_files(
    folder: Path,
    module: nn.Module,
    *,
    input: tuple[int, int, int],
    classes: int,
    target: TargetSettings,
    reference: str,
) -> dict[str, Latency]:
    """The latency of each file, with its ratio to a published network beside it.

    The ONNX files run on the target as it is, or under ONNX Runtime where it is one of torch's; the
    program runs under torch, on this machine or, of a cluster, on the worker that measures. One
    image a call: that is what the first ONNX takes.

    Raises:
        MeasurementError, TargetError: see `nas.latency.instrument.Instrument`.
        ExportError: the target asks for a batch.
    """
    if target.batch_size != 1:
        raise ExportError(
            f"target.batch_size: exported files are measured on one image a call; got "
            f"{target.batch_size}; allowed: 1"
        )
    yardstick = resolve(reference, input=input, classes=classes)
    where = "dask" if target.where == "dask" else "local"
    plain = TargetSettings(where=where, scheduler=target.scheduler, threads=target.threads)
    onnx = target if target.runtime in ONNX_RUNTIMES else plain
    program = replace(plain, runtime="program", device=target.device)
    build = _copies(module)
    found = _measured(folder, (STATIC, DYNAMIC), build, input, onnx, yardstick)
    return found | _measured(folder, (PROGRAM,), build, input, program, yardstick)


def _copies(module: nn.Module) -> Callable[[], nn.Module]:
    return lambda: copy.deepcopy(module)


def _measured(
    folder: Path,
    names: Sequence[str],
    build: Callable[[], nn.Module],
    input: tuple[int, int, int],
    target: TargetSettings,
    reference: Architecture,
) -> dict[str, Latency]:
    subjects = [Subject(name, input, build, (folder / name).read_bytes()) for name in names]
    with Instrument(target_of(target), reference=reference) as instrument:
        latencies = instrument.measure_many(subjects, level=DECIDE)
    return dict(zip(names, latencies, strict=True))
