"""What the training loop alone gains: the same networks, epoch by epoch in turn."""

from __future__ import annotations

import math
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from end_to_end_parts.replay import Candidate
from end_to_end_parts.setting import SIDE, Setting
from fashion_mnist import write
from training import compare, users

import nas
from nas.data import load
from nas.training import probed, train

NETWORKS, ROUNDS = 4, 2


def loops(lines: list[dict[str, Any]], setting: Setting) -> dict[str, Any]:
    """CPU-second ratios script / tool of an epoch of networks that the tool trained to the end."""
    texts = dict.fromkeys(
        one.text
        for line in lines
        if line.get("side") == "tool"
        for one in map(Candidate.from_json, line["candidates"])
        if one.whole and one.kind == "evaluated"
    )
    chosen = list(texts)[:: max(1, len(texts) // NETWORKS)][:NETWORKS]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder) / "fashion.npz"
        write(images, setting.images, SIDE)
        data = load(setting.data(images))
        asked = replace(setting, epochs=1).training
        for text in chosen:
            network = nas.Architecture.from_text(text)
            settings = probed(asked, network)
            ratios = compare(
                lambda n=network, s=settings: users(n, data, s),
                lambda n=network, s=settings: train(n, data, s, seed=0),
                ROUNDS,
            )
            found[text] = ratios["cpu"]
    medians = [statistics.median(one) for one in found.values()]
    return {"ratios": found, "geometric_mean": math.exp(statistics.mean(map(math.log, medians)))}
