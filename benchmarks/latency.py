"""Every figure that docs/latency.md promises, measured; section by section, each under 8 minutes.

    python benchmarks/latency.py --section SECTION... [--invocations N] [--add] [--trial N]

writes benchmarks/results/latency.md and the raw values beside it as latency.json, after every
invocation. `--add` keeps the invocations that are there: as-found, other-core and same-core run
once at a time (3 to 5 minutes) and are to be run three times, best at different ones. `--trial N`
takes N networks, prints the section and writes nothing; `--page` measures nothing and writes the
page anew from the raw values. Nothing else should compute.
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


THRICE = {"spike", "copies", "training"}
"""Sections of three invocations at once; the others have many cases in one, or take minutes."""


def main() -> None:
    assert set(RUN) == set(SECTIONS)
    run_sections(__doc__ or "", "latency", RUN, page, often=lambda name: 3 if name in THRICE else 1)


if __name__ == "__main__":
    main()
