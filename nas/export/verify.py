"""An exported folder checked again, on any machine, without the study it came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from nas.data import DataSet, Split, batches, load
from nas.data.resizing import resized
from nas.errors import DataError, ExportError
from nas.export.folder import ARCHITECTURE, GOLDEN, LABELS, Manifest, architecture_of, read, sha256
from nas.export.forms import (
    DYNAMIC,
    FORMS,
    TENSORS,
    TOLERANCE,
    difference,
    folded,
    inputs_of,
    runner,
    wrapped,
)
from nas.export.measure import measure_files
from nas.latency.target import target_of
from nas.objective import LATENCY_FLOOR
from nas.outcome import Latency
from nas.settings import DataSettings, TargetSettings
from nas.weights import load as load_weights

BATCH = 256
FEW = 0.001
"""A share of the test images that other rounding may label otherwise; one image at least."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; `agrees` is None where it could not be compared."""

    what: str
    agrees: bool | None
    told: str


def verify(
    folder: Path,
    *,
    data: Path | None = None,
    target: TargetSettings | None = None,
    latency: bool = True,
) -> Iterator[Check]:
    """Check files, outputs, accuracy and latency, one after the other.

    `data` is where the images are on this machine. Latencies are compared as ratios to the
    reference network, measured beside it here as there, and on the same target only.

    Raises:
        ExportError: the folder is none that nas export wrote.
        DataError: `data` cannot be read or has other classes.
        TargetError, MeasurementError: the target cannot be used.
    """
    found = read(folder)
    changed = _changed_files(folder, found)
    yield Check(
        "files",
        not changed,
        f"{', '.join(changed)}: missing, or not what was exported"
        if changed
        else f"all {len(found.files)} as exported",
    )
    if set(changed) & {*FORMS, ARCHITECTURE, GOLDEN, LABELS}:
        return
    yield from _outputs(folder, found)
    yield _accuracy(folder, found, data)
    if latency and found.latencies:
        yield from _latencies(folder, found, target)


def _changed_files(folder: Path, found: Manifest) -> list[str]:
    changed = []
    for name, digest in found.files.items():
        try:
            same = sha256(folder / name) == digest
        except ExportError:
            same = False
        if not same:
            changed.append(name)
    return changed


def _outputs(folder: Path, found: Manifest) -> Iterator[Check]:
    with np.load(folder / GOLDEN, allow_pickle=False) as golden:
        inputs, outputs = golden["inputs"], golden["outputs"]
    architecture, wrap = architecture_of(folder), wrapped(found.preprocess)
    for name in FORMS:
        run = runner(folder / name, architecture=architecture, wrap=wrap)
        worst = difference(run, inputs, outputs, name=name)
        yield Check(
            f"outputs of {name}",
            worst <= TOLERANCE,
            f"largest difference {worst:.1e}; {found.differences[name]:.1e} where it was exported",
        )


def _accuracy(folder: Path, found: Manifest, path: Path | None) -> Check:
    try:
        images = resized(
            load(_data(found, path)), (found.preprocess.height, found.preprocess.width)
        )
    except DataError as error:
        if path is not None:
            raise
        return Check("accuracy", None, f"not checked, --data PATH names the images ({error})")
    labels = tuple((folder / LABELS).read_text(encoding="utf-8").splitlines())
    if images.class_names != labels:
        raise DataError(
            f"--data: the images must have the classes of {folder / LABELS}; got "
            f"{', '.join(images.class_names[:5])}; allowed: {', '.join(labels[:5])}"
            f"{' ...' if len(labels) > 5 else ''}, in that order"
        )
    share = _share(folder, found, images.test, images)
    words = f"{100 * share:.2f} % of {len(images.test)} test images here, "
    words += f"{100 * found.test_accuracy:.2f} % where it was exported"
    if images.hash != found.data_hash:
        return Check("accuracy", None, f"{words}, of other images ({images.hash})")
    few = max(1, FEW * len(images.test)) / len(images.test)
    agrees = abs(share - found.test_accuracy) <= few + 1e-9
    return Check("accuracy", agrees, f"{words}: {100 * (share - found.test_accuracy):+.2f} points")


def _data(found: Manifest, path: Path | None) -> DataSettings:
    if path is None:
        return found.data
    if found.data.name in ("arrays", "folder"):
        return replace(found.data, path=str(path))
    return DataSettings(name="folder" if path.is_dir() else "arrays", path=str(path))


def _share(folder: Path, found: Manifest, split: Split, images: DataSet) -> float:
    """The accuracy of the ONNX file itself."""
    run = runner(folder / DYNAMIC, architecture=architecture_of(folder), wrap=lambda module: module)
    right = seen = 0
    for pixels, labels in batches(split, torch.split(torch.arange(len(split)), BATCH)):
        outputs = run(inputs_of(pixels.numpy(), found.preprocess))
        right += int((outputs.argmax(1) == labels.numpy()).sum())
        seen += len(labels)
    return right / max(1, seen)


def _latencies(folder: Path, found: Manifest, target: TargetSettings | None) -> Iterator[Check]:
    settings = target or TargetSettings(**found.target_settings)
    module = wrapped(found.preprocess)(
        folded(load_weights(architecture_of(folder), folder / TENSORS))
    )
    architecture = architecture_of(folder)
    target_of(settings)  # what cannot be measured on is told before anything is
    measured = measure_files(
        folder,
        module,
        input=architecture.input,
        classes=architecture.classes,
        target=settings,
        reference=found.reference,
    )
    for name, now in measured.items():
        then = found.latencies.get(name)
        if then is not None:
            yield compared(name, now, then, reference=found.reference)


def compared(name: str, now: Latency, then: Latency, *, reference: str) -> Check:
    """Two measurements of a file: they agree where their ratios' intervals meet, copies of one
    network differing by as much as they do."""
    words = f"{now.ms:.3g} ms ({now.low:.3g}-{now.high:.3g}) here, {then.ms:.3g} ms where it was "
    words += f"exported; {now.ratio:.3f} and {then.ratio:.3f} x {reference}"
    what = f"latency of {name}"
    if now.target != then.target:
        return Check(what, None, f"{words}; another target: {now.target}")
    meet = (
        now.ratio_low <= then.ratio_high * LATENCY_FLOOR
        and then.ratio_low <= now.ratio_high * LATENCY_FLOOR
    )
    return Check(what, meet, f"{words}: {100 * (now.ratio / then.ratio - 1):+.1f} %")
