"""The only training loop.

Images come as uint8, from memory or streamed; batches are augmented and normalised whole, on the
device. Nothing is read back from the device but once an epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from nas import weights
from nas.architecture import Architecture
from nas.data import DataSet, Split, batches
from nas.data.mixing import mix
from nas.errors import MemoryRanOutError, SettingsError, TrainingError
from nas.latency.lease import shared
from nas.network import build
from nas.outcome import EpochResult, Evaluation
from nas.settings import TrainingSettings
from nas.training import average, checkpoint
from nas.training.checkpoint import Running
from nas.training.inputs import MEMORY_FORMATS, augmented, prepared
from nas.training.kernels import fast_kernels
from nas.training.machine import conditions, resolve, threads
from nas.training.schedule import optimizer, rate

Report = Callable[[EpochResult, int], None]
"""Called with the result of each epoch and the number of epochs there will be."""

EVALUATION_BATCH = 512


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained module, in evaluation mode on the training device, and what training found."""

    module: nn.Module
    evaluation: Evaluation


def train(
    architecture: Architecture,
    data: DataSet,
    settings: TrainingSettings,
    *,
    seed: int,
    report: Report = lambda *_: None,
    folder: Path | None = None,
) -> Trained:
    """Train an architecture from scratch; the same seed and threads give the same bits on a CPU.

    With a `folder` each epoch is stored there, and a training that was stopped goes on
    behind its last whole epoch to the same bits; its earlier epochs are not reported again.

    Raises:
        TrainingError: the loss became infinite or not a number, or memory ran out.
        SettingsError: a batch is larger than the training split, or the device is not there.
        DataError: the checkpoint is damaged or of another training.
        StudyError: the checkpoint cannot be written.
    """
    settings = resolve(settings)
    _check_fits(architecture, data, settings)
    with threads(settings.threads), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return _train(architecture, data, settings, seed=seed, report=report, folder=folder)
        except torch.OutOfMemoryError as error:
            raise MemoryRanOutError(
                f"training {architecture.text}: memory ran out; {error}"
            ) from error


def accuracy(
    module: nn.Module,
    split: Split,
    *,
    data: DataSet,
    settings: TrainingSettings,
) -> float:
    """The share of a split's images that a module labels rightly; `data` gives mean and std."""
    right = torch.zeros((), dtype=torch.int64, device=settings.device)
    seen = 0
    for logits, labels in outputs(module, split, data=data, settings=settings):
        right += (logits.argmax(1) == labels).sum()
        seen += len(labels)
    return int(right) / seen


def outputs(
    module: nn.Module,
    split: Split,
    *,
    data: DataSet,
    settings: TrainingSettings,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The logits of a split's images and their labels, in order, batch after batch.

    Shape:
        (n, classes) and int64 (n,), on the training device.
    """
    was_training = module.training
    module.eval()
    chosen = torch.split(torch.arange(len(split)), EVALUATION_BATCH)
    try:
        for images, labels in batches(split, chosen):
            with shared(settings.device), torch.inference_mode(), fast_kernels(module, settings):
                logits = module(prepared(images, data=data, settings=settings))
            yield logits, labels.to(settings.device)
    finally:
        module.train(was_training)


def _check_fits(architecture: Architecture, data: DataSet, settings: TrainingSettings) -> None:
    if (architecture.input, architecture.classes) != (data.input, data.classes):
        # Heads pool globally: a network for another height and width takes these images too, but
        # its costs and latency would be those of something else.
        raise SettingsError(
            f"training: network and data must fit; got a network for {architecture.input} and "
            f"{architecture.classes} classes; {data.name} has {data.input} and {data.classes}"
        )
    if settings.batch_size > len(data.train):
        raise SettingsError(
            "training.batch_size: must not be larger than the training split; got "
            f"{settings.batch_size}; allowed up to {len(data.train)} for {data.name}"
        )


def _train(
    architecture: Architecture,
    data: DataSet,
    settings: TrainingSettings,
    *,
    seed: int,
    report: Report,
    folder: Path | None,
) -> Trained:
    running = _start(architecture, settings, seed)
    identity = {
        "fingerprint": architecture.fingerprint,
        "data": data.hash,
        "seed": seed,
        "settings": asdict(settings),
    }
    results = checkpoint.read(folder, running, identity=identity) if folder else []
    for epoch in range(len(results), settings.epochs):
        started = time.perf_counter()
        with fast_kernels(running.module, settings):
            loss, waited = _epoch(running, epoch, data=data, settings=settings)
        if not math.isfinite(loss):
            raise TrainingError(
                f"training {architecture.text}: the loss must stay finite; got {loss} in epoch "
                f"{epoch + 1}; allowed: a learning rate below training.learning_rate="
                f"{settings.learning_rate:g}"
            )
        with average.applied(running.average, running.module):
            share = accuracy(running.module, data.validation, data=data, settings=settings)
        results.append(EpochResult(epoch + 1, share, loss, time.perf_counter() - started - waited))
        if folder:
            checkpoint.write(folder, running, results, identity=identity)
        report(results[-1], settings.epochs)
    average.keep(running.average, running.module)
    evaluation = Evaluation(
        accuracy=results[-1].accuracy,
        loss=results[-1].loss,
        seconds=sum(result.seconds for result in results),
        seed=seed,
        epochs=tuple(results),
        conditions=conditions(settings),
    )
    return Trained(running.module.eval(), evaluation)


def _start(architecture: Architecture, settings: TrainingSettings, seed: int) -> Running:
    module = build(architecture)
    if settings.init is not None:
        weights.initialise(module, Path(settings.init))
    module.to(settings.device)
    module.to(memory_format=MEMORY_FORMATS[settings.memory_format])  # type: ignore[call-overload]
    return Running(
        module=module,
        optimizer=optimizer(module, settings),
        generator=torch.Generator(settings.device).manual_seed(seed),
        average=average.start(module) if settings.average else None,
    )


def _epoch(
    running: Running, epoch: int, *, data: DataSet, settings: TrainingSettings
) -> tuple[float, float]:
    """One pass over the training images; the mean loss and the seconds waited for the device."""
    running.module.train()
    total, waited, seen = torch.zeros((), device=settings.device), 0.0, 0
    chosen = _batches(len(data.train), settings, running.generator)
    for step, (images, labels) in enumerate(batches(data.train, chosen)):
        if len(images) < 2:
            continue  # what damaged files left over; batch normalisation needs two
        with shared(settings.device) as seconds:
            waited += seconds
            progress = (epoch + step / len(chosen)) / settings.epochs
            for group in running.optimizer.param_groups:
                group["lr"] = rate(progress, settings)
            inputs = augmented(images, running.generator, data=data, settings=settings)
            total += _step(running, inputs, labels.to(settings.device), settings) * len(labels)
            seen += len(labels)
            if running.average is not None:
                average.update(
                    running.average,
                    running.module,
                    decay=settings.average,
                    step=epoch * len(chosen) + step,
                )
    return float(total) / max(seen, 1), waited


def _step(
    running: Running, inputs: torch.Tensor, labels: torch.Tensor, settings: TrainingSettings
) -> torch.Tensor:
    """One update of the weights; the loss, still on the device."""
    mixes = settings.mixup or settings.cutmix
    if mixes:
        inputs, order, share = mix(
            inputs, mixup=settings.mixup, cutmix=settings.cutmix, generator=running.generator
        )
    low = settings.precision != "float32"
    with torch.autocast(settings.device, dtype=torch.bfloat16, enabled=low):
        logits = running.module(inputs).float()
    smoothing = settings.label_smoothing
    loss = functional.cross_entropy(logits, labels, label_smoothing=smoothing)
    if mixes:
        other = functional.cross_entropy(logits, labels[order], label_smoothing=smoothing)
        loss = share * loss + (1 - share) * other
    running.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if settings.clip:
        nn.utils.clip_grad_norm_(running.module.parameters(), settings.clip)
    running.optimizer.step()
    return loss.detach()


def _batches(
    count: int, settings: TrainingSettings, generator: torch.Generator
) -> tuple[torch.Tensor, ...]:
    """All images once, in random order, in batches that differ by one image at most.

    No image is dropped, and no batch is left with a single one, of which batch normalisation
    could make nothing.
    """
    number = max(1, min(math.ceil(count / settings.batch_size), count // 2))
    order = torch.randperm(count, generator=generator, device=generator.device)
    return order.cpu().tensor_split(number)
