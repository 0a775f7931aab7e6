"""One commented file that holds a search: written by `nas init`, run by `nas search search.yaml`.

Each line of the file is an override as on the command line, `key: value` in place of `key=value`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from nas.errors import SettingsError

SUFFIXES = (".yaml", ".yml")

TEMPLATE = """\
# A search. Run it with `nas search {name}`; see what it comes to with
# `nas search {name} --dry-run`. Each line is an override as on the command line, where
# `key: value` reads key=value; what the command line gives on top of this file wins.
# All settings with their values: `nas search {name} --cfg job`.

# 1. Data: the images that decide what accurate means.
data: digits                  # 1,797 real 8x8 images that come with scikit-learn; no download
# data: arrays                # your own: one .npz file of images and labels
# data.path: images.npz

# 2. Target: what is measured, and how you will run the network.
target: onnxruntime           # this machine's CPU under ONNX Runtime; or: eager
target.threads: 1
target.batch_size: 1

# 3. Limit: what a network must keep to count. A network's name means "no more than that one,
#    measured here", so the same file means the same on every machine. A number works, too.
objective.latency_of: shufflenet_v2_x0_5
objective.multiply_adds_of: shufflenet_v2_x0_5
# objective.latency_ms: 5     # milliseconds of wall clock for one batch; then without latency_of
# objective.parameters: 1e6

# How long to search: so many trained candidates.
study.trials: 20
# study.hours: 8
"""


def is_search_file(argument: str) -> bool:
    """Whether this argument of `nas search` names a file instead of being an override."""
    return "=" not in argument and argument.endswith(SUFFIXES)


def expanded(arguments: Sequence[str]) -> list[str]:
    """The overrides, those of a file first so that the command line wins.

    Raises:
        SettingsError: a file is missing or cannot be read as a search.
    """
    files = [line for name in arguments if is_search_file(name) for line in read(Path(name))]
    return [*files, *(argument for argument in arguments if not is_search_file(argument))]


def read(path: Path) -> list[str]:
    """The overrides a file holds, in its order.

    Raises:
        SettingsError: the file is missing, no YAML, or holds something else than keys and values.
    """
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        beside = ", ".join(p.name for s in SUFFIXES for p in sorted(path.parent.glob(f"*{s}")))
        raise SettingsError(
            f"search file: must exist; got {str(path)!r}; allowed: "
            f"{beside or 'a file such as nas init writes'}"
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        said = " ".join(str(error).split())
        raise SettingsError(
            f"{path}: must be a readable YAML file; got {said!r}; allowed: lines of `key: value` "
            "as in the file that nas init writes"
        ) from error
    if not isinstance(value, Mapping):
        raise SettingsError(
            f"{path}: must hold lines of `key: value`; got {str(value)[:60]!r}; allowed: the keys "
            "of the command line, such as study.trials: 40"
        )
    return [f"{key}={literal(inner)}" for key, inner in _flat(value)]


def _flat(value: Mapping[Any, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flat(inner, f"{before}{key}.")
        else:
            yield f"{before}{key}", inner


def literal(value: object) -> str:
    """A plain value in Hydra's grammar of overrides."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ",".join(map(literal, value)) + "]"
    if isinstance(value, int | float):
        return repr(value)
    # In Hydra's quoted strings backslashes are special only before a quote and at the end.
    text = re.sub(r"(\\+)(?='|\Z)", r"\1\1", str(value))
    return "'" + text.replace("'", "\\'") + "'"
