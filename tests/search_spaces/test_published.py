"""The published networks: exact counts, points of their spaces, any input."""

import pytest

from nas.architecture import Architecture
from nas.costs import count
from nas.errors import SpaceError
from search_spaces import SEARCH_SPACES
from search_spaces.published import PUBLISHED, published

# Multiply-adds and parameters of the authors' released code, counted by others than this project.
EXACT = {
    "shufflenet_v1_g3_x0_5": (37_589_856, 717_324),
    "shufflenet_v1_g3_x1_0": (137_460_672, 1_864_728),
    "shufflenet_v1_g3_x2_0": (524_045_184, 5_449_776),
    "shufflenet_v1_g8_x1_0": (138_365_952, 2_433_768),
    "shufflenet_v2_x0_5": (40_476_448, 1_365_792),
    "shufflenet_v2_x1_0": (145_814_296, 2_278_760),
    "mobilenext_x0_35": (75_141_032, 1_913_976),
    "mobilenext_x1_0": (311_342_592, 3_535_416),
}


@pytest.mark.parametrize("name", EXACT)
def test_counts_equal_those_of_the_released_code(name):
    costs = count(published(name))
    assert (costs.multiply_adds, costs.parameters) == EXACT[name]


@pytest.mark.parametrize("input", [(1, 8, 8), (3, 224, 224), (3, 480, 640)])
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_network_is_a_point_of_its_space(name, input):
    family = next(family for family in SEARCH_SPACES if name.startswith(family))
    space = SEARCH_SPACES[family](input=input, classes=10)
    architecture = published(name, input=input, classes=10)
    assert space.decode(space.encode(architecture)) == architecture


@pytest.mark.parametrize("width", ["x0_5", "x1_0", "x1_5", "x2_0"])
def test_shufflenet_v2_is_in_the_mixed_space(width):
    for input in [(1, 8, 8), (3, 224, 224)]:
        architecture = published(f"shufflenet_v2_{width}", input=input, classes=10)
        space = SEARCH_SPACES["mixed"](input=input, classes=10)
        assert space.decode(space.encode(architecture)) == architecture


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


def test_an_unknown_name_gives_the_nearest():
    with pytest.raises(SpaceError, match=r"got 'shufflenet_v2_x1'; allowed: shufflenet_v2_x1_"):
        published("shufflenet_v2_x1")


def test_an_input_below_8x8_is_refused():
    with pytest.raises(SpaceError, match="at least 8 pixels high and wide; got 7x224"):
        published("shufflenet_v2_x1_0", input=(3, 7, 224))
