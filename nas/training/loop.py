"""The only training loop.

Images come as uint8, from memory or streamed; batches are augmented and normalised whole, on the
device. Nothing is read back from the device but once an epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from nas import weights
from nas.architecture import Architecture
from nas.data import DataSet, batches
from nas.data.mixing import mix
from nas.errors import MemoryRanOutError, SettingsError, TrainingError
from nas.latency.lease import shared
from nas.network import build
from nas.outcome import EpochResult, Evaluation
from nas.settings import TrainingSettings
from nas.threads import threads
from nas.training import average, checkpoint
from nas.training.checkpoint import Running
from nas.training.group import ALONE, Group, joined, parallel, summed, wait
from nas.training.inputs import (
    LOW,
    MEMORY_FORMATS,
    augmented,
    batched,
    batches_of,
    check_batch,
    class_weights,
)
from nas.training.judging import accuracy
from nas.training.kernels import fast_kernels
from nas.training.machine import conditions, resolve
from nas.training.normalisation import forgetting
from nas.training.schedule import optimizer, rate

Report = Callable[[EpochResult, int], None]
"""Called with the result of each epoch and the number of epochs there will be."""


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
    group: Group = ALONE,
) -> Trained:
    """Train an architecture from scratch; the same seed and threads give the same bits on a CPU.

    With a `folder` each epoch is stored there, and a training that was stopped goes on
    behind its last whole epoch to the same bits; its earlier epochs are not reported again.

    The processes of a `group` call this with equal arguments and end with equal weights; the first
    one alone judges, reports and stores.

    Raises:
        TrainingError: the loss became infinite or not a number, or memory ran out.
        SettingsError: a batch is larger than the training split, or the device is not there.
        DataError: the checkpoint is damaged or of another training.
        StudyError: the checkpoint cannot be written.
    """
    settings = resolve(settings)
    _check_fits(architecture, data, settings, group)
    with (
        threads(settings.threads),
        torch.random.fork_rng(devices=[]),
        joined(group, settings.device),
    ):
        torch.manual_seed(seed)
        try:
            return _train(
                architecture, data, settings, group, seed=seed, report=report, folder=folder
            )
        except torch.OutOfMemoryError as error:
            raise MemoryRanOutError(
                f"training {architecture.text}: memory ran out; {error}"
            ) from error


def _check_fits(
    architecture: Architecture, data: DataSet, settings: TrainingSettings, group: Group
) -> None:
    if (architecture.input, architecture.classes) != (data.input, data.classes):
        # Heads pool globally: a network for another height and width takes these images too, but
        # its costs and latency would be those of something else.
        raise SettingsError(
            f"training: network and data must fit; got a network for {architecture.input} and "
            f"{architecture.classes} classes; {data.name} has {data.input} and {data.classes}"
        )
    check_batch(settings, data)
    if settings.batch_size < 2 * group.processes:
        raise SettingsError(
            "training.batch_size: every process needs two images of a batch; got "
            f"{settings.batch_size} for {group.processes} processes; allowed from "
            f"{2 * group.processes} on"
        )


def _train(
    architecture: Architecture,
    data: DataSet,
    settings: TrainingSettings,
    group: Group,
    *,
    seed: int,
    report: Report,
    folder: Path | None,
) -> Trained:
    running = _start(architecture, settings, seed, group)
    steps = settings.epochs * batches_of(len(data.train), settings, group)
    forgetting(running.module, steps=steps)
    identity = {
        "fingerprint": architecture.fingerprint,
        "data": data.hash,
        "seed": seed,
        "settings": asdict(settings),
    }
    if group.processes > 1:
        identity["processes"] = group.processes
    results = checkpoint.read(folder, running, identity=identity) if folder else []
    wait(group)  # all have read before the first one writes
    for epoch in range(len(results), settings.epochs):
        started = time.perf_counter()
        order = _order_of(running, epoch, len(data.train), settings, group, seed)
        with fast_kernels(running.module, settings):
            loss, waited = _epoch(running, epoch, order, data=data, settings=settings, group=group)
        if not math.isfinite(loss):
            raise TrainingError(
                f"training {architecture.text}: the loss must stay finite; got {loss} in epoch "
                f"{epoch + 1}; allowed: a learning rate below training.learning_rate="
                f"{settings.learning_rate:g}"
            )
        share = 0.0
        if group.first:
            with average.applied(running.average, running.module):
                share = accuracy(running.module, data.validation, data=data, settings=settings)
        results.append(EpochResult(epoch + 1, share, loss, time.perf_counter() - started - waited))
        if group.first:
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
        conditions={**conditions(settings), **running.initial},
    )
    return Trained(running.module.eval(), evaluation)


def _start(
    architecture: Architecture, settings: TrainingSettings, seed: int, group: Group
) -> Running:
    module, initial = build(architecture), {}
    if settings.init is not None:
        found = weights.initialise(module, Path(settings.init))
        initial = {
            "init": settings.init, "loaded": found.parts_loaded, "left": found.parts_left
        }  # fmt: skip
    module.to(settings.device)
    module.to(memory_format=MEMORY_FORMATS[settings.memory_format])  # type: ignore[call-overload]
    return Running(
        module=module,
        optimizer=optimizer(module, settings),
        generator=torch.Generator(settings.device).manual_seed(seed),
        average=average.start(module) if settings.average else None,
        initial=initial,
        scaler=torch.amp.GradScaler(settings.device, enabled=settings.precision == "float16"),
        parallel=parallel(module, group),
    )


def _order_of(
    running: Running,
    epoch: int,
    count: int,
    settings: TrainingSettings,
    group: Group,
    seed: int,
) -> tuple[torch.Tensor, ...]:
    """The batches of an epoch; of a group each process draws the same, and changes other images."""
    if group.processes == 1:
        return batched(count, settings, running.generator)
    order = batched(count, settings, torch.Generator().manual_seed(ALONE.seed(seed, epoch)), group)
    running.generator.manual_seed(group.seed(seed, epoch))
    torch.manual_seed(group.seed(seed, epoch))
    return order


def _epoch(
    running: Running,
    epoch: int,
    chosen: tuple[torch.Tensor, ...],
    *,
    data: DataSet,
    settings: TrainingSettings,
    group: Group,
) -> tuple[float, float]:
    """One pass over the training images; the mean loss and the seconds waited for the device."""
    running.module.train()
    total, waited, seen = torch.zeros((), device=settings.device), 0.0, 0
    classes = class_weights(data, settings)
    mine = [group.part(batch) for batch in chosen]
    for step, (images, labels) in enumerate(batches(data.train, mine)):
        if len(images) < 2:
            _check_alone(group)
            continue  # what damaged files left over; batch normalisation needs two
        # The others of a group wait for the first at the end of every step: were each to queue for
        # the device, one could hold it while it waits for another that a measurement keeps out.
        with shared(settings.device) if group.first else nullcontext(0.0) as seconds:
            waited += seconds
            progress = (epoch + step / len(chosen)) / settings.epochs
            for parameters in running.optimizer.param_groups:
                parameters["lr"] = rate(progress, settings)
            inputs = augmented(images, running.generator, data=data, settings=settings)
            weight = len(mine[step]) * group.processes / len(chosen[step])
            labels = labels.to(settings.device)
            loss = _step(running, inputs, labels, settings, weight=weight, classes=classes)
            total += loss * len(labels)
            seen += len(labels)
            if running.average is not None:
                average.update(
                    running.average,
                    running.module,
                    decay=settings.average,
                    step=epoch * len(chosen) + step,
                )
    both = summed(torch.stack([total, torch.full_like(total, seen)]), group)
    return float(both[0]) / max(float(both[1]), 1.0), waited


def _check_alone(group: Group) -> None:
    if group.processes > 1:
        raise TrainingError(
            "training: every process needs two images of a batch; got damaged files that leave "
            "fewer; allowed: mend or remove them, or --processes 1"
        )


def _step(
    running: Running,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    settings: TrainingSettings,
    *,
    weight: float,
    classes: torch.Tensor | None,
) -> torch.Tensor:
    """One update of the weights; the loss, still on the device.

    `weight` is that of this process's gradient among those that are averaged.
    """
    if mixes := settings.mixup or settings.cutmix:
        inputs, order, share = mix(
            inputs, mixup=settings.mixup, cutmix=settings.cutmix, generator=running.generator
        )
    low = LOW.get(settings.precision)
    with torch.autocast(settings.device, dtype=low, enabled=low is not None):
        logits = (running.parallel or running.module)(inputs).float()
    smoothing = settings.label_smoothing
    loss_of = partial(functional.cross_entropy, logits, weight=classes, label_smoothing=smoothing)
    loss = loss_of(labels)
    if mixes:
        loss = share * loss + (1 - share) * loss_of(labels[order])
    running.optimizer.zero_grad(set_to_none=True)
    scaler = running.scaler
    scaled = scaler.scale(loss if weight == 1 else weight * loss)
    scaled.backward()  # type: ignore[no-untyped-call]
    if settings.clip:
        scaler.unscale_(running.optimizer)
        nn.utils.clip_grad_norm_(running.module.parameters(), settings.clip)
    scaler.step(running.optimizer)
    scaler.update()
    return loss.detach()
