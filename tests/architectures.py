"""Networks for tests: the published ones written by hand, and random ones of any kinds."""

import random

from nas.architecture import Architecture, HeadSpec, StemSpec, UnitSpec
from nas.errors import ArchitectureError
from nas.unit_rules import UNIT_RULES


def stages(*rows, **common):
    """Units of stages given as (kind, width, number, stride of the first, further fields)."""
    return tuple(
        UnitSpec(kind, width, stride=stride if index == 0 else 1, **{**common, **fields})
        for kind, width, number, stride, fields in rows
        for index in range(number)
    )


def shufflenet_v1(groups, widths, stem, *, input=(3, 224, 224), classes=1000):
    rows = [("shuffle_v1", w, n, 2, {}) for w, n in zip(widths, (4, 8, 4), strict=True)]
    units = stages(*rows, groups=groups, expansion=4)
    return Architecture(input, StemSpec(stem), units, HeadSpec(), classes)


def shufflenet_v2(widths, *, input=(3, 224, 224), classes=1000):
    rows = [("shuffle_v2", w, n, 2, {}) for w, n in zip(widths, (4, 8, 4), strict=True)]
    return Architecture(input, StemSpec(24), stages(*rows), HeadSpec(1024), classes)


def mobilenext(*, input=(3, 224, 224), classes=1000):
    # A row of one unit has both depthwise convolutions (networks.md, 1.3).
    single = {"options": (("depthwise", "both"),)}
    units = stages(
        ("sandglass", 96, 1, 2, {"expansion": 2}),
        ("sandglass", 144, 1, 1, single),
        ("sandglass", 192, 3, 2, {}),
        ("sandglass", 288, 3, 2, {}),
        ("sandglass", 384, 4, 1, {}),
        ("sandglass", 576, 4, 2, {}),
        ("sandglass", 960, 3, 1, {}),
        ("sandglass", 1280, 1, 1, single),
        expansion=6,
    )
    stem = StemSpec(32, pool=False, activation="relu6")
    head = HeadSpec(activation="relu6", dropout=0.2, bias=True)
    return Architecture(input, stem, units, head, classes)


# name -> (architecture, multiply-adds, parameters), counted on the authors' released code or an
# independent implementation equal to it, at 224x224 with 1000 classes.
EXACT = {
    "shufflenet_v1 g=1 1x": (shufflenet_v1(1, (144, 288, 576), 24), 143_078_976, 1_530_936),
    "shufflenet_v1 g=2 1x": (shufflenet_v1(2, (200, 400, 800), 24), 140_836_512, 1_732_848),
    "shufflenet_v1 g=3 1x": (shufflenet_v1(3, (240, 480, 960), 24), 137_460_672, 1_864_728),
    "shufflenet_v1 g=8 1x": (shufflenet_v1(8, (384, 768, 1536), 24), 138_365_952, 2_433_768),
    "shufflenet_v1 g=3 0.5x": (shufflenet_v1(3, (120, 240, 480), 12), 37_589_856, 717_324),
    "shufflenet_v1 g=3 2x": (shufflenet_v1(3, (480, 960, 1920), 48), 524_045_184, 5_449_776),
    "shufflenet_v2 0.5x": (shufflenet_v2((48, 96, 192)), 40_476_448, 1_365_792),
    "shufflenet_v2 1x": (shufflenet_v2((116, 232, 464)), 145_814_296, 2_278_760),
    "mobilenext 1.0": (mobilenext(), 311_342_592, 3_535_416),
}


def draw(rng: random.Random, *, kinds=tuple(UNIT_RULES), input=None) -> Architecture:
    """A random legal architecture, its widths found by asking the rules."""
    input = input or (rng.choice((1, 3)), rng.randint(16, 40), rng.randint(16, 40))
    stem = StemSpec(rng.choice((8, 16, 24)), 1, rng.random() < 0.3, rng.choice(("relu", "relu6")))
    units = tuple(
        unit
        for stage in range(rng.randint(1, 3))
        for unit in _draw_stage(rng, kinds, first=stage == 0)
    )
    for _ in range(1000):
        head = HeadSpec(rng.choice((0, 32)), bias=rng.random() < 0.5)
        widened = _widen(rng, input, stem, units, head)
        if widened:
            return widened
        units = units[:-1] or tuple(_draw_stage(rng, kinds, first=True))
    raise AssertionError("no legal architecture found")


def _draw_stage(rng, kinds, *, first):
    kind = rng.choice(kinds)
    rule = UNIT_RULES[kind]
    options = tuple(
        (name, rng.choice(values)) for name, values in rule.options.items() if rng.random() < 0.4
    )
    unit = {
        "kind": kind,
        "groups": rng.choice((1, 2, 3, 4, 8)),
        "expansion": rng.choice((1.0, 2.0, 4.0, 6.0, rule.expansion)),
        "kernel_size": rng.choice((3, 5, 7)),
        "options": options,
    }
    depth = rng.randint(1, 3)
    return [UnitSpec(out_channels=8, stride=1 + (n == 0), **unit) for n in range(depth)]


def _widen(rng, input, stem, units, head):
    """The units with legal widths, or None."""
    chosen = ()
    width = stem.out_channels
    for unit in units:
        least = width + rng.randint(0, 24) if unit.stride == 2 or rng.random() < 0.2 else width
        for width in range(least, least + 200):
            spec = UnitSpec(
                unit.kind,
                width,
                unit.stride,
                unit.groups,
                unit.expansion,
                unit.kernel_size,
                unit.options,
            )
            try:
                architecture = Architecture(input, stem, (*chosen, spec), head, 10)
            except ArchitectureError:
                continue
            chosen = (*chosen, spec)
            break
        else:
            return None
    return architecture


def network(depth: int) -> Architecture:
    """One that is measured in a moment, slower with each unit."""
    return Architecture(
        input=(1, 8, 8),
        stem=StemSpec(24, stride=1, pool=False),
        units=(UnitSpec("shuffle_v2", 48, stride=2), *[UnitSpec("shuffle_v2", 48)] * depth),
        head=HeadSpec(),
        classes=10,
    )
