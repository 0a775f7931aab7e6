"""Search for networks that keep a latency limit on a device you own.

    import nas

    result = nas.search("data=digits", "study.trials=5")
    module = nas.build(result.winners[0].outcome.architecture)

The names below are stable. Each is imported when it is first used, so that `import nas` costs
neither torch nor MLflow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.architecture import Architecture, UnitSpec
    from nas.costs import count
    from nas.errors import InputError, NasError
    from nas.export.folder import load
    from nas.network import build
    from nas.outcome import Costs, Evaluation, Latency, Outcome
    from nas.result import Finalist, SearchResult
    from nas.session import search
    from nas.settings import Settings
    from nas.settings.compose import compose
    from nas.space import Gene, SearchSpace
    from search_spaces.published import published

__version__ = "0.1.0"

__all__ = [
    "Architecture",
    "Costs",
    "Evaluation",
    "Finalist",
    "Gene",
    "InputError",
    "Latency",
    "NasError",
    "Outcome",
    "SearchResult",
    "SearchSpace",
    "Settings",
    "UnitSpec",
    "__version__",
    "build",
    "compose",
    "count",
    "load",
    "published",
    "search",
]

_HOMES = {
    "nas.architecture": ("Architecture", "UnitSpec"),
    "nas.costs": ("count",),
    "nas.errors": ("InputError", "NasError"),
    "nas.export.folder": ("load",),
    "nas.network": ("build",),
    "nas.outcome": ("Costs", "Evaluation", "Latency", "Outcome"),
    "nas.result": ("Finalist", "SearchResult"),
    "nas.session": ("search",),
    "nas.settings": ("Settings",),
    "nas.settings.compose": ("compose",),
    "nas.space": ("Gene", "SearchSpace"),
    "search_spaces.published": ("published",),
}


def __getattr__(name: str) -> Any:
    """A public name, imported now and kept."""
    for home, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(home), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'nas' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names."""
    return __all__
