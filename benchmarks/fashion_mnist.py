"""Fashion-MNIST as one .npz file, from Debian's package: apt install dataset-fashion-mnist.

    python benchmarks/fashion_mnist.py fashion.npz [IMAGES [SIDE]]
    nas search data=arrays data.path=fashion.npz

IMAGES takes the first so many of the 70,000, training images first; SIDE 14 or 7 averages 28x28
pixels down to so many. No download: the package holds
the four files of Zalando Research (MIT licence).

Reference: Xiao, Rasul, Vollgraf 2017, Fashion-MNIST, arXiv:1708.07747.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy as np

FOLDER = Path("/usr/share/datasets/fashion-mnist")
NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def idx(path: Path) -> np.ndarray:
    """An array of bytes in the IDX format: its dimensions in big-endian words, then the bytes."""
    data = gzip.decompress(path.read_bytes())
    dimensions = data[3]
    shape = np.frombuffer(data, ">u4", dimensions, offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def fashion_mnist(images: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 28, 28) and labels (n,), training images first."""
    if not FOLDER.is_dir():
        sys.exit(f"{FOLDER}: must be there; allowed: apt install dataset-fashion-mnist")
    parts = [
        (idx(FOLDER / f"{part}-images-idx3-ubyte.gz"), idx(FOLDER / f"{part}-labels-idx1-ubyte.gz"))
        for part in ("train", "t10k")
    ]
    pixels, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return pixels[:images], labels[:images].astype(np.int64)


def write(path: Path, images: int | None = None, side: int = 28) -> None:
    """The .npz file that data=arrays reads."""
    pixels, labels = fashion_mnist(images)
    part = 28 // side
    if part > 1:
        blocks = pixels.reshape(-1, side, part, side, part).astype(np.float32)
        pixels = np.rint(blocks.mean((2, 4))).astype(np.uint8)
    np.savez(path, images=pixels, labels=labels, class_names=np.array(NAMES))


if __name__ == "__main__":
    write(Path(sys.argv[1]), *map(int, sys.argv[2:]))
