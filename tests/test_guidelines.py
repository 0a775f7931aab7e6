"""The set-ups are the paper's, to the multiply-add; what is measured is judged by its interval."""

from dataclasses import replace

import pytest

from nas.costs import count_module, layers
from nas.guideline_networks import SIZE, fragment_width, setups
from nas.guidelines import GuidelineReport, Row, _finding, figure, measure_guidelines
from nas.latency.levels import SCREEN
from nas.latency.target import target_of
from nas.outcome import Latency
from nas.settings import TargetSettings


def of(guideline, column="arm"):
    return [one for one in setups(column) if one.guideline == guideline]


def costs(setup):
    return count_module(setup.build(), (setup.channels, SIZE, SIZE))


def test_the_networks_cost_what_the_paper_says():
    # ../reference: G1 ARM x1 64.2 and 63.6 M for 1:1 and 1:6; 10 x 2 x 56^2 x c1 x c2
    assert [round(costs(one).multiply_adds / 1e6, 1) for one in of("G1")] == [
        64.2,
        60.7,
        63.6,
        61.0,
    ]
    # G2 ARM x1: 128.5 M for 1 and 4 groups, 127.0 for 2; 8 groups with 184 channels
    found = [round(costs(one).multiply_adds / 1e6, 1) for one in of("G2")]
    assert found == [128.5, 127.0, 128.5, 132.7]


def test_the_networks_of_the_gpu_column_cost_what_the_paper_says():
    # Tables 1 and 2, GPU x1, by the channels printed: multiply-adds of the whole network in M
    found = [round(costs(one).multiply_adds / 1e6, 1) for one in of("G1", "gpu")]
    assert found == [1027.6, 1016.1, 1017.6, 975.4]
    found = [round(costs(one).multiply_adds / 1e6, 1) for one in of("G2", "gpu")]
    assert found == [513.8, 508.0, 513.8, 508.0]  # 360 channels divide into 8 groups
    whole = costs(of("G2", "gpu")[0]).multiply_adds  # table 3: one fragment is table 2's one group
    for setup in of("G3", "gpu"):
        assert costs(setup).multiply_adds == pytest.approx(whole, rel=0.02)
    assert {one.channels for one in of("G4", "gpu")} == {32}


def test_memory_access_is_the_papers_formula():
    # MAC = h w (c1 + c2) + c1 c2 / g (sec. 2, G1 and G2), for each convolution
    for setup in (*of("G1"), *of("G2")):
        for layer in layers(setup.build(), (setup.channels, SIZE, SIZE)):
            c1, c2 = layer.input[0], layer.output[0]
            assert layer.memory_access == SIZE * SIZE * (c1 + c2) + c1 * c2 // layer.groups
    # equal width moves least: c1 = c2 is the minimum of the formula at equal products
    moved = [costs(one).memory_access for one in of("G1")]
    assert moved == sorted(moved)


def test_fragments_cost_what_one_convolution_does():
    assert [fragment_width(k, 64) for k in (1, 2, 4)] == [64, 45, 32]
    whole = costs(of("G3")[0]).multiply_adds
    for setup in of("G3"):
        assert costs(setup).multiply_adds == pytest.approx(whole, rel=0.02)


def row(label, slowdown, half, gpu):
    latency = Latency(
        ms=1.0, low=0.9, high=1.1, ratio=1.0, ratio_low=0.9, ratio_high=1.1, statistic="median",
        clock="wall", status="RESOLVED", target="t", reference="r", reference_ms=1.0, rounds=8,
        processes=5, seconds=1.0,
    )  # fmt: skip
    return Row(
        guideline="G1", label=label, channels=8, multiply_adds=1, memory_access=1, latency=latency,
        slowdown=slowdown, low=slowdown - half, high=slowdown + half, gpu=gpu, arm=1.0,
        gpu_slowdown=1.0, arm_slowdown=1.0, note="",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("slowdown", "verdict"), [(1.3, "holds"), (1.02, "open"), (0.8, "does not hold")]
)
def test_a_guideline_is_judged_by_the_interval_of_its_worst_row(slowdown, verdict):
    rows = [row("1:1", 1.0, 0.0, 1480.0), row("1:12", slowdown, 0.05, 748.0)]
    found = _finding("G1", rows, "gpu")
    assert (found.verdict, found.slowdown) == (verdict, slowdown)
    assert _finding("G1", rows[::-1], "gpu") == found


def test_the_figure_is_a_png():
    rows = (row("1:1", 1.0, 0.0, 2.0), row("1:12", 1.3, 0.05, 1.0))
    assert figure(GuidelineReport("t", "gpu", rows, ())).startswith(b"\x89PNG")
    two = (*rows, replace(rows[0], guideline="G2"))
    assert figure(GuidelineReport("t", "gpu", two, ())).startswith(b"\x89PNG")


def test_the_papers_columns_are_normalised_by_their_own_multiply_adds():
    # Table 1: 1027.6 and 975.4 M on the GPU, 64.2 and 61.0 on the ARM; table 2: 128.5 and 127.0.
    first, *_, last = of("G1")
    assert last.gpu_cost / first.gpu_cost == pytest.approx(975.4 / 1027.6, rel=1e-3)
    assert last.arm_cost / first.arm_cost == pytest.approx(61.0 / 64.2, rel=1e-3)
    first, *_, last = of("G2")
    assert last.gpu_cost / first.gpu_cost == pytest.approx(508.0 / 513.8, rel=1e-3)
    assert last.arm_cost / first.arm_cost == pytest.approx(127.0 / 128.5, rel=1e-3)


@pytest.mark.slow
def test_element_wise_operations_are_measured_against_the_row_without_them():
    found = measure_guidelines(target_of(TargetSettings()), only=["G4"], level=SCREEN)
    assert found.rows[-1].slowdown == 1.0
    assert found.rows[0].slowdown > 0.7
    assert found.findings[0].guideline == "G4"
    # Table 4, GPU, c = 32: 2427 with both, 2842 with neither
    assert found.rows[0].gpu_slowdown == pytest.approx(2842 / 2427)
