"""What MLflow accepts as names and values, and how ours are made to fit.

MLflow cuts long values silently, stores infinities as 1.8e308 and refuses a whole batch for one
illegal name (docs, mlflow.org, "Limits"; mlflow/utils/validation.py of 3.17); so everything is
made legal here, and visibly.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from nas.masking import masked as masked

NAME_CHARACTERS = 250
PARAM_CHARACTERS = 6000
TAG_CHARACTERS = 8000
EXPERIMENT_CHARACTERS = 500
CUT = " ... (cut)"

_ILLEGAL = re.compile(r"[^\w.\-/ :]")


def name(text: str) -> str:
    """A legal name of a param, metric or tag: foreign characters become `_`.

    >>> name("stage1@kind (first)")
    'stage1_kind _first_'
    """
    legal = _ILLEGAL.sub("_", text).strip("/ ")
    # MLflow reads a name as a path and wants it in its shortest form, inside the folder.
    parts = [part for part in legal.split("/") if part not in ("", ".", "..")]
    return "/".join(parts)[:NAME_CHARACTERS].rstrip("/ ") or "_"


def cut(text: str, characters: int) -> str:
    """The text, or as much of it as fits with a mark that says so."""
    return text if len(text) <= characters else text[: characters - len(CUT)] + CUT


def params(values: Mapping[str, object]) -> dict[str, str]:
    """Params with legal names and lengths; names that become equal get a number."""
    legal: dict[str, str] = {}
    for key, value in values.items():
        free, number = name(key), 2
        while free in legal:
            free, number = f"{name(key)[: NAME_CHARACTERS - 8]}-{number}", number + 1
        legal[free] = cut(str(value), PARAM_CHARACTERS)
    return legal


def tags(values: Mapping[str, object]) -> dict[str, str]:
    """Tags with legal names and lengths; those that are None are left out."""
    return {name(k): cut(str(v), TAG_CHARACTERS) for k, v in values.items() if v is not None}


def metrics(values: Mapping[str, float | None]) -> dict[str, float]:
    """Metrics with legal names; what is unknown or not finite is left out."""
    known = {k: float(v) for k, v in values.items() if v is not None}
    return {name(k): v for k, v in known.items() if math.isfinite(v)}
