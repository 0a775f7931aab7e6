"""Objects out of a user's Python file, named `path/to/file.py:Name`."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import time
from functools import lru_cache
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
    module = _module(reference, path)
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
    return _hashed("", _content(reference))


JUST_NOW_NS = 2_000_000_000
"""A file changed so recently may change again without its time telling: clocks of file systems are
coarse."""

# Every unit of the user's own that is named asks again, thousands of times a proposal: what was
# read and hashed is kept while the file is as it was.


@lru_cache(maxsize=64)
def _hashed(before: str, content: bytes) -> str:
    return hashlib.sha256(before.encode() + content).hexdigest()[:16]


@lru_cache(maxsize=64)
def _read(path: str, changed: int, size: int) -> bytes:
    return Path(path).read_bytes()


def _content(reference: str) -> bytes:
    path = os.path.abspath(reference.rpartition(":")[0])
    try:
        seen = os.stat(path)
        if time.time_ns() - seen.st_mtime_ns < JUST_NOW_NS:
            return Path(path).read_bytes()
        return _read(path, seen.st_mtime_ns, seen.st_size)
    except OSError as error:
        raise InputError(
            f"{reference}: must name a Python file that can be read; got {error.strerror}; "
            f"allowed: a path from {Path.cwd()} or an absolute one"
        ) from error


def _module(reference: str, path: str) -> Any:
    content = _content(reference)
    own = f"nas_user_file_{_hashed(f'{os.path.abspath(path)}{chr(0)}', content)}"
    if own not in sys.modules:
        spec = importlib.util.spec_from_file_location(own, path)
        if spec is None or spec.loader is None:
            raise InputError(f"{reference}: must name a Python file; got {path}; allowed: *.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[own] = module
        try:
            exec(compile(content, path, "exec"), vars(module))
        except Exception as error:
            del sys.modules[own]
            raise InputError(
                f"{path}: must run without an error; got {type(error).__name__}: {error}; "
                f"allowed: what `python {path}` runs"
            ) from error
    return sys.modules[own]
