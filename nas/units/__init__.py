"""The building blocks, one file per family."""

from torch import nn

from nas.unit_rules import Plan
from nas.unit_rules.own import own_class
from nas.units.bottleneck import Bottleneck
from nas.units.inverted_residual import InvertedResidual
from nas.units.sandglass import Sandglass
from nas.units.separable import Separable
from nas.units.shuffle_v1 import ShuffleV1
from nas.units.shuffle_v2 import ShuffleV2
from nas.units.vgg import Vgg

UNITS: dict[str, type[nn.Module]] = {
    "shuffle_v1": ShuffleV1,
    "shuffle_v2": ShuffleV2,
    "sandglass": Sandglass,
    "inverted_residual": InvertedResidual,
    "separable": Separable,
    "bottleneck": Bottleneck,
    "vgg": Vgg,
}
"""The module behind each "unit" of a plan; built as `UNITS[plan["unit"]](**rest_of_plan)`."""


def build_unit(plan: Plan) -> nn.Module:
    """The module of one plan, with torch's initial weights; also of a unit of the user's own."""
    arguments = {name: value for name, value in plan.items() if name not in ("unit", "source")}
    unit = str(plan["unit"])
    module: nn.Module = (own_class(unit) if "source" in plan else UNITS[unit])(**arguments)
    return module
