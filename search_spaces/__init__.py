"""The search spaces, one a file, and the published networks."""

from __future__ import annotations

from nas.space import SearchSpace
from search_spaces.mixed import Mixed
from search_spaces.mobilenext import MobileNext
from search_spaces.shufflenet_v1 import ShuffleNetV1
from search_spaces.shufflenet_v2 import ShuffleNetV2

SEARCH_SPACES: dict[str, type[SearchSpace]] = {
    space.name: space for space in (Mixed, ShuffleNetV1, ShuffleNetV2, MobileNext)
}
"""Name -> class; each is usable without arguments."""

__all__ = ["SEARCH_SPACES", "Mixed", "MobileNext", "ShuffleNetV1", "ShuffleNetV2"]
