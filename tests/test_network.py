import math

import pytest
import torch
from architectures import EXACT, mobilenext, shufflenet_v2, stages
from torch import nn

from nas.architecture import Architecture, HeadSpec, StemSpec, UnitSpec
from nas.errors import ArchitectureError
from nas.network import build


def network(*units, input=(3, 32, 32), stem=None, head=None, classes=10):
    return Architecture(input, stem or StemSpec(8, 1, False), units, head or HeadSpec(), classes)


UNITS = stages(("shuffle_v2", 16, 2, 2, {}), ("sandglass", 24, 2, 2, {"expansion": 6}))


def test_logits_come_one_a_class_for_any_batch_and_other_sizes():
    module = build(network(*UNITS)).eval()
    assert module(torch.randn(3, 3, 32, 32)).shape == (3, 10)
    assert module(torch.randn(1, 3, 45, 28)).shape == (1, 10)


@pytest.mark.parametrize("input", [(1, 8, 8), (3, 28, 28), (4, 48, 64), (3, 224, 224)])
def test_sizes_are_those_the_architecture_says(input):
    architecture = network(*UNITS, input=input)
    module = build(architecture).eval()
    with torch.no_grad():
        x = module.stem(torch.randn(1, *input))
        sizes = [tuple(x.shape[2:])]
        for unit in module.units:
            x = unit(x)
            sizes.append(tuple(x.shape[2:]))
    assert tuple(sizes) == architecture.sizes


def test_stem_and_head_are_what_their_specs_say():
    stem = StemSpec(12, 2, True, "relu6", before=(4, 8))
    head = HeadSpec(32, "relu6", 0.2, True)
    module = build(network(*UNITS, stem=stem, head=head))
    layers = [m for m in module.stem.modules() if not list(m.children())]
    assert [type(m) for m in layers] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU6] * 3 + [nn.MaxPool2d]
    shapes = [(m.in_channels, m.out_channels, m.stride[0]) for m in layers if hasattr(m, "groups")]
    assert shapes == [(3, 4, 2), (4, 8, 1), (8, 12, 1)]
    assert (layers[-1].kernel_size, layers[-1].stride, layers[-1].padding) == (3, 2, 1)
    head = [m for m in module.head.modules() if not list(m.children())]
    expected = [nn.Conv2d, nn.BatchNorm2d, nn.ReLU6]
    expected += [nn.AdaptiveAvgPool2d, nn.Flatten, nn.Dropout, nn.Linear]
    assert [type(m) for m in head] == expected
    assert head[-2].p == 0.2
    assert head[-1].bias is not None


def test_a_plain_head_is_pooling_and_a_classifier_without_bias():
    module = build(network(*UNITS))
    layers = [m for m in module.head.modules() if not list(m.children())]
    assert [type(m) for m in layers] == [nn.AdaptiveAvgPool2d, nn.Flatten, nn.Linear]
    assert layers[-1].bias is None
    assert not [m for m in module.stem.modules() if isinstance(m, nn.MaxPool2d)]


def test_no_convolution_has_a_bias():
    for name in ("shufflenet_v1 g=3 1x", "shufflenet_v2 1x", "mobilenext 1.0"):
        with torch.device("meta"):
            module = build(EXACT[name][0])
        assert all(m.bias is None for m in module.modules() if isinstance(m, nn.Conv2d))


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    def weights(seed):
        torch.manual_seed(seed)
        return torch.cat([p.flatten() for p in build(network(*UNITS)).parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_it_builds_without_storage_on_the_meta_device():
    with torch.device("meta"):
        module = build(mobilenext())
    assert {p.device.type for p in module.parameters()} == {"meta"}


def test_a_new_network_is_in_training_mode_and_trains_one_step():
    module = build(network(*UNITS))
    assert module.training
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    # Of the weights: a bias in front of a linear convolution and its normalisation has no effect.
    weights = [p for p in module.parameters() if p.ndim > 1]
    before = [p.detach().clone() for p in weights]
    loss = nn.functional.cross_entropy(module(torch.randn(8, 3, 32, 32)), torch.arange(8))
    loss.backward()
    optimizer.step()
    assert not any(torch.equal(a, b) for a, b in zip(before, weights, strict=True))


def test_the_network_is_as_deep_as_the_papers_say():
    # ShuffleNet v1 has 50 weighted layers: stem, 16 units of 3, classifier.
    with torch.device("meta"):
        module = build(EXACT["shufflenet_v1 g=3 1x"][0])
    assert sum(isinstance(m, nn.Conv2d | nn.Linear) for m in module.modules()) == 50


def test_mobilenext_is_its_table_row_by_row():
    with torch.device("meta"):
        module = build(mobilenext())
    outputs = [unit.path[-1].conv.out_channels for unit in module.units]
    expected = [96, 144] + [192] * 3 + [288] * 3 + [384] * 4 + [576] * 4 + [960] * 3 + [1280]
    assert outputs == expected


# --- initial weights ------------------------------------------------------------------------------


def deviation(parameter):
    return float(parameter.detach().std(correction=0))


def test_initial_weights_of_shuffle_units_are_those_of_the_released_code():
    torch.manual_seed(0)
    module = build(network(*stages(("shuffle_v2", 256, 2, 2, {})), stem=StemSpec(64, 1, False)))
    # deviation 1 / (input channels of a group): pointwise 1/128, depthwise 1.
    pointwise, depthwise, _ = (part.conv.weight for part in module.units[1].branch)
    assert deviation(pointwise) == pytest.approx(1 / 128, rel=0.05)
    assert deviation(depthwise) == pytest.approx(1, rel=0.1)
    assert deviation(module.head.classifier.weight) == pytest.approx(0.01, rel=0.1)
    assert torch.all(module.units[1].branch[0].norm.bias == 1e-4)


@pytest.mark.parametrize("kind", ["sandglass", "inverted_residual", "separable", "vgg"])
def test_initial_weights_of_other_units_keep_the_size_of_what_flows_back(kind):
    torch.manual_seed(0)
    module = build(network(UnitSpec(kind, 128, expansion=2), stem=StemSpec(128, 1, False)))
    for layer in module.units.modules():
        if isinstance(layer, nn.Conv2d):
            area = layer.kernel_size[0] ** 2
            expected = math.sqrt(2 / (area * layer.out_channels))
            assert deviation(layer.weight) == pytest.approx(expected, rel=0.15)


# --- feature maps ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("architecture", "channels"),
    [
        (shufflenet_v2((116, 232, 464)), {4: 24, 8: 116, 16: 232, 32: 464}),
        (mobilenext(), {4: 144, 8: 192, 16: 384, 32: 1280}),
    ],
    ids=["shufflenet_v2", "mobilenext"],
)
def test_feature_maps_at_strides_4_to_32_with_their_channels(architecture, channels):
    module = build(architecture, features=True).eval()
    assert module.channels == channels
    with torch.no_grad():
        maps = module(torch.randn(1, 3, 96, 64))
    assert {stride: tuple(x.shape[1:]) for stride, x in maps.items()} == {
        stride: (width, 96 // stride, 64 // stride) for stride, width in channels.items()
    }


def test_a_classifiers_weights_load_into_the_feature_maps_and_give_what_its_units_give():
    architecture = network(*UNITS)
    classifier, maps = build(architecture).eval(), build(architecture, features=True).eval()
    left = maps.load_state_dict(classifier.state_dict(), strict=False)
    assert left.missing_keys == []
    assert all(key.startswith("head.") for key in left.unexpected_keys)
    x = torch.randn(1, 3, 32, 32)
    assert torch.equal(maps(x)[4], classifier.units(classifier.stem(x)))


def test_feature_maps_of_a_network_without_such_strides_are_refused():
    with pytest.raises(ArchitectureError, match=r"strides 1, 2; allowed: \(4, 8, 16, 32\)"):
        build(network(UnitSpec("separable", 8, 2)), features=True)


def test_feature_maps_export_with_a_dynamic_batch():
    module = build(network(*UNITS), features=True).eval()
    program = torch.export.export(
        module, (torch.randn(2, 3, 32, 32),), dynamic_shapes=({0: torch.export.Dim("batch")},)
    ).module()
    x = torch.randn(3, 3, 32, 32)
    assert torch.equal(program(x)[4], module(x)[4])


def test_a_unit_of_the_users_own_keeps_its_own_initial_weights(tmp_path):
    (tmp_path / "unit.py").write_text(
        "import torch\n"
        "from nas.unit_rules import PlainRule\n"
        "class Ones(torch.nn.Conv2d):\n"
        "    rule = PlainRule(uses=frozenset())\n"
        "    def __init__(self, *, in_channels, out_channels, stride):\n"
        "        super().__init__(in_channels, out_channels, 1, stride)\n"
        "        torch.nn.init.ones_(self.weight)\n"
    )
    module = build(network(UnitSpec(f"{tmp_path}/unit.py:Ones", 16)))
    assert (module.units[0].weight == 1).all()
