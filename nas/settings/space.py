"""Which networks are possible."""

from __future__ import annotations

from dataclasses import dataclass

from nas.settings.checks import fail, one_of

SPACES = ("mixed", "shufflenet_v1", "shufflenet_v2", "mobilenext")


@dataclass(frozen=True)
class SpaceSettings:
    """Which networks are possible. A list left null is the space's own."""

    name: str = "mixed"
    source: str | None = None
    kinds: list[str] | None = None
    groups: list[int] | None = None
    widths: list[float] | None = None
    expansions: list[float] | None = None
    depths: list[int] | None = None
    kernel_sizes: list[int] | None = None
    resolutions: list[int] | None = None
    start_from: list[str] | None = None

    def __post_init__(self) -> None:
        if self.source is None:
            one_of("space.name", self.name, SPACES)
        for name in (
            "kinds",
            "groups",
            "widths",
            "expansions",
            "depths",
            "kernel_sizes",
            "resolutions",
        ):
            values = getattr(self, name)
            if values is not None and (not values or len(set(values)) != len(values)):
                raise fail(
                    f"space.{name}", "must list one or more different values", values, "null"
                )
