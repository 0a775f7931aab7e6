"""The networks that are measured: three families and mixed ones, 9 to 315 M multiply-adds."""

from __future__ import annotations

import random

from nas.architecture import Architecture
from nas.costs import count
from search_spaces import SEARCH_SPACES
from search_spaces.published import published

REFERENCE = "shufflenet_v2_x0_5"
NAMES = (
    "shufflenet_v1_g3_x0_25", "shufflenet_v1_g3_x0_5", "shufflenet_v1_g8_x0_5",
    "shufflenet_v1_g1_x1_0", "shufflenet_v1_g3_x1_0", "shufflenet_v1_g8_x1_0",
    "shufflenet_v1_g3_x1_5", "shufflenet_v2_star_x0_5", "shufflenet_v2_x1_0",
    "shufflenet_v2_star_x1_0", "shufflenet_v2_x1_5", "mobilenext_paper_x0_35",
    "mobilenext_x0_35", "mobilenext_x0_5", "mobilenext_x0_75", "mobilenext_x1_0",
)  # fmt: skip
MIXED = 7
LEAST, MOST = 9e6, 315e6
MANY = 40


def reference() -> Architecture:
    return published(REFERENCE)


def networks(number: int | None = None) -> dict[str, Architecture]:
    """Name -> network; the first `number` of them, families in turn, for a trial."""
    found = {"shufflenet_v2_x0_5@112": published(REFERENCE, input=(3, 112, 112))}
    found |= {name: published(name) for name in NAMES}
    found |= drawn("mixed", MIXED)
    names = list(found)
    step = 1 if number is None else max(1, len(names) // number)
    return {name: found[name] for name in names[::step][:number]}


def drawn(space: str, number: int, *, seed: int = 0) -> dict[str, Architecture]:
    """Uniform draws of a space whose multiply-adds are in range."""
    made, rng = SEARCH_SPACES[space](input=(3, 224, 224), classes=1000), random.Random(seed)
    found: dict[str, Architecture] = {}
    for _ in range(MANY * number):
        architecture = made.decode(made.sample(rng))
        if LEAST <= count(architecture).multiply_adds <= MOST:
            found[f"{space}_{len(found)}"] = architecture
        if len(found) == number:
            return found
    raise SystemExit(f"{space}: fewer than {number} of {MANY * number} draws in range")
