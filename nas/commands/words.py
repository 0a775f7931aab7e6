"""What the verbs read off their arguments and what they tell to type next."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nas.errors import InputError, SettingsError

if TYPE_CHECKING:
    from torch import nn

FOLDER = "study.folder"
DEFAULT_FOLDER = "runs"


def divided(words: Sequence[str]) -> tuple[list[str], Path, list[str]]:
    """Names, the folder of runs (`study.folder=DIR`), and all other overrides."""
    names = [word for word in words if "=" not in word]
    folder, others = DEFAULT_FOLDER, []
    for word in words:
        key, equals, value = word.partition("=")
        if key == FOLDER and equals:
            folder = value
        elif equals:
            others.append(word)
    return names, Path(folder), others


def only_study(verb: str, words: Sequence[str]) -> tuple[str | None, Path]:
    """The arguments of a verb that takes at most one study and its folder.

    Raises:
        InputError: more than one name, or another override.
    """
    names, folder, others = divided(words)
    if others:
        raise SettingsError(
            f"nas {verb}: takes no settings but {FOLDER}; got {others[0]!r}; allowed: "
            f"nas {verb} STUDY {FOLDER}=DIR"
        )
    if len(names) > 1:
        raise InputError(
            f"nas {verb}: takes one study; got {' and '.join(names)}; allowed: nas {verb} STUDY"
        )
    return (names[0] if names else None), folder


def command(verb: str, study: str, folder: Path, *more: str) -> str:
    """A command about a study, as it is to be typed."""
    where = [] if str(folder) == DEFAULT_FOLDER else [f"{FOLDER}={folder}"]
    return shlex.join(["nas", verb, study, *where, *more])


def size(text: str) -> tuple[int, int, int]:
    """`3x224x224` as (channels, height, width).

    Raises:
        InputError: it is something else.
    """
    found = re.fullmatch(r"(\d+)x(\d+)x(\d+)", text)
    if found is None or "0" in found.groups():
        raise InputError(
            f"--input: must be CHANNELSxHEIGHTxWIDTH; got {text!r}; allowed: for example 3x224x224"
        )
    return int(found[1]), int(found[2]), int(found[3])


def module_given(name: str, found: object) -> nn.Module:
    """What a user's own function gave, if it is a torch module.

    Raises:
        InputError: it is something else.
    """
    from torch import nn

    if not isinstance(found, nn.Module):
        raise InputError(
            f"network {name}: must be an Architecture or a torch module; got "
            f"{type(found).__qualname__}; allowed: a function of yours that returns one"
        )
    return found


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, nothing elsewhere."""
    from rich.progress import Progress

    from nas.terminal import console

    errors = console(errors=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task(what)
        yield lambda done, of: progress.update(task, completed=done, total=of)
