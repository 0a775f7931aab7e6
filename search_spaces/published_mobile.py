"""MobileNetV1, MobileNetV2, IGCV3-D and MobileNeXt, as published."""

from __future__ import annotations

from functools import partial

from search_spaces.mobilenet import igcv3_d, mobilenet_v1, mobilenet_v2
from search_spaces.mobilenext import IDENTITIES, mobilenext, mobilenext_paper
from search_spaces.published_network import (
    RECONSTRUCTED,
    PrintedSpeed,
    PublishedNetwork,
    times,
)
from search_spaces.published_shufflenet_v1 import INPUTS, SNAPDRAGON_820, phone_and_desk

V1_PAPER = "Howard et al. 2017, MobileNets"
V2_PAPER = "Sandler et al. 2018, MobileNetV2"
V2_CODE = "released code of MobileNetV2 (TF-slim)"
IGCV3_PAPER = "Sun et al. 2018, IGCV3"
NEXT_PAPER = "Zhou et al. 2020, MobileNeXt"
NEXT_CODE = "released code of MobileNeXt"
SHUFFLENET = "Zhang et al. 2018, ShuffleNet"
SHUFFLENET_V2 = "Ma et al. 2018, ShuffleNet V2"

# Multiply-adds and parameters in millions, top-1 error, GPU batches/s and ARM images/s.
V1 = {
    1.0: (569, 4.2, 29.4, 247, 6.5),
    0.75: (325, 2.6, 31.6, 314, 10.6),
    0.5: (149, 1.3, 36.3, 382, 16.5),
    0.25: (41, 0.5, 49.4, 502, 36.4),
}
V1_TIMES = (110.0, 612.0, 1879.2)
# Source, multiply-adds and parameters in millions, top-1 error, ms on a Pixel 1 (TF-slim).
V2 = {
    1.4: (f"{V2_PAPER}, Table 4", 585, 6.9, 25.3, 138.0),
    1.0: (f"{V2_PAPER}, Table 4", 300, 3.4, 28.0, 73.8),
    0.75: (V2_CODE, 209, 2.61, 30.2, 55.8),
    0.5: (V2_CODE, 97, 1.95, 34.6, 28.7),
    0.35: (V2_CODE, 59, 1.66, 39.7, 19.7),
}
WITHOUT_NORMALISATION = "the printed parameters leave those of the normalisation out"
V2_DEVIATIONS = {
    1.4: "the paper prints 6.9 M parameters; its released code prints 6.06 M, without those of the "
    "normalisation",
    1.0: f"{WITHOUT_NORMALISATION}: 3.47 M, printed as 3.4",
    0.75: WITHOUT_NORMALISATION,
    0.35: WITHOUT_NORMALISATION,
}
V2_RATES = {1.0: (8.9, 180), 1.4: (5.4, 137)}
# Multiply-adds and parameters in millions, top-1 accuracy.
NEXT = {
    1.4: (590, 6.1, 76.1),
    1.0: (300, 3.5, 74.02),
    0.75: (210, 2.5, 72.0),
    0.5: (110, 2.1, 67.7),
    0.35: (80, 1.8, 64.7),
}
NEXT_IDENTITY = {1: (74.02, 211), 2: (74.09, 196), 3: (73.91, 195), 4: (73.68, 188)}
"""Divisor of the identity's channels -> top-1 accuracy, ms."""
NEXT_DEVIATIONS = {
    0.35: "no reading of the paper and its code gives the printed 80 M and 1.8 M",
    0.5: "no reading of the paper and its code gives the printed 110 M",
    0.75: "the multiply-adds agree; the parameters printed are 10 % fewer than the code's network "
    "has",
    1.0: "the code's table has three units of 960 channels where the paper's is read as two; no "
    "reading gives both the printed 300 M and 3.4 M",
}
PAPER_FORM = (
    "the paper's table could not be read: two units of 960 channels and in/t hidden channels, as "
    "several other implementations have them"
)
PAPER_DEVIATION = (
    "in/t hidden channels cost less than is printed: the printed numbers need the released code's "
    "floor of out/6"
)


def _v1(width: float) -> PublishedNetwork:
    multiply_adds, parameters, error, batches, images = V1[width]
    speeds = phone_and_desk(images, batches, f"{SHUFFLENET_V2}, Table 8")
    if width == 1.0:
        speeds += tuple(
            PrintedSpeed(ms, "ms", SNAPDRAGON_820, f"{SHUFFLENET}, Table 8", input)
            for ms, input in zip(V1_TIMES, INPUTS, strict=True)
        )
    return PublishedNetwork(
        name=f"mobilenet_v1_{times(width)}",
        source=f"{V1_PAPER}, Table 6",
        make=partial(mobilenet_v1, width),
        multiply_adds=multiply_adds * 1_000_000,
        parameters=int(parameters * 1_000_000),
        top1_error=error,
        speeds=speeds,
    )


def _v2(width: float) -> PublishedNetwork:
    source, multiply_adds, parameters, error, ms = V2[width]
    speeds: tuple[PrintedSpeed, ...] = (PrintedSpeed(ms, "ms", "Pixel 1, large core", V2_CODE),)
    if width in V2_RATES:
        speeds += phone_and_desk(*V2_RATES[width], f"{SHUFFLENET_V2}, Table 8")
    return PublishedNetwork(
        name=f"mobilenet_v2_{times(width)}",
        source=source,
        make=partial(mobilenet_v2, width),
        multiply_adds=multiply_adds * 1_000_000,
        parameters=int(parameters * 1_000_000),
        top1_error=error,
        speeds=speeds,
        deviation=V2_DEVIATIONS.get(width, ""),
    )


def _next(width: float, identity: int = 1) -> PublishedNetwork:
    multiply_adds, parameters, accuracy = NEXT[width]
    speeds: tuple[PrintedSpeed, ...] = ()
    if width == 1.0:
        accuracy, ms = NEXT_IDENTITY[identity]
        speeds = (PrintedSpeed(ms, "ms", "Pixel 4 CPU, PyTorch Mobile", NEXT_CODE),)
    return PublishedNetwork(
        name=f"mobilenext_{times(width)}" + f"_identity{identity}" * (identity > 1),
        source=f"{NEXT_PAPER}; {NEXT_CODE}",
        make=partial(mobilenext, width, identity=identity),
        multiply_adds=multiply_adds * 1_000_000,
        parameters=int(parameters * 1_000_000),
        top1_error=round(100 - accuracy, 2),
        speeds=speeds,
        deviation=NEXT_DEVIATIONS.get(width, ""),
        note=f"identity on 1/{identity} of the channels" * (identity > 1),
    )


def _next_paper(width: float, identity: int = 1) -> PublishedNetwork:
    multiply_adds, _, accuracy = NEXT[width]
    return PublishedNetwork(
        name=f"mobilenext_paper_{times(width)}" + f"_identity{identity}" * (identity > 1),
        source=NEXT_PAPER,
        make=partial(mobilenext_paper, width, identity=identity),
        multiply_adds=multiply_adds * 1_000_000,
        top1_error=round(100 - (NEXT_IDENTITY[identity][0] if width == 1.0 else accuracy), 2),
        status=RECONSTRUCTED,
        reason=PAPER_FORM,
        deviation=PAPER_DEVIATION,
        note=f"identity on 1/{identity} of the channels" * (identity > 1),
    )


NETWORKS: tuple[PublishedNetwork, ...] = (
    *(_next(width) for width in NEXT),
    *(_next(1.0, identity) for identity in IDENTITIES[1:]),
    *(_next_paper(width) for width in NEXT),
    *(_next_paper(1.0, identity) for identity in IDENTITIES[1:]),
    *(_v1(width) for width in V1),
    *(_v2(width) for width in V2),
    PublishedNetwork(
        name="igcv3_d_x1_0",
        source=f"{IGCV3_PAPER}; {SHUFFLENET_V2}, Table 8",
        make=igcv3_d,
        multiply_adds=318_000_000,
        parameters=3_500_000,
        top1_error=27.8,
        speeds=phone_and_desk(6.3, 102, f"{SHUFFLENET_V2}, Table 8"),
        deviation="the released code's network has 312.97 M; nothing explains the printed 318 M",
    ),
)
