"""Objects out of a user's Python file, named `path/to/file.py:Name`."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from nas.errors import InputError, nearest


def load(reference: str) -> Any:
    """The object `Name` of the file in `path/to/file.py:Name`.

    A file is run once for each content it has had, as a module with a name of its own: two files of
    the same name do not clash, an edited file is read again.

    Raises:
        InputError: no such file, the file does not run, or it has no such name.
    """
    path, _, name = reference.rpartition(":")
    module = _module(reference, Path(path))
    try:
        return getattr(module, name)
    except AttributeError:
        public = [key for key in vars(module) if not key.startswith("_")]
        raise InputError(
            f"{path}: must define the name behind the colon; got {name!r}; "
            f"allowed: {nearest(name, public)}"
        ) from None


def digest(reference: str) -> str:
    """16 hex digits over the content of the file in `path/to/file.py:Name`.

    Raises:
        InputError: no such file.
    """
    return hashlib.sha256(_content(reference)).hexdigest()[:16]


def _content(reference: str) -> bytes:
    path = Path(reference.rpartition(":")[0])
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{reference}: must name a Python file that can be read; got {error.strerror}; "
            f"allowed: a path from {Path.cwd()} or an absolute one"
        ) from error


def _module(reference: str, path: Path) -> Any:
    content = _content(reference)
    key = hashlib.sha256(str(path.resolve()).encode() + b"\0" + content).hexdigest()[:16]
    own = f"nas_user_file_{key}"
    if own not in sys.modules:
        spec = importlib.util.spec_from_file_location(own, path)
        if spec is None or spec.loader is None:
            raise InputError(f"{reference}: must name a Python file; got {path}; allowed: *.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[own] = module
        try:
            exec(compile(content, str(path), "exec"), vars(module))
        except Exception as error:
            del sys.modules[own]
            raise InputError(
                f"{path}: must run without an error; got {type(error).__name__}: {error}; "
                f"allowed: what `python {path}` runs"
            ) from error
    return sys.modules[own]
