"""AlexNet, SqueezeNet, GoogLeNet and VGG-16: what ShuffleNet is compared with, as plain modules."""

from __future__ import annotations

from search_spaces.published_network import PrintedSpeed, PublishedNetwork
from search_spaces.published_shufflenet_v1 import INPUTS, SNAPDRAGON_820

SOURCE = "Zhang et al. 2018, ShuffleNet, Table 6"
PLAIN = "a plain module for counting and timing"

NETWORKS: tuple[PublishedNetwork, ...] = (
    PublishedNetwork(
        name="alexnet",
        source=SOURCE,
        reference="alexnet",
        multiply_adds=720_000_000,
        top1_error=42.8,
        speeds=tuple(
            PrintedSpeed(ms, "ms", SNAPDRAGON_820, "Zhang et al. 2018, ShuffleNet, Table 8", input)
            for ms, input in zip((184.0, 1156.7, 3633.9), INPUTS, strict=True)
        ),
        note=PLAIN,
    ),
    PublishedNetwork(
        name="squeezenet_1_0",
        source=SOURCE,
        reference="squeezenet_1_0",
        multiply_adds=833_000_000,
        top1_error=42.5,
        deviation="the layers of its own paper count 819 M; nothing explains the printed 833 M",
        note=PLAIN,
    ),
    PublishedNetwork(
        name="googlenet",
        source=SOURCE,
        reference="googlenet",
        multiply_adds=1_500_000_000,
        top1_error=31.3,
        deviation="its own paper says 1.5 billion, a budget; its layers count 1.58",
        note=PLAIN,
    ),
    PublishedNetwork(
        name="vgg_16",
        source=SOURCE,
        reference="vgg_16",
        multiply_adds=15_300_000_000,
        top1_error=28.5,
        deviation="its convolutions alone are 15.35 G, the three dense layers 0.12 more",
        note=PLAIN,
    ),
)
