"""A network with weights to a folder of checked and measured files."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from torch import nn

from nas.architecture import Architecture
from nas.costs import count
from nas.data import DataSet, batches, load
from nas.data.resizing import resized
from nas.errors import DataError, ExportError
from nas.export.card import card
from nas.export.folder import (
    ARCHITECTURE,
    CARD,
    GOLDEN,
    LABELS,
    MANIFEST,
    PREPROCESS,
    Manifest,
    Preprocess,
    sha256,
)
from nas.export.forms import (
    DYNAMIC,
    FORMS,
    STATIC,
    TENSORS,
    TOLERANCE,
    contents,
    difference,
    folded,
    inputs_of,
    runner,
    wrapped,
)
from nas.export.measure import measure
from nas.export.own_files import OWN, carried
from nas.export.source import Source
from nas.network import build
from nas.outcome import Latency
from nas.settings import TrainingSettings
from nas.training import accuracy, resolve
from nas.weights import initialise, save

GOLDEN_IMAGES = 8
PACKAGES = ("latency-nas", "torch", "onnx", "onnxruntime", "numpy")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Exported:
    """The folder, and what it says of itself."""

    folder: Path
    manifest: Manifest


def export(
    source: Source,
    to: Path,
    *,
    inside: bool = False,
    latency: bool = True,
    command: str = "",
    say: Say = lambda line: None,
) -> Exported:
    """Write every form, load each again, compare it with eager torch, measure it.

    The folder is there whole or not at all. `inside` puts the normalisation into the graphs.

    Raises:
        ExportError: a form gives other outputs than eager torch, or the folder cannot be written.
        DataError: images or weights are missing, damaged or not those the network was trained on.
        MeasurementError: a form cannot be written or measured.
    """
    _check_free(to)
    data = _images(source)
    module = _module(source.architecture, source.weights)
    preprocess = _preprocess(data, inside=inside)
    wrap = wrapped(preprocess)
    say(f"testing on {len(data.test)} images of {data.name}")
    share = accuracy(module, data.test, data=data, settings=resolve(_on_cpu(source)))
    try:
        to.absolute().parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=f".{to.name}-", dir=to.absolute().parent))
    except OSError as error:
        raise _unwritable(to, error) from error
    try:
        golden = _write_files(making, source, data, module, preprocess)
        differences = _compare(making, source.architecture, wrap, golden, say=say)
        latencies: dict[str, Latency] = {}
        if latency:
            say(f"measuring {STATIC}, {DYNAMIC} and the program of torch.export")
            latencies = measure(making, wrap(folded(module)), source)
        manifest = _manifest(
            source, data, preprocess, share, differences, latencies, command=command
        )
        own = sorted(path.relative_to(making).as_posix() for path in making.glob(f"{OWN}/*"))
        text = card(manifest, labels=data.class_names, own=own)
        (making / CARD).write_text(text, encoding="utf-8")
        written = sorted(path for path in making.rglob("*") if path.is_file())
        files = {path.relative_to(making).as_posix(): sha256(path) for path in written}
        manifest = replace(manifest, files=files)
        (making / MANIFEST).write_text(json.dumps(manifest.to_json(), indent=2), encoding="utf-8")
        making.chmod(0o755)
        making.replace(to)
    except OSError as error:
        raise _unwritable(to, error) from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return Exported(to, manifest)


def _check_free(to: Path) -> None:
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise ExportError(
            f"--to {to}: must be a new or an empty folder; got one that holds something; allowed: "
            "another, or remove it first"
        )


def _unwritable(to: Path, error: OSError) -> ExportError:
    return ExportError(
        f"--to {to}: must be writable, on a disk with room; got {error.strerror or error}; "
        "allowed: another folder; nothing was left behind"
    )


def _images(source: Source) -> DataSet:
    data = load(source.settings.data)
    if source.data_hash and data.hash != source.data_hash:
        raise DataError(
            f"data {data.name}: must be the images the network was trained on; got {data.hash}; "
            f"allowed: {source.data_hash} (data.path=... where they were moved)"
        )
    if (data.input[0], data.classes) != (source.architecture.input[0], source.architecture.classes):
        raise DataError(
            f"data {data.name}: must fit the network; got {data.input[0]} channels and "
            f"{data.classes} classes; allowed: {source.architecture.input[0]} and "
            f"{source.architecture.classes}, or data=..."
        )
    return resized(data, source.architecture.input[1:])


def _module(architecture: Architecture, weights: Path) -> nn.Module:
    module = build(architecture)
    if left := initialise(module, weights).missing:
        raise DataError(
            f"weights: {weights} must hold all weights of the network; got {len(left)} tensors "
            f"missing or of another shape, such as {left[0]}; allowed: weights of "
            f"{architecture.text}"
        )
    return module.eval()


def _on_cpu(source: Source) -> TrainingSettings:
    return replace(source.settings.training, device="cpu", precision="float32", init=None)


def _preprocess(data: DataSet, *, inside: bool) -> Preprocess:
    channels, height, width = data.input
    return Preprocess(
        height=height,
        width=width,
        channels=channels,
        channel_order="RGB" if channels == 3 else "grey",
        mean=data.mean,
        std=data.std,
        inside=inside,
    )


def _write_files(
    folder: Path, source: Source, data: DataSet, module: nn.Module, preprocess: Preprocess
) -> dict[str, np.ndarray]:
    """All files but those that tell of the others; the golden images."""
    architecture = source.architecture
    text = json.dumps(carried(architecture.to_json(), folder), indent=2)
    (folder / ARCHITECTURE).write_text(text, encoding="utf-8")
    (folder / LABELS).write_text("\n".join(data.class_names) + "\n", encoding="utf-8")
    (folder / PREPROCESS).write_text(json.dumps(asdict(preprocess), indent=2), encoding="utf-8")
    save(module, folder / TENSORS, architecture=architecture)
    wrap = wrapped(preprocess)
    for name, content in contents(wrap(folded(module)), input=architecture.input).items():
        (folder / name).write_bytes(content)
    chosen = torch.arange(min(GOLDEN_IMAGES, len(data.test)))
    images, labels = next(batches(data.test, [chosen]))
    inputs = inputs_of(images.numpy(), preprocess)
    with torch.inference_mode():
        outputs = wrap(module)(torch.from_numpy(inputs)).numpy()
    golden = {
        "images": images.numpy(),
        "labels": labels.numpy(),
        "inputs": inputs,
        "outputs": outputs,
    }
    np.savez(folder / GOLDEN, **golden)
    return golden


def _compare(
    folder: Path,
    architecture: Architecture,
    wrap: Callable[[nn.Module], nn.Module],
    golden: dict[str, np.ndarray],
    *,
    say: Say,
) -> dict[str, float]:
    """The largest difference of each form from eager torch, over the golden images."""
    found = {}
    for name in FORMS:
        run = runner(folder / name, architecture=architecture, wrap=wrap)
        found[name] = difference(run, golden["inputs"], golden["outputs"], name=name)
        say(f"{name}: largest difference from eager torch {found[name]:.1e}")
        if not found[name] <= TOLERANCE:
            raise ExportError(
                f"{name}: must give eager torch's outputs; got a difference of {found[name]:.2g}; "
                f"allowed up to {TOLERANCE:g}"
            )
    return found


def _manifest(
    source: Source,
    data: DataSet,
    preprocess: Preprocess,
    share: float,
    differences: dict[str, float],
    latencies: dict[str, Latency],
    *,
    command: str,
) -> Manifest:
    from nas.latency.target import target_of

    low, high = wilson(share, len(data.test))
    evaluation, target = source.evaluation, source.settings.target
    return Manifest(
        name=source.name,
        source=source.word,
        fingerprint=source.architecture.fingerprint,
        text=source.architecture.text,
        data=source.settings.data,
        data_name=data.name,
        data_hash=data.hash,
        test_images=len(data.test),
        test_accuracy=share,
        test_low=low,
        test_high=high,
        validation_accuracy=evaluation.accuracy if evaluation else None,
        seed_tests=source.seed_tests,
        metric=source.settings.objective.metric,
        epochs=len(evaluation.epochs) if evaluation else None,
        costs=count(source.architecture).to_json(),
        target=target_of(target).to_json() if latencies else {},
        target_settings=asdict(target),
        reference=source.settings.objective.reference,
        latencies=latencies,
        differences=differences,
        preprocess=preprocess,
        command=command,
        versions={name: metadata.version(name) for name in PACKAGES},
        study=source.study,
        trial=source.trial,
        certificate=source.certificate,
    )


def wilson(share: float, count: int, *, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share of so many images.

    Reference: Wilson 1927, Probable Inference, the Law of Succession, and Statistical Inference.
    """
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * (share * (1 - share) / count + z * z / (4 * count * count)) ** 0.5
    half /= 1 + z * z / count
    return max(0.0, middle - half), min(1.0, middle + half)
