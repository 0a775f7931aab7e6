import pytest
import torch
from torch import nn
from unit_modules import convolutions, steps, unit


def options(**values):
    return {"options": tuple(sorted(values.items()))}


def test_relu6_follows_the_first_depthwise_and_the_second_pointwise_only():
    assert steps(unit("sandglass", 96, 96), 96) == "dw relu6 1x1 1x1 relu6 dw"


def test_the_stride_is_on_the_second_depthwise():
    module = unit("sandglass", 96, 192, stride=2, **options(depthwise="both"))
    assert convolutions(module, (96, 56, 56)) == [
        (96, 96, 3, 1, 96, (56, 56)),
        (96, 32, 1, 1, 1, (56, 56)),
        (32, 192, 1, 1, 1, (56, 56)),
        (192, 192, 3, 2, 192, (28, 28)),
    ]


def test_the_released_unit_that_widens_has_no_depthwise_and_that_strides_the_last_one():
    assert steps(unit("sandglass", 96, 144), 96) == "1x1 1x1 relu6"
    assert steps(unit("sandglass", 96, 144, stride=2), 96) == "1x1 1x1 relu6 dw"


def test_the_papers_unit_has_both_everywhere():
    module = unit("sandglass", 96, 144, stride=2, **options(variant="paper"))
    assert steps(module, 96) == "dw relu6 1x1 1x1 relu6 dw"


def test_the_rejected_placement_has_one_depthwise_inside_the_bottleneck():
    module = unit("sandglass", 96, 96, stride=2, **options(depthwise="inside"))
    assert steps(module, 96) == "1x1 relu6 dw relu6 1x1"
    assert convolutions(module, (96, 8, 8))[1] == (16, 16, 3, 2, 16, (4, 4))


def silent(module):
    """Its path gives zeros."""
    nn.init.zeros_(module.path[-1].norm.weight)
    nn.init.zeros_(module.path[-1].norm.bias)
    return module


@pytest.mark.parametrize(("divisor", "kept"), [(1, 48), (2, 24), (3, 16), (4, 12), (0, 0)])
@pytest.mark.parametrize("training", [False, True])
def test_the_identity_is_added_to_the_first_channels_and_no_activation_follows(
    divisor, kept, training
):
    module = silent(unit("sandglass", 48, 48, **options(identity=divisor))).train(training)
    x = torch.randn(2, 48, 5, 5)
    out = module(x)
    assert torch.equal(out[:, :kept], x[:, :kept])
    assert not out[:, kept:].any()


@pytest.mark.parametrize("divisor", [1, 2, 3])
def test_adding_in_place_gives_the_gradients_of_the_plain_sum(divisor):
    torch.manual_seed(0)
    module = unit("sandglass", 24, 24, **options(identity=divisor)).double().train()
    x = torch.randn(2, 24, 4, 4, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 24, 4, 4, dtype=torch.float64)
    (given,) = torch.autograd.grad((module(x) * weights).sum(), x)
    kept = 24 // divisor
    plain = module.path(x)
    plain = torch.cat((plain[:, :kept] + x[:, :kept], plain[:, kept:]), dim=1)
    (expected,) = torch.autograd.grad((plain * weights).sum(), x)
    torch.testing.assert_close(given, expected)


def test_a_unit_that_changes_width_or_size_adds_nothing():
    for fields in ({"stride": 2}, {"stride": 1}):
        out = 48 if fields["stride"] == 2 else 64
        assert unit("sandglass", 48, out, **fields).identity_channels == 0


@pytest.mark.filterwarnings("ignore")
def test_a_part_of_the_identity_is_exported_without_a_scatter():
    import io

    import onnx

    module = unit("sandglass", 48, 48, **options(identity=2)).eval()
    file = io.BytesIO()
    torch.onnx.export(module, (torch.randn(1, 48, 6, 6),), file, dynamo=False)
    nodes = {node.op_type for node in onnx.load_from_string(file.getvalue()).graph.node}
    assert "ScatterND" not in nodes
