"""Our training loop against the one a user would write, interleaved in one run.

    python benchmarks/training.py > benchmarks/results/training.md

The user's loop: a DataLoader over single images, each shifted, mirrored and normalised by itself,
contiguous images, torch's default SGD, `.item()` after each step. Ours: `nas.training.train`, with
the same batches, augmentations, optimiser and validation images. Both train the same networks on
the same random images (only time counts here) for an epoch and judge it; they take turns, the order
changes from round to round. One thread. A ratio is theirs / ours, of the same round; the median
over the rounds with the lowest and the highest is printed, and the geometric mean over families.
Augmentation alone is compared the same way: whole batches against single images.

CPU time decides. On one thread it is the wall clock less what others had of the core, and what
others have does not fall on both loops alike. The leases of the machine are left out, in a folder
of this run's own: ours would wait between its batches for somebody's measurement of latency, as it
should in a search, and the user's loop would go on and disturb it.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

import nas
from nas.data import batches
from nas.data.dataset import DataSet, assemble
from nas.data.dataset import Split as Part
from nas.network import build
from nas.settings import TrainingSettings
from nas.training import probed, train
from nas.training.inputs import augmented

FAMILIES = {
    "ShuffleNet v1": "shufflenet_v1_g3_x0_5",
    "ShuffleNet v2": "shufflenet_v2_x0_5",
    "MobileNeXt": "in1x28x28+stem16-s1+sandglass:24-s2-n2+sandglass:48-s2-n3+sandglass:96-s2-n2"
    "+head0+out10",
}
SIZE = (1, 28, 28)
CLASSES = 10
SHIFT = 2
LOADED = (
    "this process is one of it; with more of it than cores the wall clock tells what others did."
)


def data_set(images: int, validation: int) -> DataSet:
    """Random images and labels, the same in every run."""
    random = torch.Generator().manual_seed(0)

    def part(count: int) -> Part:
        pixels = torch.randint(256, (count, *SIZE), generator=random, dtype=torch.uint8)
        return Part(pixels, torch.randint(CLASSES, (count,), generator=random))

    splits = (part(images), part(validation), part(10))
    return assemble(
        "random", hash="0" * 16, class_names=tuple(map(str, range(CLASSES))),
        sample=splits[0].images, splits=splits,
    )  # fmt: skip


class Single(Dataset):
    """One image at a time, as a user's transforms work: shifted, mirrored, normalised."""

    def __init__(self, part: Part, data: DataSet, *, training: bool) -> None:
        self.images, self.labels = part.images.numpy(), part.labels.tolist()
        self.mean, self.std, self.training = data.mean[0], data.std[0], training

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = torch.from_numpy(self.images[index]).float().div(255)
        if self.training:
            padded = functional.pad(image, (SHIFT,) * 4)
            top, left = torch.randint(2 * SHIFT + 1, (2,)).tolist()
            image = padded[:, top : top + SIZE[1], left : left + SIZE[2]]
            if torch.rand(()) < 0.5:
                image = image.flip(2)
        return image.sub(self.mean).div(self.std), self.labels[index]


def users(
    architecture: nas.Architecture, data: DataSet, settings: TrainingSettings, *, seed: int = 0
) -> tuple[nn.Module, float]:
    """The loop a user would write; the trained module and its validation accuracy at the end."""
    torch.manual_seed(seed)
    module = build(architecture)
    steps = DataLoader(Single(data.train, data, training=True), settings.batch_size, shuffle=True)
    rest = DataLoader(Single(data.validation, data, training=False), settings.batch_size)
    optimizer = torch.optim.SGD(
        module.parameters(), lr=0.07, momentum=0.9, weight_decay=4e-5, nesterov=True
    )
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.07, total_steps=settings.epochs * len(steps)
    )
    running = 0.0
    module.train()
    for _ in range(settings.epochs):
        for images, labels in steps:
            optimizer.zero_grad()
            loss = functional.cross_entropy(module(images), labels)
            loss.backward()
            optimizer.step()
            scheduler.step()
            running += loss.item()
    module.eval()
    right = 0
    with torch.no_grad():
        for images, labels in rest:
            right += (module(images).argmax(1) == labels).sum().item()
    return module, right / len(data.validation)


def single(data: DataSet) -> None:
    """All training images, augmented one by one and put into batches."""
    for _ in DataLoader(Single(data.train, data, training=True), 64, shuffle=True):
        pass


def whole(data: DataSet, settings: TrainingSettings) -> None:
    """The same, by whole batches."""
    random = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(data.train), generator=random).split(64)
    for images, _ in batches(data.train, chosen):
        augmented(images, random, data=data, settings=settings)


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Wall clock and CPU time of a piece of work."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def compare(
    theirs: Callable[[], object], ours: Callable[[], object], rounds: int
) -> dict[str, list[float]]:
    """Ratios theirs / ours, a round each, of wall clock and CPU time; a first round is left out."""
    found: dict[str, list[float]] = {"wall": [], "cpu": []}
    for number in range(rounds + 1):
        order = (theirs, ours) if number % 2 else (ours, theirs)
        took = {work: seconds(work) for work in order}
        if number:
            for place, clock in enumerate(("wall", "cpu")):
                found[clock].append(took[theirs][place] / took[ours][place])
    return found


def told(name: str, ratios: dict[str, list[float]], how: str = "") -> str:
    """A row of the table."""
    cells = [f"{statistics.median(r):.2f} ({min(r):.2f}-{max(r):.2f})" for r in ratios.values()]
    return f"| {name} | {how} | {cells[1]} | {cells[0]} |"


def verdict(what: str, ratio: float, asked: float) -> str:
    reached = "reached" if ratio >= asked else "**not reached**"
    return f"{what}: {ratio:.2f} in CPU time (asked: {asked:g}, {reached})"


def family_ratios(name: str, data: DataSet, rounds: int) -> tuple[dict[str, list[float]], str]:
    """Theirs / ours for a network, and what ours was trained in."""
    architecture = (
        nas.Architecture.from_text(name)
        if "+" in name
        else nas.published(name, input=SIZE, classes=CLASSES)
    )
    asked = TrainingSettings(
        epochs=1, batch_size=64, shift=SHIFT, flip=True, device="cpu", threads=1
    )
    settings = probed(asked, architecture)
    ratios = compare(
        lambda: users(architecture, data, settings),
        lambda: train(architecture, data, settings, seed=0),
        rounds,
    )
    return ratios, f"{settings.memory_format}, {settings.precision}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=512)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = data_set(arguments.images, arguments.images // 4)
    print("# Our training loop against a user's (benchmarks/training.py)\n")
    print(
        "Seconds of the user's loop / seconds of ours: median (lowest-highest) of "
        f"{arguments.rounds} interleaved rounds of one epoch of {arguments.images} images of "
        f"{SIZE[1]}x{SIZE[2]}, one thread of {os.cpu_count()} {platform.machine()} cores, torch "
        f"{torch.__version__}; load average {os.getloadavg()[0]:.1f} at the start.\n"
    )
    print("| | ours in | CPU time | wall clock |\n|---|---|---|---|", flush=True)
    medians = []
    for family, name in FAMILIES.items():
        ratios, how = family_ratios(name, data, arguments.rounds)
        medians.append(statistics.median(ratios["cpu"]))
        print(told(family, ratios, how), flush=True)
    settings = TrainingSettings(shift=SHIFT, flip=True, device="cpu", memory_format="channels_last")
    augmentation = compare(
        lambda: single(data), lambda: whole(data, settings), max(arguments.rounds, 15)
    )
    print(told("augmentation alone", augmentation, "whole batches"))
    print(f"\nLoad average {os.getloadavg()[0]:.1f} at the end: {LOADED}\n")
    print(verdict("Training, geometric mean", statistics.geometric_mean(medians), 1.3) + ";")
    print(verdict("augmentation", statistics.median(augmentation["cpu"]), 10) + ".")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as own:
        tempfile.tempdir = own
        main()
