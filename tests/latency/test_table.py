"""Blocks add up to networks: the arithmetic by hand, and once for real."""

import time

import numpy as np
import pytest
import torch

from nas.architecture import Architecture, HeadSpec, StemSpec, UnitSpec
from nas.errors import DataError, MeasurementError
from nas.latency import table as tables
from nas.latency.blocks import blocks_of, subjects_of
from nas.latency.instrument import Instrument
from nas.latency.table import Accuracy, BlockTable, build_table
from nas.latency.target import target_of
from nas.network import build
from nas.settings import TargetSettings


def network(depth, width=48, kind="shuffle_v2"):
    unit = UnitSpec(kind, width, groups=1, expansion=1 if kind == "shuffle_v2" else 4)
    return Architecture(
        input=(1, 8, 8),
        stem=StemSpec(24, stride=1, pool=False),
        units=(UnitSpec("shuffle_v2", width, stride=2), *[unit] * depth),
        head=HeadSpec(),
        classes=10,
    )


def made(architecture, value=0.1, overhead=0.05, factors=None):
    return BlockTable(
        target="t",
        reference="r",
        reference_ms=2.0,
        overhead=overhead,
        blocks={block.key: value for block in blocks_of(architecture)},
        factors=factors or {},
        estimates={},
        accuracy=Accuracy(10, 0.04, 0.08, 1.0, 0.9, 0.2),
    )


def test_equal_units_at_equal_sizes_are_one_block():
    # stem, the stride-2 unit, four equal units, head
    assert len(blocks_of(network(4))) == 7
    assert len(subjects_of([network(4), network(2)])) == 4


def test_a_units_place_decides_its_block():
    wide = Architecture.from_text(network(1).text.replace("in1x8x8", "in1x16x16"))
    assert not {b.key for b in blocks_of(network(1))} & {b.key for b in blocks_of(wide)[:-1]}


def test_blocks_run_one_after_another_are_the_network():
    architecture = network(2)
    torch.manual_seed(0)
    whole = build(architecture).eval()
    x = torch.randn(1, *architecture.input)
    expected = whole(x)
    for block, part in zip(
        blocks_of(architecture), (whole.stem, *whole.units, whole.head), strict=True
    ):
        assert tuple(x.shape[1:]) == block.input
        x = part(x)
    torch.testing.assert_close(x, expected)


def test_a_block_is_built_as_it_is_in_its_network():
    for block, subject in subjects_of([network(2)]).values():
        assert subject.input == block.input
        assert subject.build()(torch.randn(2, *block.input)).shape[0] == 2


def test_a_network_takes_a_call_and_its_blocks_by_their_families_factors():
    # 0.05 for the call; 7 blocks of 0.1, of which 5 units count twice
    found = made(network(4), factors={"shuffle_v2": 2.0}).predict(network(4))
    assert found.ratio == pytest.approx(0.05 + 2 * 0.1 + 5 * 2.0 * 0.1)
    assert found.ms == pytest.approx(2.0 * found.ratio)
    assert found.estimated == 0


def test_a_family_that_was_not_measured_is_not_guessed():
    assert made(network(4)).predict(network(4, kind="sandglass")) is None


def test_blocks_linear_in_their_features_are_estimated_exactly():
    widths = (32, 48, 64, 80, 96, 112, 128, 144)
    known = [network(2, width) for width in widths]
    blocks = {block.key: block for one in known for block in blocks_of(one)}
    weights = (0.01, 2.0, 3.0, 0.5, 0.1, 0.0)
    times = {key: float(np.dot(weights, block.features())) for key, block in blocks.items()}
    fitted = tables._estimates(list(blocks.values()), times)
    unseen = blocks_of(network(2, 100))[2]
    guess = tables._estimate(fitted["shuffle_v2"], unseen)
    assert guess == pytest.approx(np.dot(weights, unseen.features()), rel=1e-3)


def test_factors_are_found_again():
    rng = np.random.default_rng(0)
    sums = [dict(zip("abc", rng.uniform(0.2, 1.0, 3), strict=True)) for _ in range(40)]
    true = {"a": 0.8, "b": 1.3, "c": 1.0}
    whole = np.array([0.1 + sum(true[k] * v for k, v in one.items()) for one in sums])
    found = tables._factors(sums, whole, 0.1)
    assert {k: round(v, 1) for k, v in found.items()} == true


def test_a_prediction_takes_less_than_a_measurement():
    table, architecture = made(network(12)), network(12)
    start = time.process_time()
    for _ in range(100):
        table.predict(architecture)
    assert (time.process_time() - start) / 100 < 5e-3  # 1 ms promised; five times that for noise


def test_it_is_written_and_read_back(tmp_path):
    table = made(network(4))
    table.write(tmp_path / "table.json")
    assert BlockTable.read(tmp_path / "table.json") == table


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 9}', '{"format": 1}'])
def test_a_damaged_file_is_told(tmp_path, text):
    path = tmp_path / "table.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"must be a table of block times"):
        BlockTable.read(path)


@pytest.mark.slow
def test_it_ranks_real_networks_it_was_not_calibrated_on():
    networks = [network(depth, width) for width in (32, 64, 96, 128) for depth in (1, 4, 10)]
    with Instrument(target_of(TargetSettings()), reference=network(4)) as instrument:
        table = build_table(instrument, networks[::-1], multiply_adds=range(12, 0, -1))
        with pytest.raises(MeasurementError, match="needs networks to calibrate and to test"):
            build_table(instrument, networks[:3], multiply_adds=[1, 2, 3])
    assert table.predict(network(10, 96)).ratio > 1.5 * table.predict(network(1, 96)).ratio
    assert table.accuracy.networks == 4
    assert table.accuracy.error < 0.5
