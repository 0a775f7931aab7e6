"""ShuffleNet V2, as published."""

from __future__ import annotations

from functools import partial

from nas.architecture import StemSpec
from search_spaces.published_network import (
    RECONSTRUCTED,
    PrintedSpeed,
    PublishedNetwork,
    times,
)
from search_spaces.published_shufflenet_v1 import phone_and_desk
from search_spaces.shufflenet_v2 import (
    HEADS,
    PUBLISHED_WIDTHS,
    shufflenet_v2,
    shufflenet_v2_large,
)

PAPER = "Ma et al. 2018, ShuffleNet V2"
CODE = "released code of ShuffleNet V2"

# Multiply-adds, parameters (the released code's), top-1 error, GPU batches/s, ARM images/s.
TABLE_8 = {
    0.5: (41_000_000, 1_400_000, 39.7, 417, 57.0),
    1.0: (146_000_000, 2_300_000, 30.6, 341, 24.4),
    1.5: (299_000_000, 3_500_000, 27.4, 255, 11.8),
    2.0: (591_000_000, 7_400_000, 25.1, 217, 6.7),
}
TABLE_7 = {0.5: (188, 22.5), 1.0: (146, 29.0), 1.5: (109, 31.8), 2.0: (87, 33.3)}
TABLE_7_STAR = {0.5: (183, 23.7), 1.0: (138, 29.6), 1.5: (105, 32.2), 2.0: (83, 34.2)}
"""Detection on COCO: GPU images/s, mmAP."""


def _head(width: float) -> int:
    return HEADS[1] if width == 2.0 else HEADS[0]


def _detecting(images: float) -> PrintedSpeed:
    device = "GPU, batch 4, with its detector (Light-Head R-CNN)"
    return PrintedSpeed(images, "images/s", device, f"{PAPER}, Table 7", (3, 800, 1200))


def _plain(width: float) -> PublishedNetwork:
    multiply_adds, parameters, error, batches, images = TABLE_8[width]
    detected, precision = TABLE_7[width]
    return PublishedNetwork(
        name=f"shufflenet_v2_{times(width)}",
        source=f"{PAPER}, Tables 5 and 8; {CODE}",
        make=partial(shufflenet_v2, PUBLISHED_WIDTHS[width], head=_head(width)),
        multiply_adds=multiply_adds,
        parameters=parameters,
        top1_error=error,
        speeds=(*phone_and_desk(images, batches, f"{PAPER}, Table 8"), _detecting(detected)),
        deviation="40.48 M are printed as 41; no variant gives 40.5 to 41.5" * (width == 0.5),
        note=f"COCO mmAP {precision}",
    )


def _star(width: float) -> PublishedNetwork:
    detected, precision = TABLE_7_STAR[width]
    return PublishedNetwork(
        name=f"shufflenet_v2_star_{times(width)}",
        source=f"{PAPER}, sec. 4 and Table 7",
        make=partial(
            shufflenet_v2,
            PUBLISHED_WIDTHS[width],
            head=_head(width),
            options=(("depthwise_first", True),),
        ),
        speeds=(_detecting(detected),),
        status=RECONSTRUCTED,
        reason="the activation and, in stride-2 units, the stride of the added depthwise "
        "convolution are not given: none and 1",
        note=f"for detection: COCO mmAP {precision}",
    )


NETWORKS: tuple[PublishedNetwork, ...] = (
    *(_plain(width) for width in TABLE_8),
    PublishedNetwork(
        name="shufflenet_v2_se_x2_0",
        source=f"{PAPER}, Table 8",
        make=partial(shufflenet_v2, PUBLISHED_WIDTHS[2.0], head=HEADS[1], options=(("se", True),)),
        multiply_adds=597_000_000,
        top1_error=24.6,
        speeds=phone_and_desk(5.6, 161, f"{PAPER}, Table 8"),
        status=RECONSTRUCTED,
        reason="the drawing of the SE unit could not be read: on the branch's output, half of the "
        "unit's channels between its two layers",
    ),
    PublishedNetwork(
        name="shufflenet_v2_50",
        source=f"{PAPER}, Table 6 and appendix, Table 2",
        make=partial(shufflenet_v2_large, 244, (3, 4, 6, 3), StemSpec(64)),
        multiply_adds=2_300_000_000,
        top1_error=22.8,
    ),
    PublishedNetwork(
        name="shufflenet_v2_se_164",
        source=f"{PAPER}, Table 6 and appendix, Table 2",
        make=partial(
            shufflenet_v2_large,
            340,
            (10, 10, 23, 10),
            StemSpec(128, before=(64, 64)),
            options=(("residual", True), ("se", True)),
        ),
        multiply_adds=12_700_000_000,
        top1_error=18.56,
        status=RECONSTRUCTED,
        reason="SE with half of the unit's channels stands before the residual sum, as the text "
        "says; the drawing of the unit could not be read",
    ),
    *(_star(width) for width in TABLE_8),
)
