"""Augmentation of whole batches: our tensors against kornia's, and against Pillow image by image.

    pip install kornia; python benchmarks/augmentation.py > benchmarks/results/augmentation.md

Interleaved in one process, one thread, batches of 64 colour images, uint8 to floats as a network
needs them; the median of the rounds. CPU time decides: on one thread it is the wall clock less what
others had of the core.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

import kornia.augmentation as theirs
import numpy as np
import torch
from PIL import Image

from nas.data.augmentation import crop, erase, flip, jitter, shift
from nas.data.mixing import mix

BATCH = 64
SIDES = (32, 96)
ROUNDS = 30
WAYS = ("ours", "kornia", "pillow")

Task = Callable[[], object]


def tasks(side: int) -> dict[str, dict[str, Task]]:
    """For each augmentation ours, kornia's and, where it has one, Pillow's."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (BATCH, 3, side, side), dtype=torch.uint8, generator=generator)
    labels = torch.arange(BATCH) % 10
    files = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in pixels]
    floats = pixels.float() / 255
    rng = np.random.default_rng(0)

    def each(change: Callable[[Image.Image], Image.Image]) -> Task:
        def run() -> torch.Tensor:
            made = [np.array(change(image)) for image in files]
            return torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2)

        return run

    def mirrored(image: Image.Image) -> Image.Image:
        left_right = Image.Transpose.FLIP_LEFT_RIGHT
        return image.transpose(left_right) if rng.random() < 0.5 else image

    def moved(image: Image.Image) -> Image.Image:
        x, y = rng.integers(-4, 5, 2)
        return image.crop((x, y, x + side, y + side))

    def cut(image: Image.Image) -> Image.Image:
        size = int(side * rng.uniform(0.3, 1) ** 0.5)
        x, y = rng.integers(0, side - size + 1, 2)
        return image.resize((side, side), Image.Resampling.BILINEAR, (x, y, x + size, y + size))

    def on(module: torch.nn.Module) -> Task:
        # Theirs takes floats of 0..1: what a batch in memory as uint8 has to become first.
        return lambda: module(pixels.float() / 255)

    resized = theirs.RandomResizedCrop((side, side), scale=(0.3, 1.0))
    return {
        "flip": {
            "ours": lambda: flip(pixels, generator=generator).float() / 255,
            "kornia": on(theirs.RandomHorizontalFlip(p=0.5)),
            "pillow": each(mirrored),
        },
        "pad and crop": {
            "ours": lambda: shift(pixels, 4, generator=generator).float() / 255,
            "kornia": on(theirs.RandomCrop((side, side), padding=4)),
            "pillow": each(moved),
        },
        "random resized crop": {
            "ours": lambda: crop(pixels, 0.3, generator=generator),
            "kornia": on(resized),
            "pillow": each(cut),
        },
        "colour jitter": {
            "ours": lambda: jitter(pixels, 0.4, generator=generator),
            "kornia": on(theirs.ColorJitter(0.4, 0.4, 0.4, 0.0)),
        },
        "random erasing": {
            "ours": lambda: erase(floats, 0.5, generator=generator),
            "kornia": lambda: theirs_erase(floats),
        },
        "mixup": {
            "ours": lambda: mix(floats, mixup=0.2, cutmix=0.0, generator=generator),
            "kornia": lambda: theirs_mixup(floats, labels),
        },
        "cutmix": {
            "ours": lambda: mix(floats, mixup=0.0, cutmix=1.0, generator=generator),
            "kornia": lambda: theirs_cutmix(floats, labels),
        },
    }


theirs_erase = theirs.RandomErasing(p=0.5)
theirs_mixup = theirs.RandomMixUpV2(p=1.0, data_keys=["input", "class"])
theirs_cutmix = theirs.RandomCutMixV2(p=1.0, data_keys=["input", "class"])


def seconds(task: Task) -> float:
    """CPU seconds of this thread, the only one."""
    start = time.thread_time()
    task()
    return time.thread_time() - start


def measured(found: dict[str, Task]) -> dict[str, list[float]]:
    """CPU seconds of each round, every way in turn."""
    taken: dict[str, list[float]] = {name: [] for name in found}
    for task in found.values():
        task()
    for _ in range(ROUNDS):
        for name, task in found.items():
            taken[name].append(seconds(task))
    return taken


def times(theirs: list[float], ours: list[float]) -> tuple[float, float, float]:
    """How many times ours is as fast, of the same round: the median, and four fifths of them."""
    ratios = [one / other for one, other in zip(theirs, ours, strict=True)]
    tenths = statistics.quantiles(ratios, n=10)
    return statistics.median(ratios), tenths[0], tenths[-1]


def main() -> None:
    torch.set_num_threads(1)
    print("# Augmentation of whole batches (benchmarks/augmentation.py)\n")
    print(
        f"Thousand images a CPU second, batches of {BATCH} colour images as uint8, one thread, "
        f"median of {ROUNDS} interleaved rounds; a ratio is of the same round, its median and the "
        "range of four fifths of the rounds. Pillow's images stay uint8, ours and kornia's become "
        f"floats. torch {version('torch')}, kornia {version('kornia')}, pillow "
        f"{version('pillow')}; {os.cpu_count()} {platform.machine()} cores, load average "
        f"{os.getloadavg()[0]:.1f} at the start.\n"
    )
    print("| side | augmentation | ours | kornia | Pillow | ours / kornia | ours / Pillow |")
    print("|---|---|---|---|---|---|---|")
    medians: dict[str, list[float]] = {"kornia": [], "pillow": []}
    equal = []
    for side in SIDES:
        for name, found in tasks(side).items():
            taken = measured(found)
            rates = [
                f"{BATCH / statistics.median(taken[way]) / 1e3:.1f}" if way in taken else ""
                for way in WAYS
            ]
            ratios = []
            for way, known in medians.items():
                if way not in taken:
                    ratios.append("")
                    continue
                middle, low, high = times(taken[way], taken["ours"])
                known.append(middle)
                ratios.append(f"{middle:.2f} ({low:.2f}-{high:.2f})")
                if way == "kornia" and low <= 1:
                    equal.append(f"{name} at {side}")
            print(f"| {side} | {name} | {' | '.join(rates + ratios)} |")
    means = {way: statistics.geometric_mean(values) for way, values in medians.items()}
    print(f"\nGeometric means: {means['kornia']:.2f} times kornia, ", end="")
    print(f"{means['pillow']:.2f} times Pillow.\n")
    if min(medians["kornia"]) > 1:
        print(
            "**Decision**: our own tensors for all of them; kornia is no dependency. It was faster"
        )
        print(f"nowhere, and as fast (some of those rounds) for: {', '.join(equal) or 'none'}.")
    else:
        print("**Not reached**: kornia is faster somewhere.")


if __name__ == "__main__":
    main()
