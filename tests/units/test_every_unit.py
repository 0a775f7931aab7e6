"""What holds for every kind of unit: shapes, gradients, exports in their two ways."""

import io

import numpy as np
import onnxruntime
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from unit_modules import unit

from nas.costs import count_module
from nas.units import UNITS as MODULES

# name -> (kind, in, out, fields); every kind, every variant, both strides, widening at stride 1.
UNITS = {
    "v1": ("shuffle_v1", 24, 48, {"groups": 3, "stride": 2}),
    "v1 adds": ("shuffle_v1", 48, 48, {"groups": 3, "kernel_size": 5}),
    "v1 widens": ("shuffle_v1", 24, 48, {"groups": 2, "expansion": 2.0}),
    "v1 se": ("shuffle_v1", 48, 48, {"groups": 4, "options": (("se", 4),)}),
    "v1 plain": ("shuffle_v1", 48, 48, {"groups": 4, "options": (("shuffle", False),)}),
    "xception": ("xception", 24, 48, {"stride": 2}),
    "v2": ("shuffle_v2", 24, 48, {"stride": 2}),
    "v2 splits": ("shuffle_v2", 48, 48, {"kernel_size": 7}),
    "v2 widens": ("shuffle_v2", 24, 48, {}),
    "v2 se": ("shuffle_v2", 48, 48, {"options": (("se", True), ("residual", True))}),
    "v2*": ("shuffle_v2", 24, 48, {"stride": 2, "options": (("depthwise_first", True),)}),
    "sandglass": ("sandglass", 48, 48, {}),
    "sandglass strides": ("sandglass", 24, 48, {"stride": 2, "expansion": 2.0}),
    "sandglass half": ("sandglass", 48, 48, {"options": (("identity", 2),)}),
    "sandglass none": ("sandglass", 24, 48, {}),
    "sandglass paper": ("sandglass", 24, 48, {"stride": 2, "options": (("variant", "paper"),)}),
    "sandglass inside": ("sandglass", 48, 48, {"options": (("depthwise", "inside"),)}),
    "inverted": ("inverted_residual", 24, 24, {}),
    "inverted strides": ("inverted_residual", 24, 32, {"stride": 2, "kernel_size": 5}),
    "igcv3": ("inverted_residual", 24, 24, {"groups": 2}),
    "separable": ("separable", 24, 48, {"stride": 2}),
    "bottleneck": ("bottleneck", 24, 48, {"stride": 2}),
    "bottleneck adds": ("bottleneck", 48, 48, {}),
    "resnext": ("resnext", 24, 48, {"groups": 4}),
    "vgg": ("vgg", 12, 24, {"stride": 2}),
}


def made(name):
    kind, into, out, fields = UNITS[name]
    torch.manual_seed(0)
    module = unit(kind, into, out, **fields)
    # Statistics and scales that are not those of a new module, so that an error in them shows.
    for m in module.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(m.running_mean, -0.5, 0.5)
            torch.nn.init.uniform_(m.running_var, 0.5, 1.5)
            torch.nn.init.uniform_(m.bias, -0.5, 0.5)
    return module.eval(), into, out, fields.get("stride", 1)


@pytest.mark.parametrize("kind", MODULES)
def test_the_docstring_tells_shape_activations_and_source(kind):
    told = MODULES[kind].__doc__
    assert "Shape:" in told
    assert "Reference:" in told
    assert "activation" in told


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize("size", [(8, 8), (7, 10), (1, 1)])
def test_the_output_has_the_channels_and_the_size_the_spec_says(name, size):
    module, into, out, stride = made(name)
    given = module(torch.randn(2, into, *size))
    assert given.shape == (2, out, -(-size[0] // stride), -(-size[1] // stride))


@pytest.mark.parametrize("name", UNITS)
def test_every_parameter_gets_a_gradient(name):
    module, into, *_ = made(name)
    x = torch.randn(4, into, 8, 8, requires_grad=True)
    module.train()(x).square().sum().backward()
    assert x.grad.abs().sum() > 0
    for parameter_name, parameter in module.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


@pytest.mark.parametrize("name", UNITS)
def test_the_given_tensor_is_left_as_it_was(name):
    module, into, *_ = made(name)
    x = torch.randn(2, into, 6, 6)
    before = x.clone()
    module(x)
    assert torch.equal(x, before)


@pytest.mark.parametrize("name", UNITS)
def test_channels_last_gives_the_same_values(name):
    module, into, *_ = made(name)
    x = torch.randn(2, into, 6, 6)
    last = module(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(last, module(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", UNITS)
def test_costs_are_half_of_what_torchs_own_counter_says(name):
    module, into, *_ = made(name)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.zeros(1, into, 9, 7))
    costs = count_module(module, (into, 9, 7))
    assert 2 * costs.multiply_adds == counter.get_total_flops()
    assert costs.uncounted == ()


@pytest.mark.parametrize("name", UNITS)
def test_torch_export_with_a_dynamic_batch_gives_the_same_values(name):
    module, into, *_ = made(name)
    program = torch.export.export(
        module, (torch.randn(2, into, 6, 6),), dynamic_shapes=({0: torch.export.Dim("batch")},)
    ).module()
    for batch in (1, 5):
        x = torch.randn(batch, into, 6, 6)
        torch.testing.assert_close(program(x), module(x), rtol=1e-4, atol=1e-5)


def check_onnx(module, into, *, dynamo, dynamic):
    x = torch.randn(2, into, 6, 6)
    if dynamo:
        shapes = {"dynamic_shapes": ({0: torch.export.Dim("batch")},)} if dynamic else {}
        program = torch.onnx.export(module, (x,), dynamo=True, verbose=False, **shapes)
        model = program.model_proto.SerializeToString()
    else:
        axes = {"dynamic_axes": {"x": {0: "batch"}}} if dynamic else {}
        file = io.BytesIO()
        torch.onnx.export(module, (x,), file, dynamo=False, input_names=["x"], **axes)
        model = file.getvalue()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    for batch in (1, 2, 5) if dynamic else (2,):
        x = torch.randn(batch, into, 6, 6)
        (given,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        np.testing.assert_allclose(given, module(x).detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", UNITS)
def test_onnx_runtime_gives_the_same_values_for_any_batch(name):
    module, into, *_ = made(name)
    check_onnx(module, into, dynamo=False, dynamic=True)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["v1 adds", "v2 splits", "sandglass half", "igcv3"])
def test_onnx_runtime_gives_the_same_values_for_one_batch(name):
    module, into, *_ = made(name)
    check_onnx(module, into, dynamo=False, dynamic=False)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
def test_onnx_runtime_gives_the_same_values_for_the_newer_exporter(name, dynamic):
    module, into, *_ = made(name)
    check_onnx(module, into, dynamo=True, dynamic=dynamic)
