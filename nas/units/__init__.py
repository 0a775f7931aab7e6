"""The building blocks, one file per family."""

from torch import nn

from nas.units.sandglass import Sandglass
from nas.units.shuffle_v1 import ShuffleV1
from nas.units.shuffle_v2 import ShuffleV2

UNITS: dict[str, type[nn.Module]] = {
    "shuffle_v1": ShuffleV1,
    "shuffle_v2": ShuffleV2,
    "sandglass": Sandglass,
}
"""The module behind each "unit" of a plan; built as `UNITS[plan["unit"]](**rest_of_plan)`."""
