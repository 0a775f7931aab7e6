"""What holds for every search space: each combination builds, each network has one value."""

import random
import subprocess
import sys
from collections import defaultdict
from itertools import product

import pytest
import torch
from torch import nn

from nas.architecture import Architecture, UnitSpec
from nas.errors import SpaceError
from nas.network import build, build_unit
from nas.unit_rules import UNIT_RULES
from search_spaces import SEARCH_SPACES, Mixed, MobileNext, ShuffleNetV1, ShuffleNetV2
from search_spaces.published import published

INPUTS = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 480, 640), (3, 224, 224)]

every_space = pytest.mark.parametrize("name", SEARCH_SPACES)


def draws(name, number, *, seed=0, inputs=INPUTS, **options):
    rng = random.Random(seed)
    spaces = [SEARCH_SPACES[name](input=input, classes=10, **options) for input in inputs]
    for index in range(number):
        space = spaces[index % len(spaces)]
        yield space, space.decode(space.sample(rng))


def check_units_build(architectures):
    """Each different unit once, on the meta device, at each size it is used with."""
    units = defaultdict(set)
    for architecture in architectures:
        sizes = zip(architecture.sizes, architecture.sizes[1:], strict=False)
        for plan, places in zip(architecture.plans, sizes, strict=True):
            units[tuple(plan.items())].add(places)
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        # Most of the time otherwise: on the meta device torch does both in Python.
        patch.setattr(nn.Conv2d, "reset_parameters", lambda layer: None)
        patch.setattr(nn.BatchNorm2d, "forward", keep_shape)
        for arguments, places in units.items():
            plan = dict(arguments)
            with torch.device("meta"):
                unit = build_unit(plan)
            for before, after in places:
                out = unit(torch.empty(2, plan["in_channels"], *before, device="meta"))
                assert out.shape == (2, plan["out_channels"], *after)


def keep_shape(norm, x):
    assert x.shape[1] == norm.num_features
    return x


@every_space
def test_a_space_is_usable_without_arguments(name):
    space = SEARCH_SPACES[name]()
    assert space.name == name
    assert space.decode(space.sample(random.Random(0))).input == (3, 224, 224)


@every_space
def test_500_draws_decode_and_are_found_again(name):
    for space, architecture in draws(name, 500):
        assert space.decode(space.encode(architecture)) == architecture


@every_space
def test_draws_build_whole_on_the_meta_device(name):
    for _, architecture in draws(name, 5):
        with torch.device("meta"):
            module = build(architecture).eval()
            assert module(torch.empty(1, *architecture.input)).shape == (1, 10)


@pytest.mark.slow
@every_space
def test_10000_draws_decode_and_each_of_their_units_builds(name):
    check_units_build(architecture for _, architecture in draws(name, 10_000))


@pytest.mark.slow
@every_space
def test_500_draws_build_whole_on_the_meta_device(name):
    for _, architecture in draws(name, 500, seed=1):
        with torch.device("meta"):
            build(architecture)


def train_one_step(architecture):
    torch.manual_seed(0)
    module = build(architecture)
    logits = module(torch.rand(2, *architecture.input))
    nn.functional.cross_entropy(logits, torch.tensor([0, 1])).backward()
    for parameter_name, parameter in module.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert torch.isfinite(parameter.grad).all(), parameter_name


@every_space
def test_draws_run_forward_and_backward(name):
    for _, architecture in draws(name, 2, inputs=[(1, 8, 8), (3, 9, 14)]):
        train_one_step(architecture)


@pytest.mark.slow
@every_space
def test_100_draws_run_forward_and_backward(name):
    for _, architecture in draws(name, 100, inputs=[(1, 8, 8), (3, 28, 28), (3, 32, 48)]):
        train_one_step(architecture)


def structure(architecture):
    """Every module with its type, what it prints and its plain attributes."""
    with torch.device("meta"):
        module = build(architecture)
    plain = (int, float, bool, str, tuple)
    return str(
        [
            (name, repr(part), sorted((k, v) for k, v in vars(part).items() if type(v) in plain))
            for name, part in module.named_modules()
        ]
    )


@every_space
def test_equal_fingerprints_are_equal_networks_and_equal_values(name):
    few = {"kernel_sizes": (3,), "depths": (1, 2)}
    few |= {"expansions": (4, 6)} if name != "shufflenet_v2" else {}
    few |= {"widths": (24,), "groups": (1, 2)} if name == "mixed" else {"widths": (0.5,)}
    few |= {"widths": (24,)} if name == "shufflenet_v2" else {}
    by_fingerprint, by_structure = defaultdict(set), defaultdict(set)
    for _, architecture in draws(name, 40, inputs=[(1, 8, 8)], **few):
        by_fingerprint[architecture.fingerprint].add(architecture)
        by_structure[structure(architecture)].add(architecture)
    assert all(len(values) == 1 for values in by_fingerprint.values())
    assert sorted(map(repr, by_fingerprint.values())) == sorted(map(repr, by_structure.values()))


def test_genes_without_effect_vanish():
    space = Mixed(input=(1, 8, 8), classes=10)
    genes = space.sample(random.Random(0)) | {"stage2_kind": "shuffle_v2"}
    first = space.decode(genes)
    for groups in (1, 2, 3, 4, 8):
        for expansion in (2, 4, 6):
            other = genes | {"stage2_groups": groups, "stage2_expansion": expansion}
            assert space.decode(other) == first


def test_an_expansion_that_the_floor_of_hidden_channels_overrules_is_one_network():
    # A sandglass from 24 to 144 channels: 24/4 and 24/6 both lie below 144/6, so both get 32.
    genes = Mixed(input=(1, 8, 8)).sample(random.Random(0)) | {
        "stage1_kind": "sandglass",
        "stage1_width": 176,
        "stage1_depth": 1,
    }
    space = Mixed(input=(1, 8, 8))
    one, other = (space.decode(genes | {"stage1_expansion": e}) for e in (4, 6))
    assert one == other
    deeper = [space.decode(genes | {"stage1_expansion": e, "stage1_depth": 2}) for e in (4, 6)]
    assert deeper[0].fingerprint != deeper[1].fingerprint


def test_a_space_of_all_kinds_has_one_value_a_network():
    # xception is shuffle_v1 with one group, resnext with one group the bottleneck.
    few = {"groups": (1, 2), "widths": (32,), "expansions": (2, 4), "depths": (1, 2)}
    by_fingerprint = defaultdict(set)
    kinds = tuple(UNIT_RULES)
    space = Mixed(input=(1, 8, 8), classes=10, kinds=kinds, kernel_sizes=(3,), **few)
    rng = random.Random(0)
    for _ in range(1500):
        architecture = space.decode(space.sample(rng))
        by_fingerprint[architecture.fingerprint].add(architecture)
        assert space.decode(space.encode(architecture)) == architecture
    assert all(len(values) == 1 for values in by_fingerprint.values())


VARIANTS = (
    "shuffle_v1", "shuffle_v1-shuffle.false", "shuffle_v1-se.4", "xception-se.4",
    "shuffle_v2", "shuffle_v2-se.true", "shuffle_v2-residual.true-se.true",
    "shuffle_v2-depthwise_first.true", "sandglass-variant.paper", "sandglass",
    "sandglass-depthwise.inside", "sandglass-depthwise.both", "sandglass-identity.2",
)  # fmt: skip


def test_a_space_of_all_variants_has_one_value_a_network():
    # Without a second unit in its stage a residual has no effect, nor has a part of an identity;
    # the paper's sandglass of half its input is the authors' with both depthwise convolutions.
    few = {"groups": (1, 2), "widths": (32,), "expansions": (2, 4), "depths": (1, 2)}
    space = Mixed(input=(1, 8, 8), classes=10, kinds=VARIANTS, kernel_sizes=(3,), **few)
    plain = {gene.name: gene.options[0] for gene in space.genes} | {"stage1_kind": "sandglass"}
    genes = [gene for gene in space.genes if gene.name.startswith("stage2")]
    by_fingerprint, seen = defaultdict(set), set()
    for options in product(*(gene.options for gene in genes)):
        changed = dict(zip((gene.name for gene in genes), options, strict=True))
        architecture = space.decode(plain | changed)
        by_fingerprint[architecture.fingerprint].add(architecture)
        assert space.decode(space.encode(architecture)) == architecture
        seen |= {(unit.kind, unit.options) for unit in architecture.units}
    assert all(len(values) == 1 for values in by_fingerprint.values())
    # Each but xception-se.4, which is shuffle_v1-se.4 with one group, is a block of some network.
    assert len(seen) == len(VARIANTS) - 1


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("shuffle_v2-se.true", "shufflenet_v2_se_x2_0"),
        ("shuffle_v2-depthwise_first.true", "shufflenet_v2_star_x1_0"),
    ],
)
def test_a_published_variant_is_in_the_mixed_space_of_its_block(kind, name):
    for input in [(1, 8, 8), (3, 224, 224)]:
        architecture = published(name, input=input, classes=10)
        space = Mixed(input=input, classes=10, kinds=["shuffle_v2", kind])
        genes = space.encode(architecture)
        assert genes["stage1_kind"] == kind
        assert space.decode(genes) == architecture


def test_a_block_at_its_defaults_is_the_kind():
    assert Mixed(kinds=["shuffle_v2-se.false", "sandglass-identity.1"]).kinds == (
        "shuffle_v2", "sandglass",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("alias", "module"), [("xception", "shuffle_v1"), ("resnext", "bottleneck")]
)
def test_an_alias_is_named_as_what_it_builds_where_both_are_offered(alias, module):
    genes = {gene.name: gene.options[0] for gene in Mixed().genes}
    genes |= {"stage1_kind": alias, "stage2_kind": "shuffle_v2", "stage3_kind": "shuffle_v2"}
    only = Mixed(kinds=[alias, "shuffle_v2"]).decode(genes)
    both = Mixed(kinds=[alias, module, "shuffle_v2"]).decode(genes)
    assert only.units[0].kind == alias
    assert both.units[0].kind == module
    assert only.fingerprint == both.fingerprint


def test_an_expansion_that_the_floor_overrules_in_a_row_of_mobilenext_is_one_network():
    # The last row goes to 1280 channels: in/4 and in/6 both lie below 1280/6, its floor.
    space = MobileNext(input=(1, 8, 8), classes=10, widths=[0.5])
    genes = space.sample(random.Random(0)) | {"row8_depth": 1}
    one, other = (space.decode(genes | {"row8_expansion": e}) for e in (4, 6))
    assert one == other
    assert space.decode(space.encode(one)) == one


@every_space
def test_neighbours_decode_too(name):
    space = SEARCH_SPACES[name](input=(1, 8, 8), classes=10)
    for genes in space.neighbours(space.sample(random.Random(3))):
        space.decode(genes)


def test_a_resolution_is_a_gene_only_if_there_are_several():
    names = [gene.name for gene in Mixed(resolutions=[160]).genes]
    assert "resolution" not in names
    assert Mixed(resolutions=[160]).decode(
        Mixed(resolutions=[160]).sample(random.Random(0))
    ).input == (3, 160, 160)
    space = Mixed(input=(3, 480, 640), resolutions=(224, 96))
    inputs = {space.decode(space.sample(random.Random(n))).input for n in range(20)}
    assert inputs == {(3, 224, 299), (3, 96, 128)}


@every_space
def test_draws_with_several_resolutions_are_found_again(name):
    for space, architecture in draws(name, 30, inputs=[(3, 48, 64)], resolutions=(16, 32, 48)):
        assert space.decode(space.encode(architecture)) == architecture


@pytest.mark.parametrize("other", ["shufflenet_v1", "shufflenet_v2", "mobilenext"])
@pytest.mark.parametrize("name", ["shufflenet_v1", "shufflenet_v2", "mobilenext"])
def test_another_kind_of_network_is_refused_in_words(name, other):
    if name != other:
        alien = SEARCH_SPACES[other](input=(1, 8, 8), classes=10)
        with pytest.raises(SpaceError, match=rf"space {name}.*: (must|units must) .*; got .*"):
            SEARCH_SPACES[name](input=(1, 8, 8), classes=10).encode(
                alien.decode(alien.sample(random.Random(5)))
            )


@every_space
def test_a_network_with_other_classes_or_input_is_refused_in_words(name):
    space = SEARCH_SPACES[name](input=(1, 8, 8), classes=10)
    genes = space.sample(random.Random(1))
    for other in (
        SEARCH_SPACES[name](input=(1, 8, 8), classes=11),
        SEARCH_SPACES[name](input=(1, 8, 9), classes=10),
    ):
        with pytest.raises(SpaceError, match=r"(classes|input): must be .*got .*nearest"):
            space.encode(other.decode(genes))


def test_a_changed_unit_is_refused_in_words():
    space = Mixed(input=(1, 8, 8), classes=10)
    architecture = space.decode(space.sample(random.Random(2)) | {"stage1_depth": 4})
    odd = UnitSpec("shuffle_v2", architecture.units[0].out_channels, kernel_size=7)
    units = (architecture.units[0], odd, *architecture.units[2:])
    changed = Architecture(
        architecture.input, architecture.stem, units, architecture.head, architecture.classes
    )
    with pytest.raises(SpaceError, match="stage 1: units must be alike"):
        space.encode(changed)


@pytest.mark.parametrize(
    ("space", "option", "message"),
    [
        (Mixed, {"kinds": ["shufle_v2"]}, "kinds: .*got 'shufle_v2'; allowed: shuffle_v2"),
        (Mixed, {"kinds": ["shuffle_v2-se"]}, "kinds: block 'shuffle_v2-se': .*got 'se'; allowed"),
        (Mixed, {"kinds": ["shuffle_v2-es.true"]}, "kinds: .*got 'es'; allowed: se"),
        (Mixed, {"kinds": ["shuffle_v1-se.3"]}, "kinds: .*se: .*got 3; allowed: 0, 4, 8, 16"),
        (Mixed, {"kinds": ["vgg", "vgg-k.5"]}, "kinds: .*unknown option; got 'k'; allowed: none"),
        (Mixed, {"kinds": ["vgg", "shuffle_v2", "shuffle_v2-se.false"]}, "kinds: must list one or"),
        (Mixed, {"kinds": ["sandglass-depthwise.none"]}, "kinds: .*stride 2 needs a depthwise"),
        (Mixed, {"kinds": []}, "kinds: must list one or more different values"),
        (Mixed, {"groups": [0]}, "groups: must be numbers; got 0; allowed from 1 on"),
        (Mixed, {"widths": [24, 24]}, "widths: must list one or more different values"),
        (Mixed, {"widths": [24.5]}, "widths: must be whole numbers; got 24.5; allowed: 24, 25"),
        (Mixed, {"expansions": [0.5]}, "expansions: must be numbers; got 0.5; allowed from 1 on"),
        (Mixed, {"depths": [True]}, "depths: must be numbers; got True"),
        (Mixed, {"kernel_sizes": [4]}, "kernel_sizes: .*got 4; allowed: 3, 5, 7"),
        (Mixed, {"resolutions": [7]}, "resolutions: must be numbers; got 7; allowed from 8 on"),
        (Mixed, {"input": (3, 4, 4)}, "input: must be at least 8 pixels .*got 4x4"),
        (ShuffleNetV1, {"groups": [6]}, "groups: .*got 6; allowed: 1, 2, 3, 4, 8"),
        (ShuffleNetV1, {"widths": [0]}, "widths: must be numbers; got 0"),
        (MobileNext, {"widths": [0.0625]}, "widths: must leave neighbouring rows of different"),
    ],
)
def test_a_wrong_list_is_refused_with_list_value_and_what_is_allowed(space, option, message):
    with pytest.raises(SpaceError, match=message):
        space(**option)


@pytest.mark.parametrize(
    ("genes", "message"),
    [
        ({"stage1_width": 25}, "gene stage1_width: must be one of its options; got 25"),
        ({"stage1_witdh": 24}, "unknown gene; got 'stage1_witdh'; allowed: stage1_width"),
    ],
)
def test_wrong_genes_are_refused_in_words(genes, message):
    space = Mixed()
    with pytest.raises(SpaceError, match=message):
        space.decode(space.sample(random.Random(0)) | genes)


def test_genes_read_from_a_file_as_floats_are_the_same_genes():
    space = ShuffleNetV2(input=(1, 8, 8), classes=10)
    genes = space.sample(random.Random(0))
    assert space.decode({name: float(value) for name, value in genes.items()}) == space.decode(
        genes
    )


def test_search_spaces_need_no_torch():
    code = (
        "import sys, random; from search_spaces import SEARCH_SPACES, published\n"
        "from search_spaces.published import published\n"
        "[s().decode(s().sample(random.Random(0))) for s in SEARCH_SPACES.values()]\n"
        "published('shufflenet_v2_x1_0').fingerprint\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
