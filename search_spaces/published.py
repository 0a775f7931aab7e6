"""The published networks by name, at any input from 8x8 up and with any number of classes."""

from __future__ import annotations

from nas.architecture import Architecture
from nas.errors import SpaceError, nearest
from search_spaces import (
    published_compared,
    published_mobile,
    published_references,
    published_shufflenet_v1,
    published_shufflenet_v2,
)
from search_spaces.frame import Size
from search_spaces.published_network import PrintedSpeed, PublishedNetwork

__all__ = ["PUBLISHED", "PrintedSpeed", "PublishedNetwork", "catalogue", "published"]

_NETWORKS: tuple[PublishedNetwork, ...] = (
    *published_shufflenet_v1.NETWORKS,
    *published_shufflenet_v2.NETWORKS,
    *published_mobile.NETWORKS,
    *published_compared.NETWORKS,
    *published_references.NETWORKS,
)
_BY_NAME = {network.name: network for network in _NETWORKS}

PUBLISHED: dict[str, PublishedNetwork] = {
    name: network for name, network in _BY_NAME.items() if network.make is not None
}
"""Name -> entry of every network that has an architecture."""


def catalogue() -> tuple[PublishedNetwork, ...]:
    """Every network the papers name, those that cannot be built and plain references among them."""
    return _NETWORKS


def published(name: str, *, input: Size = (3, 224, 224), classes: int = 1000) -> Architecture:
    """The published network of this name.

    Below 112x112 it halves its input less often, so that about 3.5 pixels are left at the end: the
    stem does not pool, then does not stride, then the first stages do not (`frame`). Weights are
    the same, costs are not those of 224x224 in proportion.

    Raises:
        SpaceError: no such name, the nearest ones are listed; it has no architecture, with the
            reason; or the input is smaller than 8x8.
    """
    if name not in _BY_NAME:
        raise SpaceError(
            f"published networks: must be a known name; got {name!r}; "
            f"allowed: {nearest(name, PUBLISHED)}"
        )
    return _BY_NAME[name].architecture(input=input, classes=classes)
