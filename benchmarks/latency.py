"""Every figure that docs/latency.md promises, measured; section by section, each under 8 minutes.

    python benchmarks/latency.py --section SECTION... [--invocations N] [--add] [--trial N]

writes benchmarks/results/latency.md and the raw values beside it as latency.json, after every
invocation. `--add` keeps the invocations that are there, so that a section can be measured at
several times. `--trial N` takes N networks, prints the section and writes nothing. Nothing else
should compute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from latency_parts.accuracy import certified, copies, spike
from latency_parts.conditions import CONDITIONS
from latency_parts.invocations import invocations
from latency_parts.page import SECTIONS, page
from latency_parts.sections import run_sections
from latency_parts.sharing import training, waiting
from latency_parts.tables import RUNTIMES, table

RUN: dict[str, Callable[..., Iterator[dict[str, Any]]]] = {
    **{name: partial(invocations, name) for name in CONDITIONS},
    "spike": spike,
    "copies": copies,
    "training": training,
    "lease": waiting,
    **{f"table-{runtime}": partial(table, runtime) for runtime in RUNTIMES},
    "certified": certified,
}


ONCE = {"lease", "certified", *(f"table-{runtime}" for runtime in RUNTIMES)}
"""Sections with many cases in one invocation."""


def main() -> None:
    assert set(RUN) == set(SECTIONS)
    run_sections(__doc__ or "", "latency", RUN, page, often=lambda name: 1 if name in ONCE else 3)


if __name__ == "__main__":
    main()
