"""Where the commands write: a console that fits what stands behind it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


def console(*, errors: bool = False) -> Console:
    """Standard output, or standard error, 80 columns wide where that is no terminal.

    Colours obey NO_COLOR, FORCE_COLOR and TERM, as rich does.
    """
    from rich.console import Console

    class Patient(Console):
        """A reader that went away is an OSError like any other, not the end of the program."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return Patient(stderr=errors, highlight=False, markup=False, soft_wrap=False)


def show(*parts: RenderableType | str) -> None:
    """Write parts to standard output, one below the other."""
    out = console()
    for part in parts:
        # Nothing is cropped: text forms and commands longer than a line are there to be copied.
        out.print(part, soft_wrap=isinstance(part, str), crop=False)


def show_json(value: Any) -> None:
    """Write a value to standard output as JSON and nothing else."""
    from nas.tables import plain

    sys.stdout.write(json.dumps(plain(value), indent=2) + "\n")
