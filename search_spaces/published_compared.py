"""What ShuffleNet V2's Table 8 compares and gives no channels of: listed, never built."""

from __future__ import annotations

from typing import NamedTuple

from search_spaces.frame import Size
from search_spaces.published_network import IMAGENET, NOT_BUILDABLE, PublishedNetwork
from search_spaces.published_shufflenet_v1 import phone_and_desk

TABLE_8 = "Ma et al. 2018, ShuffleNet V2, Table 8"

OWN_ROUNDING = (
    "the paper's own implementation, whose rounding of the channels is not given: with "
    "MobileNetV2's multiples of 8 it would cost {} M"
)
OWN_DENSENET = "the paper's own implementation of DenseNet at this cost; its channels are not given"
SMALL_XCEPTION = (
    "the small Xception of Light-Head R-CNN, not the one of ShuffleNet v1; what it is at this cost "
    "is not given"
)
IGCV2 = "the paper names IGCV2 and gives none of its units and channels"
NO_WIDTH = (
    "0.7 is the share of the parameters, not of the channels: 0.7 times the channels cost 174.6 M"
)
NO_ROUNDING = "how the channels are rounded is not given: as far as it is known, they cost 590.0 M"


class Printed(NamedTuple):
    """One row: millions of multiply-adds, top-1 error, GPU batches/s, ARM images/s."""

    name: str
    millions: int
    error: float
    batches: float
    images: float
    reason: str
    input: Size = IMAGENET


ROWS = (
    Printed("mobilenet_v2_x0_4_160", 43, 43.4, 333, 33.2, OWN_ROUNDING.format(41.8), (3, 160, 160)),
    Printed("mobilenet_v2_x0_15", 39, 55.1, 351, 33.6, OWN_ROUNDING.format(30.6)),
    Printed(
        "mobilenet_v2_x0_75_192", 145, 32.1, 235, 15.9, OWN_ROUNDING.format(153.9), (3, 192, 192)
    ),
    Printed("mobilenet_v2_x0_6", 141, 33.3, 249, 14.9, OWN_ROUNDING.format(151.0)),
    Printed("densenet_x0_5", 42, 58.6, 366, 39.7, OWN_DENSENET),
    Printed("densenet_x1_0", 142, 45.2, 279, 15.8, OWN_DENSENET),
    Printed("densenet_x1_5", 295, 39.9, 274, 9.7, OWN_DENSENET),
    Printed("densenet_x2_0", 519, 34.6, 197, 6.1, OWN_DENSENET),
    Printed("xception_x0_5", 40, 44.9, 384, 52.9, SMALL_XCEPTION),
    Printed("xception_x1_0", 145, 34.1, 278, 19.5, SMALL_XCEPTION),
    Printed("xception_x1_5", 305, 29.4, 219, 10.5, SMALL_XCEPTION),
    Printed("xception_x2_0", 525, 27.6, 174, 6.7, SMALL_XCEPTION),
    Printed("igcv2_x0_25", 46, 45.1, 183, 31.5, IGCV2),
    Printed("igcv2_x0_5", 156, 34.5, 132, 15.5, IGCV2),
    Printed("igcv2_x1_0", 564, 29.3, 81, 4.9, IGCV2),
    Printed("igcv3_d_x0_7", 210, 31.5, 143, 11.7, NO_WIDTH),
    Printed("igcv3_d_x1_4", 610, 25.5, 82, 4.5, NO_ROUNDING),
)

NETWORKS: tuple[PublishedNetwork, ...] = tuple(
    PublishedNetwork(
        name=row.name,
        source=TABLE_8,
        multiply_adds=row.millions * 1_000_000,
        top1_error=row.error,
        speeds=phone_and_desk(row.images, row.batches, TABLE_8, row.input),
        status=NOT_BUILDABLE,
        reason=row.reason,
        note=f"at {row.input[1]}x{row.input[2]}" * (row.input != IMAGENET),
    )
    for row in ROWS
)
