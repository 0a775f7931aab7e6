"""The only training loop.

Images come as uint8, from memory or streamed; batches are augmented and normalised whole, on the
device. Nothing is read back from the device but once an epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.nn import functional

from nas.architecture import Architecture
from nas.data import DataSet, Split, batches
from nas.data.augmentation import flip, normalise, shift
from nas.errors import SettingsError, TrainingError
from nas.latency.lease import shared
from nas.network import build
from nas.outcome import EpochResult, Evaluation
from nas.settings import TrainingSettings
from nas.training.kernels import fast_kernels
from nas.training.schedule import rate, sgd

Report = Callable[[EpochResult, int], None]
"""Called with the result of each epoch and the number of epochs there will be."""

EVALUATION_BATCH = 512
MEMORY_FORMATS = {
    "contiguous": torch.contiguous_format,
    "channels_last": torch.channels_last,
}


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained module, in evaluation mode on the training device, and what training found."""

    module: nn.Module
    evaluation: Evaluation


def resolve(settings: TrainingSettings) -> TrainingSettings:
    """The settings with everything automatic replaced by what is used on this machine.

    Raises:
        SettingsError: the device is not there.
    """
    cuda = torch.cuda.is_available()
    if settings.device == "cuda" and not cuda:
        raise SettingsError(
            "training.device: must be there; got 'cuda', which this torch does not see; "
            "allowed: cpu, auto"
        )
    device = ("cuda" if cuda else "cpu") if settings.device == "auto" else settings.device
    # A second thread saves a tenth on small images, and threads that wait for one another by
    # spinning take forty times as long where somebody else uses the cores.
    return replace(settings, device=device, threads=settings.threads or 1)


def train(
    architecture: Architecture,
    data: DataSet,
    settings: TrainingSettings,
    *,
    seed: int,
    report: Report = lambda *_: None,
) -> Trained:
    """Train an architecture from scratch; the same seed and threads give the same bits on a CPU.

    Raises:
        TrainingError: the loss became infinite or not a number, or memory ran out.
        SettingsError: a batch is larger than the training split, or the device is not there.
    """
    settings = resolve(settings)
    _check_fits(architecture, data, settings)
    with _threads(settings.threads), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return _train(architecture, data, settings, seed=seed, report=report)
        except torch.OutOfMemoryError as error:
            raise TrainingError(f"training {architecture.text}: memory ran out; {error}") from error


def accuracy(
    module: nn.Module,
    split: Split,
    *,
    data: DataSet,
    settings: TrainingSettings,
) -> float:
    """The share of a split's images that a module labels rightly; `data` gives mean and std."""
    was_training = module.training
    module.eval()
    right = torch.zeros((), dtype=torch.int64, device=settings.device)
    chosen = torch.split(torch.arange(len(split)), EVALUATION_BATCH)
    seen = 0
    with torch.inference_mode(), fast_kernels(module, settings):
        for images, labels in batches(split, chosen):
            seen += len(images)
            with shared(settings.device):
                logits = module(_prepared(images, data=data, settings=settings))
                right += (logits.argmax(1) == labels.to(settings.device)).sum()
    module.train(was_training)
    return int(right) / seen


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
) -> Trained:
    module = build(architecture).to(settings.device)
    module.to(memory_format=MEMORY_FORMATS[settings.memory_format])  # type: ignore[call-overload]
    optimizer = sgd(module, settings)
    generator = torch.Generator(settings.device).manual_seed(seed)
    results: list[EpochResult] = []
    for epoch in range(settings.epochs):
        started = time.perf_counter()
        with fast_kernels(module, settings):
            loss, waited = _epoch(
                module, optimizer, epoch, data=data, settings=settings, generator=generator
            )
        if not math.isfinite(loss):
            raise TrainingError(
                f"training {architecture.text}: the loss must stay finite; got {loss} in epoch "
                f"{epoch + 1}; allowed: a learning rate below training.learning_rate="
                f"{settings.learning_rate:g}"
            )
        share = accuracy(module, data.validation, data=data, settings=settings)
        results.append(EpochResult(epoch + 1, share, loss, time.perf_counter() - started - waited))
        report(results[-1], settings.epochs)
    module.eval()
    evaluation = Evaluation(
        accuracy=results[-1].accuracy,
        loss=results[-1].loss,
        seconds=sum(result.seconds for result in results),
        seed=seed,
        epochs=tuple(results),
        conditions=_conditions(settings),
    )
    return Trained(module, evaluation)


def _epoch(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    *,
    data: DataSet,
    settings: TrainingSettings,
    generator: torch.Generator,
) -> tuple[float, float]:
    """One pass over the training images; the mean loss and the seconds waited for the device."""
    module.train()
    total, waited, seen = torch.zeros((), device=settings.device), 0.0, 0
    chosen = _batches(len(data.train), settings, generator)
    for step, (images, labels) in enumerate(batches(data.train, chosen)):
        with shared(settings.device) as seconds:
            waited += seconds
            progress = (epoch + step / len(chosen)) / settings.epochs
            for group in optimizer.param_groups:
                group["lr"] = rate(progress, settings)
            augmented = _augmented(images, settings, generator)
            logits = module(_prepared(augmented, data=data, settings=settings))
            loss = functional.cross_entropy(
                logits, labels.to(settings.device), label_smoothing=settings.label_smoothing
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.detach() * len(labels)
            seen += len(labels)
    return float(total) / seen, waited


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


def _augmented(
    images: torch.Tensor, settings: TrainingSettings, generator: torch.Generator
) -> torch.Tensor:
    images = shift(images.to(settings.device), settings.shift, generator=generator)
    return flip(images, generator=generator) if settings.flip else images


def _prepared(images: torch.Tensor, *, data: DataSet, settings: TrainingSettings) -> torch.Tensor:
    return normalise(
        images.to(settings.device),
        mean=data.mean,
        std=data.std,
        memory_format=MEMORY_FORMATS[settings.memory_format],
    )


def _conditions(settings: TrainingSettings) -> dict[str, str | int]:
    return {
        "device": settings.device,
        "threads": settings.threads,
        "memory_format": settings.memory_format,
        "torch": torch.__version__,
    }


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
