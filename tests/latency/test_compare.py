"""Side by side, by runtime, and where the time goes."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from nas.architecture import Architecture, HeadSpec, StemSpec, UnitSpec
from nas.errors import MeasurementError
from nas.latency.compare import agreements, compare, side_by_side
from nas.latency.levels import SCREEN
from nas.latency.profile import POOLING, profile, shares
from nas.latency.subject import Subject
from nas.latency.target import target_of
from nas.settings import TargetSettings


def network(depth, kind="shuffle_v2"):
    return Architecture(
        input=(1, 16, 16),
        stem=StemSpec(24, stride=1, pool=False),
        units=(UnitSpec("shuffle_v2", 48, stride=2), *[UnitSpec(kind, 48)] * depth),
        head=HeadSpec(),
        classes=10,
    )


@pytest.fixture(scope="module")
def found():
    networks = [("middle", network(4)), ("deep", network(16)), ("shallow", network(1))]
    costs = {"middle": 4, "deep": 16, "shallow": 1}
    return side_by_side(target_of(TargetSettings()), networks, multiply_adds=costs, level=SCREEN)


def test_networks_stand_side_by_side_in_the_order_given(found):
    assert [one.name for one in found.networks] == ["middle", "deep", "shallow"]
    assert [one.rank for one in found.networks] == [2, 3, 1]
    assert found.networks[0].latency.ratio == 1.0


def test_milliseconds_side_by_side_are_of_one_and_the_same_reference(found):
    (ms,) = {one.latency.reference_ms for one in found.networks}
    for one in found.networks:
        assert one.latency.ms == pytest.approx(one.latency.ratio * ms)


def test_the_json_form_is_the_one_that_is_promised(found):
    value = found.to_json()
    assert set(value) == {"target", "networks"}
    assert value["target"]["runtime"] == "onnxruntime"
    for one in value["networks"]:
        assert {"name", "ms", "low", "high", "ratio", "status", "multiply_adds"} <= set(one)


def test_agreement_is_kendalls_tau():
    # of the three pairs one is the other way round: (2 - 1) / 3
    (found,) = agreements({"a": [1.0, 2.0, 3.0], "b": [1.0, 3.0, 2.0]})
    assert found.between == ("a", "b")
    assert found.tau == pytest.approx(1 / 3)


@pytest.mark.slow
def test_runtimes_agree_on_what_is_far_apart():
    targets = [target_of(TargetSettings(runtime=name)) for name in ("onnxruntime", "eager")]
    networks = [("shallow", network(1)), ("middle", network(5)), ("deep", network(20))]
    costs = {"shallow": 1, "middle": 5, "deep": 20}
    found = compare(targets, networks, multiply_adds=costs, level=SCREEN)
    assert [one.between for one in found.agreements] == [
        ("onnxruntime", "eager"),
        ("onnxruntime", "multiply-adds"),
        ("eager", "multiply-adds"),
    ]
    assert all(one.tau == 1.0 for one in found.agreements)


class Strange(nn.Module):
    """An operator that ONNX lacks."""

    def forward(self, x):
        return torch.special.bessel_j0(x)


def test_networks_that_no_runtime_takes_are_told():
    networks = [(name, Subject(name, (1, 8, 8), Strange)) for name in ("a", "b")]
    targets = [target_of(TargetSettings(batch_size=n)) for n in (1, 2)]
    with pytest.raises(MeasurementError, match="bessel_j0"):
        compare(targets, networks, level=SCREEN)


def test_operators_count_towards_the_part_they_belong_to():
    found = shares({"Conv": 60.0, "aten::add_": 20.0, "Transpose": 15.0, "MaxPool": 5.0})
    assert found["convolution"] == pytest.approx(0.60)
    assert found["element-wise"] == pytest.approx(0.20)
    assert found["shuffle"] == pytest.approx(0.15)
    assert found[POOLING] == pytest.approx(0.05)
    assert sum(found.values()) == pytest.approx(1)


def test_operators_without_time_are_told():
    with pytest.raises(MeasurementError, match="must find operators that take time"):
        shares({})


def test_a_profile_on_a_gpu_is_refused():
    target = replace(target_of(TargetSettings()), device="cuda")
    with pytest.raises(MeasurementError, match=r"got target\.device=cuda; allowed: cpu"):
        profile(network(4), target)


def test_a_profile_of_a_real_network_finds_its_convolutions():
    found = profile(network(4), target_of(TargetSettings()))
    assert found.shares["convolution"] > 0.2
    assert sum(found.shares.values()) == pytest.approx(1)
    assert next(iter(found.operator_us)) in found.operator_us


@pytest.mark.slow
def test_torch_tells_its_operators_too():
    found = profile(network(4), target_of(TargetSettings(runtime="eager")))
    assert found.shares["convolution"] > 0.2
    assert found.shares["element-wise"] > 0


@pytest.mark.slow
def test_a_runtime_without_operators_is_told():
    with pytest.raises(MeasurementError, match="compile tells no operators"):
        profile(network(1), target_of(TargetSettings(runtime="compile")))
