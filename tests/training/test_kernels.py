import copy

import pytest
import torch

from nas.architecture import Architecture
from nas.network import build
from nas.settings import TrainingSettings
from nas.training.kernels import fast_kernels

NETWORK = Architecture.from_text(
    "in1x8x8+stem8-s1+shuffle_v1:24-s2-n2-g2+shuffle_v2:48-s2-n2+sandglass:24+head32+out10"
)
CPU = TrainingSettings(device="cpu", memory_format="channels_last")


def test_products_give_the_outputs_and_gradients_of_the_convolutions():
    torch.manual_seed(0)
    slow = build(NETWORK).to(memory_format=torch.channels_last).double()
    fast = copy.deepcopy(slow)
    images = torch.randn(4, 1, 8, 8, dtype=torch.double).to(memory_format=torch.channels_last)
    slow(images).square().sum().backward()
    with fast_kernels(fast, CPU):
        fast(images).square().sum().backward()
    for (name, one), other in zip(slow.named_parameters(), fast.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-9, atol=1e-12, msg=name)


def ran_as_convolution(module, images):
    with torch.profiler.profile() as profile, torch.no_grad():
        module(images)
    return sum(event.count for event in profile.key_averages() if event.key == "aten::conv2d")


def test_only_plain_pointwise_convolutions_are_replaced_and_only_as_long_as_asked():
    module = build(NETWORK).eval()
    images = torch.zeros(1, 1, 8, 8).to(memory_format=torch.channels_last)
    convolutions = [m for m in module.modules() if isinstance(m, torch.nn.Conv2d)]
    others = [m for m in convolutions if m.kernel_size != (1, 1) or m.groups > 1]
    with fast_kernels(module, CPU):
        with fast_kernels(module, CPU):
            pass
        assert ran_as_convolution(module, images) == len(others)
    assert ran_as_convolution(module, images) == len(convolutions)
    assert not any("forward" in m.__dict__ for m in module.modules())


@pytest.mark.parametrize(
    "settings",
    [
        TrainingSettings(device="cuda"),
        TrainingSettings(device="cpu", memory_format="contiguous"),
    ],
)
def test_elsewhere_nothing_is_replaced(settings):
    module = build(NETWORK)
    with fast_kernels(module, settings):
        assert not any("forward" in m.__dict__ for m in module.modules())
