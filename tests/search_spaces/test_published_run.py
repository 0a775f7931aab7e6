"""Every published network trains, exports with a dynamic batch and runs in ONNX Runtime."""

import io
import warnings

import numpy
import onnxruntime
import pytest
import torch
from torch import nn

from nas.costs import layers
from nas.network import build
from search_spaces.published import PUBLISHED, published

SMALLEST = (4, 8, 11)
"""Four channels, neither square nor even."""
INPUT = (3, 32, 40)
CLASSES = 7

every_network = pytest.mark.parametrize("name", PUBLISHED)
pytestmark = pytest.mark.slow
"""Minutes together."""


def small(name, input):
    torch.manual_seed(0)
    return build(published(name, input=input, classes=CLASSES))


@every_network
def test_trains_one_step_and_keeps_its_state_when_counted(name):
    network = small(name, SMALLEST)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01)
    loss = nn.functional.cross_entropy(network(torch.rand(2, *SMALLEST)), torch.tensor([3, 6]))
    assert torch.isfinite(loss)
    loss.backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    optimiser.step()
    assert any(not value.equal(before[key]) for key, value in network.state_dict().items())

    layers(network, SMALLEST)
    small(name, SMALLEST).load_state_dict(network.state_dict(), strict=True)


@every_network
def test_exports_with_a_dynamic_batch_and_runs_in_onnx_runtime(name):
    network = small(name, INPUT).eval()
    x = torch.rand(3, *INPUT)
    batch = torch.export.Dim("batch", min=1, max=64)
    exported = torch.export.export(network, (x[:2],), dynamic_shapes=({0: batch},))
    expected = network(x)
    torch.testing.assert_close(exported.module()(x), expected)

    model = io.BytesIO()
    with warnings.catch_warnings():
        # The quick exporter is deprecated; the slow one takes seconds for each of ninety networks,
        # and tests/units runs it over every kind of unit.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (x[:2],), model, dynamo=False, input_names=["images"],
            output_names=["logits"], dynamic_axes={"images": {0: "n"}, "logits": {0: "n"}},
        )  # fmt: skip
    session = onnxruntime.InferenceSession(model.getvalue(), providers=["CPUExecutionProvider"])
    for images in (x, x[:1]):
        found = session.run(None, {session.get_inputs()[0].name: images.numpy()})[0]
        numpy.testing.assert_allclose(found, network(images).detach(), atol=1e-4, rtol=1e-3)
