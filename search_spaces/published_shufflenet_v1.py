"""ShuffleNet v1 and the units it is compared with, as published."""

from __future__ import annotations

from functools import partial

from search_spaces.baselines import in_shufflenet_frame
from search_spaces.frame import Size
from search_spaces.published_network import (
    IMAGENET,
    NOT_BUILDABLE,
    PUBLISHED,
    RECONSTRUCTED,
    PrintedSpeed,
    PublishedNetwork,
    times,
)
from search_spaces.shufflenet_v1 import CHANNELS, shufflenet_v1, shufflenet_v1_50

PAPER = "Zhang et al. 2018, ShuffleNet"
CODE = "released code of ShuffleNet v1"
V2_PAPER = "Ma et al. 2018, ShuffleNet V2"
SNAPDRAGON_820 = "Snapdragon 820, 1 thread"

# (groups, width): printed multiply-adds, parameters, source. Table 1's and Table 2's numbers leave
# the classifier out: only so do they agree for every number of groups.
WITHOUT_CLASSIFIER: dict[tuple[int, float], tuple[float, str]] = {
    (1, 1.0): (143e6, "Table 1"),
    (2, 1.0): (140e6, "Table 1"),
    (3, 1.0): (137e6, "Table 1"),
    (4, 1.0): (133e6, "Table 1"),
    (8, 1.0): (137e6, "Table 1"),
    (1, 0.5): (38e6, "Table 2"),
    (2, 0.5): (38e6, "Table 2"),
    (4, 0.5): (38e6, "Table 2"),
    **{(groups, 0.25): (13e6, "Table 2") for groups in CHANNELS},
}
WITH_CLASSIFIER: dict[tuple[int, float], tuple[float, str]] = {
    (3, 0.5): (38e6, CODE),
    (8, 0.5): (40e6, CODE),
    (3, 1.5): (292e6, "Table 5"),
    (8, 1.5): (290e6, CODE),
    (3, 2.0): (524e6, "Table 5"),
    (8, 2.0): (522e6, CODE),
}
PARAMETERS = {
    (3, 0.5): 700_000,
    (8, 0.5): 1_000_000,
    (3, 1.0): 1_900_000,
    (8, 1.0): 2_400_000,
    (3, 1.5): 3_400_000,
    (8, 1.5): 4_300_000,
    (3, 2.0): 5_400_000,
    (8, 2.0): 6_500_000,
}
TOP1_ERROR = {
    1.0: {1: 33.6, 2: 32.7, 3: 32.6, 4: 32.8, 8: 32.4},
    0.5: {1: 45.1, 2: 44.4, 3: 43.2, 4: 41.6, 8: 42.3},
    0.25: {1: 57.1, 2: 56.8, 3: 55.0, 4: 54.2, 8: 52.7},
    1.5: {3: 28.5, 8: 29.0},
    2.0: {3: 26.3, 8: 27.1},
}
"""Tables 2 and 5; with 8 groups at 1.5x and 2x, the released code's."""
SPEEDS = {
    (3, 0.5): ((15.2, 87.4, 260.1), (347, 56.8)),
    (3, 1.0): ((37.8, 222.2, 684.5), (213, 21.8)),
    (3, 1.5): ((), (164, 10.3)),
    (3, 2.0): ((108.8, 617.0, 1857.6), (133, 6.4)),
}
INPUTS = ((3, 224, 224), (3, 480, 640), (3, 720, 1280))

UNDIVIDED = (
    "the bottleneck does not divide into the groups at these channels and the paper does not say "
    "how it rounded: the first stage goes up to a multiple, the next double it"
)
STEM_GUESSED = "the stem's 12 channels are inferred from the printed cost; no source gives them"
NOT_PRINTED = "the paper's rule, s times the filters; no source prints this network or its stem"
REASONS = {
    **{(groups, 0.25): STEM_GUESSED for groups in (1, 3)},
    **{(groups, width): UNDIVIDED for groups in (2, 4) for width in (0.25, 0.5)},
    (8, 0.25): "a stem of 12 leaves 96 - 12 channels, which 8 groups do not divide: it has 16",
    (1, 0.5): "the stem's 12 channels are those of 3 groups, which the released code gives",
    **{(groups, width): NOT_PRINTED for groups in (1, 2, 4) for width in (1.5, 2.0)},
}
UNROUNDED = "the channels the paper used are unknown: its table's do not divide into the groups"
DEVIATIONS = {
    (3, 0.5): "37.59 M are printed as 38",
    (8, 0.5): "40.47 M are printed as 40; the paper's Table 2 has 38, from an unknown stem",
    (2, 0.5): UNROUNDED,
    (4, 0.5): "the paper's 576 channels in the last stage and a stem of 12 cost 40.1 M",
    (2, 0.25): UNROUNDED,
    (4, 0.25): UNROUNDED,
    (8, 0.25): "the stem of 16 that 8 groups divide costs more than the paper's unknown one",
}


def phone_and_desk(
    images: float, batches: float, source: str, input: Size = IMAGENET
) -> tuple[PrintedSpeed, ...]:
    """What ShuffleNet V2's Table 8 prints: GPU batches of 8 a second, ARM images a second."""
    return (
        PrintedSpeed(batches, "batches/s", "GTX 1080Ti, batch 8", source, input),
        PrintedSpeed(images, "images/s", "Snapdragon 810, 1 thread, batch 1", source, input),
    )


def _speeds(groups: int, width: float) -> tuple[PrintedSpeed, ...]:
    if (groups, width) not in SPEEDS:
        return ()
    milliseconds, (batches, images) = SPEEDS[groups, width]
    on_phone = tuple(
        PrintedSpeed(ms, "ms", SNAPDRAGON_820, f"{PAPER}, Table 8", input)
        for ms, input in zip(milliseconds, INPUTS, strict=False)
    )
    return on_phone + phone_and_desk(images, batches, f"{V2_PAPER}, Table 8")


def _plain(groups: int, width: float) -> PublishedNetwork:
    key = (groups, width)
    counted = key not in WITHOUT_CLASSIFIER
    printed, table = (WITH_CLASSIFIER if counted else WITHOUT_CLASSIFIER).get(key, (None, ""))
    return PublishedNetwork(
        name=f"shufflenet_v1_g{groups}_{times(width)}",
        source=table if table == CODE else ", ".join(filter(None, (PAPER, table))),
        make=partial(shufflenet_v1, groups, width),
        multiply_adds=None if printed is None else int(printed),
        parameters=PARAMETERS.get(key),
        top1_error=TOP1_ERROR[width].get(groups),
        classifier_counted=counted,
        speeds=_speeds(groups, width),
        status=RECONSTRUCTED if key in REASONS else PUBLISHED,
        reason=REASONS.get(key, ""),
        deviation=DEVIATIONS.get(key, ""),
    )


def _compared(
    name: str, kind: str, channels: tuple[int, int, int], error: float | None, deviation: str = ""
) -> PublishedNetwork:
    return PublishedNetwork(
        name=name,
        source=f"{PAPER}, Table 4 and sec. 4.2",
        make=partial(in_shufflenet_frame, kind, channels),
        multiply_adds=38_000_000,
        top1_error=error,
        classifier_counted=False,
        status=RECONSTRUCTED,
        reason=f"the paper gives the last stage's {channels[-1]} channels only; halved in each "
        "stage before, stem of 12",
        deviation=deviation,
    )


def _unknown(name: str, millions: int, error: float, reason: str) -> PublishedNetwork:
    return PublishedNetwork(
        name=name,
        source=f"{PAPER}, Table 4",
        multiply_adds=millions * 1_000_000,
        top1_error=error,
        classifier_counted=False,
        status=NOT_BUILDABLE,
        reason=reason,
    )


UNPUBLISHED = "the paper does not give its channels"

NETWORKS: tuple[PublishedNetwork, ...] = (
    *(_plain(groups, width) for groups in CHANNELS for width in (0.25, 0.5, 1.0, 1.5, 2.0)),
    PublishedNetwork(
        name="shufflenet_v1_se_g3_x2_0",
        source=f"{PAPER}, Table 5",
        make=partial(shufflenet_v1, 3, 2.0, options=(("se", 16),)),
        multiply_adds=527_000_000,
        top1_error=24.7,
        status=RECONSTRUCTED,
        reason="the paper says that it has SE, not where nor how narrow: on every unit's branch, "
        "a sixteenth of its channels",
    ),
    PublishedNetwork(
        name="shufflenet_v1_50",
        source=f"{V2_PAPER}, Table 6 and appendix, Table 2",
        make=shufflenet_v1_50,
        multiply_adds=2_300_000_000,
        top1_error=25.2,
        status=RECONSTRUCTED,
        reason="printed with bottlenecks of 1:4, which cost 1.16 G: 1:2 cost the printed 2.3 G; a "
        "stem of 64 leaves 360 - 64 channels, which 3 groups do not divide: it has 66",
    ),
    PublishedNetwork(
        name="shufflenet_v1_g3_x0_5_shallow",
        source=f"{PAPER}, Table 5",
        multiply_adds=40_000_000,
        top1_error=42.8,
        status=NOT_BUILDABLE,
        reason="half of the blocks at 0.5x cost 21.6 M, not 40 M: its channels are not published",
    ),
    _compared("vgg_38m", "vgg", (12, 25, 50), None, "12, 25, 50 is the nearest guess"),
    _compared("resnet_38m", "bottleneck", (48, 96, 192), 48.8),
    _compared("xception_38m", "xception", (72, 144, 288), 45.1),
    _unknown(
        "resnext_38m", 38, 46.0,
        "192 channels in the last stage, halved twice, leave a bottleneck of 24 at 1:2, which the "
        "cardinality of 16 does not divide",
    ),
    _unknown("vgg_140m", 140, 50.7, UNPUBLISHED),
    _unknown("resnet_140m", 140, 37.3, UNPUBLISHED),
    _unknown("resnext_140m", 140, 33.3, UNPUBLISHED),
    _unknown("resnet_13m", 13, 63.7, UNPUBLISHED),
    _unknown("resnext_13m", 13, 65.2, UNPUBLISHED),
)  # fmt: skip
