"""The forms a network is exported in: written, loaded again, compared with eager torch."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from nas.architecture import Architecture
from nas.errors import ArchitectureError, DataError, ExportError
from nas.export.folder import Preprocess
from nas.latency.serialise import fold, to_onnx, to_program

TENSORS = "model.safetensors"
PROGRAM = "model.pt2"
STATIC = "model.onnx"
DYNAMIC = "model_any_batch.onnx"
FORMS = (TENSORS, PROGRAM, STATIC, DYNAMIC)
"""Weights for `nas.load`; a program of torch.export; ONNX for one image (the one to deploy, with
constant shapes alone); ONNX for any number of images."""

TOLERANCE = 1e-4
"""Largest absolute difference of an output from eager torch's."""
BATCH = 3

Run = Callable[[np.ndarray], np.ndarray]
"""Images to outputs, both float32, any number of images."""


class Inside(nn.Module):
    """A network behind its normalisation: takes pixels, 0..255, instead of normalised images.

    Shape:
        float32 (N, C, H, W) to (N, classes).
    """

    scale: torch.Tensor
    offset: torch.Tensor

    def __init__(self, network: nn.Module, *, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        shape = (1, -1, 1, 1)
        scale = torch.tensor([1 / (255 * s) for s in std]).view(shape)
        offset = torch.tensor([m / s for m, s in zip(mean, std, strict=True)]).view(shape)
        self.register_buffer("scale", scale)
        self.register_buffer("offset", offset)
        self.network = network

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """See the class."""
        logits: torch.Tensor = self.network(pixels * self.scale - self.offset)
        return logits


def wrapped(preprocess: Preprocess) -> Callable[[nn.Module], nn.Module]:
    """From a bare network to what the graphs hold."""
    if not preprocess.inside:
        return lambda module: module
    return lambda module: Inside(module, mean=preprocess.mean, std=preprocess.std).eval()


def inputs_of(images: np.ndarray, preprocess: Preprocess) -> np.ndarray:
    """Pixels as the exported graphs take them.

    Shape:
        uint8 (N, C, H, W) to float32 of the same.
    """
    pixels = images.astype(np.float32)
    if preprocess.inside:
        return pixels
    mean, std = (
        np.asarray(values, dtype=np.float32).reshape(1, -1, 1, 1)
        for values in (preprocess.mean, preprocess.std)
    )
    return np.ascontiguousarray((pixels / 255 - mean) / std)


def folded(module: nn.Module) -> nn.Module:
    """A copy with batch normalisation folded into the convolutions; what all but the weights are
    written from."""
    return fold(copy.deepcopy(module).eval())


def contents(module: nn.Module, *, input: tuple[int, int, int]) -> dict[str, bytes]:
    """The bytes of each form but the weights, of a module in eval mode.

    Raises:
        MeasurementError: an operator has no such form.
    """
    example = torch.zeros(1, *input)
    return {
        PROGRAM: to_program(module, example),
        STATIC: to_onnx(module, example),
        DYNAMIC: to_onnx(module, torch.zeros(2, *input), any_batch=True),
    }


def runner(
    path: Path, *, architecture: Architecture, wrap: Callable[[nn.Module], nn.Module]
) -> Run:
    """What a written file gives for images; `wrap` is put around the bare weights.

    Raises:
        ExportError: the file is missing, damaged, or of another network.
    """
    try:
        if path.name == TENSORS:
            from nas.weights import load

            return _of_module(wrap(load(architecture, path)).eval())
        if path.name == PROGRAM:
            # No pickle: torch reads the weights of a program as plain tensors.
            return _of_module(torch.export.load(io.BytesIO(path.read_bytes())).module())
        return _of_onnx(path)
    except ExportError:
        raise
    except (DataError, ArchitectureError) as error:
        raise ExportError(str(error)) from error
    # Each loader has its own errors for a damaged file, without a common root.
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        raise ExportError(
            f"{path}: must be a whole exported file; got {type(error).__name__}: {said}; allowed: "
            "export it again"
        ) from error


def _of_module(module: nn.Module) -> Run:
    def run(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(module(torch.from_numpy(images)).numpy())

    return run


def _of_onnx(path: Path) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        path.read_bytes(), options, providers=["CPUExecutionProvider"]
    )
    one = isinstance(session.get_inputs()[0].shape[0], int)

    def run(images: np.ndarray) -> np.ndarray:
        parts = np.split(images, len(images)) if one else [images]
        return np.concatenate([session.run(["output"], {"image": part})[0] for part in parts])

    return run


def difference(run: Run, images: np.ndarray, expected: np.ndarray, *, name: str) -> float:
    """The largest difference of a form's outputs from the expected ones; infinite for a NaN.

    A form that takes any batch is asked for batches of one and of three.

    Raises:
        ExportError: it does not run, or gives outputs of another shape.
    """
    found = 0.0
    sizes = (1,) if name == STATIC else (1, BATCH)
    for size in sizes:
        for start in range(0, len(images) - size + 1, size):
            part = slice(start, start + size)
            try:
                given = run(images[part])
            # A runtime's own errors; a form that cannot run is no form.
            except Exception as error:
                said = " ".join(str(error).split())[:200]
                raise ExportError(
                    f"{name}: must run on a batch of {size}; got {type(error).__name__}: {said}"
                ) from error
            if given.shape != expected[part].shape:
                raise ExportError(
                    f"{name}: outputs must have the shape {expected[part].shape}; got {given.shape}"
                )
            worst = float(np.abs(given - expected[part]).max())
            found = max(found, worst if np.isfinite(worst) else float("inf"))
    return found
