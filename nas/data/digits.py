"""scikit-learn's bundled digits: 1,797 real images of 8x8 pixels, no download.

Reference: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998 (the
part that scikit-learn carries).
"""

from __future__ import annotations

import numpy as np

from nas.data.dataset import DataSet, divide, split

SIZES = (1000, 400, 397)
SEED = 0
"""The split is part of what `digits` names: `data.seed` and the shares do not change it."""


def load_digits() -> DataSet:
    """The digits at their fixed stratified split of 1,000 / 400 / 397 images."""
    from sklearn import datasets

    bundle = datasets.load_digits()
    grey = bundle.images  # 0..16
    images = np.rint(grey * (255 / 16)).astype(np.uint8)[..., None]
    labels, names = bundle.target.astype(np.int64), tuple(map(str, range(10)))
    return divide(
        "digits",
        images=images,
        labels=labels,
        class_names=names,
        indices=split("data digits", labels=labels, class_names=names, sizes=SIZES, seed=SEED),
    )
