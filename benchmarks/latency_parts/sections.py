"""Sections run by name, each invocation written down as soon as it is there."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from latency_parts.record import RESULTS, Watch, read, write

Run = Callable[..., Iterator[dict[str, Any]]]
Raw = dict[str, list[dict[str, Any]]]


def run_sections(
    purpose: str,
    name: str,
    run: Mapping[str, Run],
    page: Callable[[Raw], str],
    *,
    often: Callable[[str], int],
) -> None:
    """Read the command line, run its sections, write results/NAME.md and results/NAME.json."""
    parser = argparse.ArgumentParser(
        description=purpose, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--section", nargs="+", choices=list(run), default=list(run))
    parser.add_argument("--invocations", type=int, metavar="N")
    parser.add_argument("--add", action="store_true")
    parser.add_argument("--trial", type=int, metavar="N")
    parser.add_argument("--page", action="store_true")
    arguments = parser.parse_args()
    if arguments.page:
        (RESULTS / f"{name}.md").write_text(page(read(name)))
        return
    for section in arguments.section:
        keep = arguments.add and not arguments.trial
        runs = read(name).get(section, []) if keep else []
        measured = run[section](number=arguments.trial)
        for _ in range(arguments.invocations or often(section)):
            watch = Watch()
            runs.append({**next(measured), "seen": watch.seen()})
            print(f"{section}: {runs[-1]['seen']['seconds']:.0f} s", flush=True)
            if not arguments.trial:
                raw = write(name, section, runs)
                (RESULTS / f"{name}.md").write_text(page(raw))
        if arguments.trial:
            print(page({section: runs}))
