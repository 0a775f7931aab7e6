"""The published networks: the catalogue, points of their spaces, any input."""

import pytest
import torch

from nas.architecture import Architecture
from nas.errors import SpaceError
from nas.network import build
from search_spaces import SEARCH_SPACES
from search_spaces.published import PUBLISHED, catalogue, published
from search_spaces.published_network import STATUSES

FAMILIES = ("shufflenet_v1", "shufflenet_v2", "mobilenext")
IN_A_SPACE = [
    name
    for name in PUBLISHED
    if name.startswith(FAMILIES)
    and not any(part in name for part in ("_se_", "_50", "_star_", "_paper_"))
]


def test_the_catalogue_says_what_it_guessed():
    for network in catalogue():
        assert network.status in STATUSES
        assert bool(network.reason) == (network.status != "published"), network.name
        without = network.status == "not_buildable" or network.reference != ""
        assert (network.make is None) == without
        assert network.source


def test_the_catalogue_has_every_network_of_the_papers():
    names = {network.name for network in catalogue()}
    assert len(names) == len(catalogue())
    scales = ("x0_25", "x0_5", "x1_0", "x1_5", "x2_0")
    assert names >= {f"shufflenet_v1_g{g}_{x}" for g in (1, 2, 3, 4, 8) for x in scales}
    assert names >= {f"shufflenet_v2_{x}" for x in scales[1:]}
    assert names >= {f"shufflenet_v2_star_{x}" for x in scales[1:]}
    for form in ("mobilenext", "mobilenext_paper"):
        assert names >= {f"{form}_{x}" for x in ("x0_35", "x0_5", "x0_75", "x1_0", "x1_4")}
        assert names >= {f"{form}_x1_0_identity{divisor}" for divisor in (2, 3, 4)}
    assert names >= {f"mobilenet_v1_{x}" for x in ("x1_0", "x0_75", "x0_5", "x0_25")}
    assert names >= {f"mobilenet_v2_{x}" for x in ("x1_4", "x1_0", "x0_75", "x0_5", "x0_35")}
    assert names >= {"shufflenet_v1_se_g3_x2_0", "shufflenet_v1_50", "shufflenet_v2_se_x2_0"}
    assert names >= {"shufflenet_v2_50", "shufflenet_v2_se_164", "igcv3_d_x1_0"}
    assert names >= {"resnet_38m", "vgg_38m", "resnext_38m", "xception_38m"}
    assert names >= {"alexnet", "squeezenet_1_0", "googlenet", "vgg_16"}


def by_name(name):
    return next(network for network in catalogue() if network.name == name)


def test_points_whose_channels_no_paper_gives_are_listed_and_never_built():
    # Ma et al. 2018, Table 8: millions of multiply-adds and ARM images a second.
    rows = {
        "mobilenet_v2_x0_4_160": (43, 33.2), "mobilenet_v2_x0_15": (39, 33.6),
        "mobilenet_v2_x0_75_192": (145, 15.9), "mobilenet_v2_x0_6": (141, 14.9),
        "densenet_x0_5": (42, 39.7), "densenet_x2_0": (519, 6.1),
        "xception_x0_5": (40, 52.9), "xception_x2_0": (525, 6.7),
        "igcv2_x0_25": (46, 31.5), "igcv2_x1_0": (564, 4.9),
        "igcv3_d_x0_7": (210, 11.7), "igcv3_d_x1_4": (610, 4.5),
    }  # fmt: skip
    for name, (millions, images) in rows.items():
        network = by_name(name)
        assert network.status == "not_buildable"
        assert name not in PUBLISHED
        assert network.multiply_adds == millions * 1_000_000
        assert [speed.value for speed in network.speeds if speed.unit == "images/s"] == [images]
    # The size of the image is part of the point.
    assert by_name("mobilenet_v2_x0_4_160").speeds[0].input == (3, 160, 160)
    assert by_name("mobilenet_v2_x0_75_192").speeds[0].input == (3, 192, 192)


@pytest.mark.parametrize("input", [(1, 8, 8), (3, 224, 224), (3, 480, 640)])
@pytest.mark.parametrize("name", IN_A_SPACE)
def test_a_published_network_is_a_point_of_its_space(name, input):
    family = next(family for family in FAMILIES if name.startswith(family))
    space = SEARCH_SPACES[family](input=input, classes=10)
    architecture = published(name, input=input, classes=10)
    assert space.decode(space.encode(architecture)) == architecture


@pytest.mark.parametrize("width", ["x0_5", "x1_0", "x1_5", "x2_0"])
def test_shufflenet_v2_is_in_the_mixed_space(width):
    for input in [(1, 8, 8), (3, 224, 224)]:
        architecture = published(f"shufflenet_v2_{width}", input=input, classes=10)
        space = SEARCH_SPACES["mixed"](input=input, classes=10)
        assert space.decode(space.encode(architecture)) == architecture


def test_xception_is_shufflenet_v1_with_one_group():
    assert published("xception_38m").fingerprint == published("shufflenet_v1_g1_x0_5").fingerprint


@pytest.mark.parametrize("name", PUBLISHED)
def test_text_and_json_read_back(name):
    architecture = published(name, input=(1, 28, 40), classes=7)
    assert Architecture.from_text(architecture.text) == architecture
    assert Architecture.from_json(architecture.to_json()) == architecture


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_small_input_keeps_the_layers_and_their_weights(name):
    large, small = published(name), published(name, input=(3, 9, 17))
    layers, fewer = ([{**p, "stride": 0} for p in a.plans] for a in (large, small))
    assert layers == fewer
    assert small.stem.out_channels == large.stem.out_channels
    assert small.stem.before == large.stem.before


@pytest.mark.parametrize("name", ["alexnet", "squeezenet_1_0", "googlenet", "vgg_16"])
def test_references_take_other_inputs(name):
    network = by_name(name)
    with torch.device("meta"):
        module = network.module(input=(1, 64, 100), classes=7)
        assert module(torch.empty(2, 1, 64, 100)).shape == (2, 7)


# Strides 4 to 32 of 3x128x160 with the channels of the papers' tables, those of the last layer
# before the next stride.
FEATURES = {
    "shufflenet_v1_g3_x1_0": (24, 240, 480, 960),
    "shufflenet_v2_x1_0": (24, 116, 232, 464),
    "shufflenet_v2_star_x1_0": (24, 116, 232, 464),
    "shufflenet_v2_50": (244, 488, 976, 1952),
    "mobilenext_x1_0": (144, 192, 384, 1280),
    "mobilenet_v1_x1_0": (128, 256, 512, 1024),
    "mobilenet_v2_x1_0": (24, 32, 96, 320),
    "igcv3_d_x1_0": (24, 32, 96, 320),
    "resnet_38m": (12, 48, 96, 192),
}


@pytest.mark.parametrize("name", FEATURES)
def test_feature_maps_for_detection_have_the_channels_of_the_table(name):
    expected = dict(zip((4, 8, 16, 32), FEATURES[name], strict=True))
    with torch.device("meta"):
        module = build(published(name, input=(3, 128, 160)), features=True).eval()
        maps = module(torch.empty(1, 3, 128, 160))
    assert module.channels == expected
    assert {stride: tuple(found.shape[1:]) for stride, found in maps.items()} == {
        stride: (width, 128 // stride, 160 // stride) for stride, width in expected.items()
    }


def test_an_unknown_name_gives_the_nearest():
    with pytest.raises(SpaceError, match=r"got 'shufflenet_v2_x1'; allowed: shufflenet_v2_x1_"):
        published("shufflenet_v2_x1")


def test_a_network_that_cannot_be_built_says_why():
    with pytest.raises(SpaceError, match=r"resnext_38m.*not_buildable.*cardinality of 16"):
        published("resnext_38m")


def test_a_reference_has_no_architecture():
    with pytest.raises(SpaceError, match=r"alexnet.*plain module.*allowed"):
        published("alexnet")
    with pytest.raises(SpaceError, match=r"must be a reference.*nas\.build"):
        PUBLISHED["shufflenet_v2_x1_0"].module()


def test_an_input_below_8x8_is_refused():
    with pytest.raises(SpaceError, match="at least 8 pixels high and wide; got 7x224"):
        published("shufflenet_v2_x1_0", input=(3, 7, 224))
