"""Files of the user's own units, carried along with an exported network.

It is the same network wherever they are: what it is depends on their content, not on their place.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nas.unit_rules.own import is_own
from nas.user_file import digest

OWN = "own"

Plain = dict[str, Any]


def carried(architecture: Plain, folder: Path) -> Plain:
    """Copy the files into a folder; the architecture's JSON that names them there.

    What such a file imports is not looked for.
    """

    def copied(kind: str) -> str:
        path, _, name = kind.rpartition(":")
        place = f"{OWN}/{Path(path).stem}-{digest(kind)[:8]}.py"
        (folder / OWN).mkdir(exist_ok=True)
        shutil.copyfile(path, folder / place)
        return f"{place}:{name}"

    return _with_kinds(architecture, copied)


def placed(architecture: Plain, folder: Path) -> Plain:
    """The JSON of an exported folder's architecture with its files where the folder is now."""
    return _with_kinds(
        architecture, lambda kind: str(folder / kind) if kind.startswith(f"{OWN}/") else kind
    )


def _with_kinds(architecture: Plain, place: Callable[[str], str]) -> Plain:
    units = [
        {**unit, "kind": place(unit["kind"])} if is_own(unit["kind"]) else unit
        for unit in architecture["units"]
    ]
    return {**architecture, "units": units}
