import contextlib
import json
import random
import re
import subprocess
import sys

import pytest
from architectures import EXACT, draw, stages

from nas.architecture import Architecture, HeadSpec, StemSpec, UnitSpec
from nas.architecture_text import read_block, write_block
from nas.errors import ArchitectureError, InputError

V1 = {"groups": 3, "expansion": 4}
SAFE = re.compile(r"[A-Za-z0-9_.:/+-]+")


def network(*units, input=(3, 32, 32), stem=None, head=None, classes=10):
    return Architecture(input, stem or StemSpec(24, 1, False), units, head or HeadSpec(), classes)


def random_architectures(count, seed=0):
    rng = random.Random(seed)
    return [draw(rng) for _ in range(count)]


def test_json_reads_back_to_the_same_value():
    for architecture in random_architectures(300):
        text = json.dumps(architecture.to_json())
        assert Architecture.from_json(json.loads(text)) == architecture


def test_the_text_form_reads_back_to_the_same_value_and_is_one_safe_word():
    for architecture in random_architectures(300, seed=1):
        assert Architecture.from_text(architecture.text) == architecture
        assert SAFE.fullmatch(architecture.text)


@pytest.mark.parametrize("name", EXACT)
def test_published_networks_have_a_text_and_a_json_form(name):
    architecture = EXACT[name][0]
    assert Architecture.from_text(architecture.text) == architecture
    assert Architecture.from_json(architecture.to_json()) == architecture


def test_the_text_form_of_a_published_network_is_what_its_table_says():
    assert EXACT["shufflenet_v2 1x"][0].text == (
        "in3x224x224+stem24-s2-pool+shuffle_v2:116-s2-n4+shuffle_v2:232-s2-n8"
        "+shuffle_v2:464-s2-n4+head1024+out1000"
    )


@pytest.mark.parametrize("expansion", [16 / 7, 1 / 0.3, 1e7, 1.0000001])
def test_the_text_form_keeps_every_digit_of_an_expansion(expansion):
    architecture = network(UnitSpec("sandglass", 24, expansion=expansion))
    assert Architecture.from_text(architecture.text) == architecture


def test_the_text_form_keeps_a_stem_of_several_convolutions_and_a_small_dropout():
    architecture = network(
        UnitSpec("separable", 32, 2),
        stem=StemSpec(32, 2, True, "relu6", before=(8, 16)),
        head=HeadSpec(64, "relu6", 0.00001, True),
    )
    assert "stem8.16.32-s2-pool-relu6" in architecture.text
    assert Architecture.from_text(architecture.text) == architecture


@pytest.mark.parametrize(
    "block",
    [
        ("vgg", ()),
        ("shuffle_v2", (("residual", True), ("se", True))),
        ("sandglass", (("identity", 2), ("variant", "paper"))),
        ("my-units/own-1.py:Name", (("act", "silu"), ("share", 0.5))),
    ],
)
def test_a_block_is_read_back_also_from_a_path_with_hyphens(block):
    assert read_block(write_block(*block)) == block


def test_options_are_sorted_and_defaults_left_out():
    unit = UnitSpec("sandglass", 8, options=(("identity", 2), ("depthwise", "auto")))
    assert unit.options == (("identity", 2),)
    both = (("se", True), ("residual", 1))
    assert UnitSpec("shuffle_v2", 8, options=both).options == (("residual", True), ("se", True))


# --- fingerprints: equal exactly when layers and wiring are equal ------------------------------

EQUAL = {
    "xception is shuffle_v1 with one group": (
        UnitSpec("xception", 48, 2, groups=8, expansion=4),
        UnitSpec("shuffle_v1", 48, 2, groups=1, expansion=4),
    ),
    "resnext with one group is a bottleneck": (
        UnitSpec("resnext", 48, 2, groups=1, expansion=4),
        UnitSpec("bottleneck", 48, 2, groups=8, expansion=4),
    ),
    "groups of a unit without groups": (
        UnitSpec("shuffle_v2", 48, 2, groups=8),
        UnitSpec("shuffle_v2", 48, 2),
    ),
    "expansion of a unit without a bottleneck": (
        UnitSpec("shuffle_v2", 48, 2, expansion=6),
        UnitSpec("shuffle_v2", 48, 2),
    ),
    "kernel of a sandglass without depthwise": (
        UnitSpec("sandglass", 48, kernel_size=7, expansion=6),
        UnitSpec("sandglass", 48, kernel_size=3, expansion=6),
    ),
    "a depthwise option that says what is chosen anyway": (
        UnitSpec("sandglass", 24, expansion=6, options=(("depthwise", "both"),)),
        UnitSpec("sandglass", 24, expansion=6),
    ),
    "the identity of a unit that has none": (
        UnitSpec("sandglass", 48, 2, expansion=6, options=(("identity", 2),)),
        UnitSpec("sandglass", 48, 2, expansion=6),
    ),
    "expansions that give one bottleneck": (
        UnitSpec("sandglass", 24, expansion=6),
        UnitSpec("sandglass", 24, expansion=5.9),
    ),
    "shuffle of v1 with one group": (
        UnitSpec("shuffle_v1", 48, 2, options=(("shuffle", False),)),
        UnitSpec("shuffle_v1", 48, 2),
    ),
    "a shuffle of one channel a group": (
        UnitSpec("shuffle_v1", 48, 2, groups=8, expansion=6, options=(("shuffle", False),)),
        UnitSpec("shuffle_v1", 48, 2, groups=8, expansion=6),
    ),
    "residual of a v2 unit that changes its size": (
        UnitSpec("shuffle_v2", 48, 2, options=(("residual", True),)),
        UnitSpec("shuffle_v2", 48, 2),
    ),
}

DIFFERENT = {
    "kind": (UnitSpec("separable", 48, 2), UnitSpec("vgg", 48, 2)),
    "width": (UnitSpec("separable", 48, 2), UnitSpec("separable", 56, 2)),
    "stride": (UnitSpec("separable", 48, 2), UnitSpec("separable", 48, 1)),
    "kernel": (UnitSpec("separable", 48, 2), UnitSpec("separable", 48, 2, kernel_size=5)),
    "groups": (
        UnitSpec("shuffle_v1", 96, 2, groups=3, expansion=4),
        UnitSpec("shuffle_v1", 96, 2, groups=2, expansion=4),
    ),
    "shuffle": (
        UnitSpec("shuffle_v1", 96, 2, groups=3, expansion=4),
        UnitSpec("shuffle_v1", 96, 2, groups=3, expansion=4, options=(("shuffle", False),)),
    ),
    "expansion": (
        UnitSpec("inverted_residual", 24, expansion=6),
        UnitSpec("inverted_residual", 24, expansion=4),
    ),
    "identity": (
        UnitSpec("sandglass", 24, expansion=6, options=(("identity", 2),)),
        UnitSpec("sandglass", 24, expansion=6),
    ),
    "se": (
        UnitSpec("shuffle_v2", 24, options=(("se", True),)),
        UnitSpec("shuffle_v2", 24),
    ),
}


@pytest.mark.parametrize("name", EQUAL)
def test_networks_that_are_the_same_layers_have_one_fingerprint(name):
    one, other = (network(unit) for unit in EQUAL[name])
    assert one.plans == other.plans
    assert one.fingerprint == other.fingerprint


@pytest.mark.parametrize("name", DIFFERENT)
def test_networks_that_differ_in_a_layer_differ_in_the_fingerprint(name):
    one, other = (network(unit) for unit in DIFFERENT[name])
    assert one.fingerprint != other.fingerprint


def test_every_part_outside_the_units_is_in_the_fingerprint():
    unit = UnitSpec("separable", 48, 2)
    networks = [
        network(unit),
        network(unit, input=(1, 32, 32)),
        network(unit, input=(3, 32, 33)),
        network(unit, classes=11),
        network(unit, stem=StemSpec(16, 1, False)),
        network(unit, stem=StemSpec(24, 2, False)),
        network(unit, stem=StemSpec(24, 1, True)),
        network(unit, stem=StemSpec(24, 1, False, "relu6")),
        network(unit, stem=StemSpec(24, 1, False, before=(24,))),
        network(unit, head=HeadSpec(64)),
        network(unit, head=HeadSpec(64, "relu6")),
        network(unit, head=HeadSpec(dropout=0.2)),
        network(unit, head=HeadSpec(bias=True)),
        network(unit, unit),
        network(unit, UnitSpec("separable", 48)),
    ]
    assert len({n.fingerprint for n in networks}) == len(networks)


def test_the_activation_of_a_head_without_convolution_has_no_effect_on_the_fingerprint():
    unit = UnitSpec("separable", 48, 2)
    one, other = network(unit), network(unit, head=HeadSpec(activation="relu6"))
    assert one.fingerprint == other.fingerprint


def test_the_first_groups_matter_only_where_the_unit_is_not_the_first():
    # The first unit of a network has a dense first pointwise convolution, the second has groups.
    first, second = network(*stages(("shuffle_v1", 48, 2, 2, {}), **V1)).plans
    assert (first["first_groups"], second["first_groups"]) == (1, 3)


def test_fingerprints_are_equal_exactly_where_what_is_built_is_equal():
    rng = random.Random(5)
    built = {}
    for _ in range(600):
        architecture = draw(rng, input=(3, 16, 16))
        head = architecture.head
        key = json.dumps(
            [architecture.plans, repr(architecture.stem), head.out_channels, head.bias],
            sort_keys=True,
        ) + (head.activation if head.out_channels else "")
        assert built.setdefault(architecture.fingerprint, key) == key
    assert len(set(built.values())) == len(built)


def test_the_fingerprint_is_sixteen_hex_digits_and_stable():
    assert re.fullmatch("[0-9a-f]{16}", network(UnitSpec("separable", 48)).fingerprint)
    first = network(*stages(("shuffle_v1", 48, 2, 2, {}), **V1))
    again = Architecture.from_json(first.to_json())
    assert first.fingerprint == again.fingerprint


# --- sizes --------------------------------------------------------------------------------------


def test_sizes_are_halved_and_rounded_up_by_every_stride():
    architecture = network(
        UnitSpec("separable", 8, 2), UnitSpec("separable", 8, 1), UnitSpec("separable", 8, 2),
        input=(3, 45, 30), stem=StemSpec(8, 2, True),
    )  # fmt: skip
    # 45 -> 23 -> 12 -> 6 -> 6 -> 3; 30 -> 15 -> 8 -> 4 -> 4 -> 2
    assert architecture.sizes == ((12, 8), (6, 4), (6, 4), (3, 2))


# --- errors -------------------------------------------------------------------------------------

UNIT = UnitSpec("separable", 8)
WRONG = {
    "unknown kind": (lambda: UnitSpec("shufle_v2", 8), "got 'shufle_v2'; allowed: shuffle_v"),
    "width 0": (lambda: UnitSpec("separable", 0), "out_channels: .* got 0; allowed from 1 on"),
    "width true": (lambda: UnitSpec("separable", True), "got True"),
    "stride": (lambda: UnitSpec("separable", 8, 3), "stride: .* got 3; allowed: 1, 2"),
    "stride a float": (lambda: UnitSpec("separable", 8, 2.0), "stride: .* got 2.0"),
    "groups": (lambda: UnitSpec("separable", 8, groups=0), "groups: .* got 0"),
    "kernel": (lambda: UnitSpec("separable", 8, kernel_size=4), "got 4; allowed: 3, 5, 7"),
    "expansion": (lambda: UnitSpec("separable", 8, expansion=0.5), "expansion: .* got 0.5"),
    "expansion nan": (lambda: UnitSpec("separable", 8, expansion=float("nan")), "got nan"),
    "expansion inf": (lambda: UnitSpec("separable", 8, expansion=float("inf")), "got inf"),
    "unknown option": (
        lambda: UnitSpec("sandglass", 8, options=(("identty", 2),)),
        "got 'identty'; allowed: identity",
    ),
    "option of a kind without": (
        lambda: UnitSpec("vgg", 8, options=(("se", 2),)),
        "got 'se'; allowed: none",
    ),
    "option value": (
        lambda: UnitSpec("sandglass", 8, options=(("identity", 5),)),
        "identity: .* got 5; allowed: 1, 2, 3, 4, 6, 8, 0",
    ),
    "stem width": (lambda: StemSpec(0), "stem, out_channels: .* got 0"),
    "stem stride": (lambda: StemSpec(8, 4), "stem, stride: .* got 4; allowed: 1, 2"),
    "stem pool": (lambda: StemSpec(8, 2, "yes"), "stem, pool: .* got 'yes'"),
    "stem activation": (lambda: StemSpec(8, activation="tanh"), "got 'tanh'; allowed: relu, relu6"),
    "stem before": (lambda: StemSpec(8, before=(0,)), "stem, before: .* got 0"),
    "head width": (lambda: HeadSpec(-1), "head, out_channels: .* got -1; allowed from 0 on"),
    "head dropout": (lambda: HeadSpec(dropout=1), "head, dropout: .* got 1; allowed: 0 <= p < 1"),
    "head activation": (lambda: HeadSpec(activation="gelu"), "head, activation: .* got 'gelu'"),
    "head bias": (lambda: HeadSpec(bias=None), "head, bias: .* got None"),
    "input of two": (lambda: network(UNIT, input=(3, 32)), "channels, height, width"),
    "input of 0": (lambda: network(UNIT, input=(3, 0, 32)), "input height: .* got 0"),
    "classes": (lambda: network(UNIT, classes=0), "classes: .* got 0"),
    "no units": (lambda: network(), "at least one unit"),
    "too small": (
        lambda: network(*[UnitSpec("separable", 8, 2)] * 4, input=(3, 8, 5)),
        r"unit 3 \(separable\): stride 2 needs at least 2x2 pixels; got 1x1 from an input of 8x5",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_value_that_cannot_be_is_refused_in_one_message(name):
    make, message = WRONG[name]
    with pytest.raises(ArchitectureError, match=message) as caught:
        make()
    assert "allowed" in str(caught.value)
    assert isinstance(caught.value, InputError | ValueError)


GOOD = network(UNIT)
DAMAGED_JSON = {
    "no object": ([1], "must be an object"),
    "no format": ({"units": []}, "must be an object with a format"),
    "newer": ({**GOOD.to_json(), "format": 2}, "this version reads 1; got 2; .* upgrade"),
    "no such format": ({**GOOD.to_json(), "format": None}, "reads 1; got None; allowed: 1, or"),
    "no stem": ({k: v for k, v in GOOD.to_json().items() if k != "stem"}, "KeyError: 'stem'"),
    "unknown field": ({**GOOD.to_json(), "stem": {"width": 3}}, "unexpected keyword .*width"),
    "units a text": ({**GOOD.to_json(), "units": "abc"}, "damaged or incomplete"),
    "units of numbers": ({**GOOD.to_json(), "units": [1]}, "damaged or incomplete"),
    "input a number": ({**GOOD.to_json(), "input": 3}, "damaged or incomplete"),
    "kind a number": (
        {**GOOD.to_json(), "units": [{"kind": 3, "out_channels": 3}]},
        "unit 3:3, kind: must be text; got 3; allowed: vgg",
    ),
    "width a text": (
        {**GOOD.to_json(), "units": [{"kind": "vgg", "out_channels": "3"}]},
        "must be a whole number; got '3'",
    ),
    "expansion a text": (
        {**GOOD.to_json(), "units": [{"kind": "vgg", "out_channels": 3, "expansion": "x"}]},
        "unit vgg:3, expansion: must be a ratio; got 'x'; allowed from 1 on",
    ),
    "dropout a text": (
        {**GOOD.to_json(), "head": {"dropout": "0.2"}},
        "head, dropout: must be a probability; got '0.2'",
    ),
}


@pytest.mark.parametrize("name", DAMAGED_JSON)
def test_damaged_json_is_refused_in_one_message(name):
    value, message = DAMAGED_JSON[name]
    with pytest.raises(ArchitectureError, match=message):
        Architecture.from_json(value)


START, END = "in3x32x32+stem24-s1", "head0+out10"
DAMAGED_TEXT = {
    "empty": ("", "five words"),
    "no units": (f"{START}+{END}", "five words"),
    "input": (f"in3x32+stem24-s1+vgg:8+{END}", "got 'in3x32'; allowed: like in3x224x224"),
    "stem": (f"in3x32x32+stem24+vgg:8+{END}", "got 'stem24'; allowed: like stem24-s2-pool"),
    "stem dots": (f"in3x32x32+stem2..4-s1+vgg:8+{END}", "must be a whole number; got ''"),
    "head": (f"{START}+vgg:8+head+out10", "got 'head'; allowed: like head1024"),
    "dropout": (f"{START}+vgg:8+head0-drop1.2.3+out10", "got 'head0-drop1.2.3'"),
    "out": (f"{START}+vgg:8+head0+out", "got 'out'; allowed: like out1000"),
    "no kind": (f"{START}+8-s2+{END}", "a kind and a width; got '8-s2'"),
    "no width": (f"{START}+vgg:s2+{END}", "must be a whole number; got 's2'"),
    "word": (f"{START}+vgg:8-x2+{END}", "got 'x2'; allowed: like shuffle_v1:240-s2-n4-g3"),
    "twice": (f"{START}+vgg:8-s2-s1+{END}", "each once; got 's1'"),
    "half a group": (f"{START}+shuffle_v1:8-g2.5+{END}", "whole number; got '2.5'"),
    "none": (f"{START}+vgg:8-n0+{END}", "got 0; allowed from 1 to 1000"),
    "too many": (f"{START}+vgg:8-n999999999+{END}", "allowed from 1 to 1000"),
    "kind": (f"{START}+vvg:8+{END}", "got 'vvg'; allowed: vgg"),
    "rule": (f"{START}+shuffle_v2:49+{END}", "shuffle_v2:49: .* multiple of 2; got 49"),
}


@pytest.mark.parametrize("name", DAMAGED_TEXT)
def test_damaged_text_is_refused_naming_the_word_and_what_was_expected(name):
    text, message = DAMAGED_TEXT[name]
    with pytest.raises(ArchitectureError, match=message):
        Architecture.from_text(text)


def test_every_truncation_of_a_text_form_is_read_or_refused_never_a_crash():
    text = (
        "in3x32x32+stem8.16-s1-pool+sandglass:24-s2-n2-e2-k5-identity.2+head32-drop0.2-bias+out10"
    )
    for cut in range(len(text)):
        for part in (text[:cut], text[cut:], text[:cut] + text[cut + 1 :]):
            with contextlib.suppress(ArchitectureError):
                Architecture.from_text(part)


def test_importing_the_architecture_needs_no_torch():
    code = "import sys, nas.architecture, nas.architecture_text; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
