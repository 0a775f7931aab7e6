"""What the published networks cost: exact counts, printed numbers, and what explains the rest."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nas.costs import count
from nas.network import build
from search_spaces.mobilenext import ROWS, mobilenext
from search_spaces.published import PUBLISHED, catalogue, published
from search_spaces.shufflenet_v1 import shufflenet_v1

# Multiply-adds and parameters (None: not given) of the authors' released code or of independent
# implementations, counted by others than this project.
EXACT = {
    "shufflenet_v1_g1_x1_0": (None, 1_530_936),
    "shufflenet_v1_g2_x1_0": (None, 1_732_848),
    "shufflenet_v1_g3_x0_5": (37_589_856, 717_324),
    "shufflenet_v1_g3_x1_0": (137_460_672, 1_864_728),
    "shufflenet_v1_g3_x2_0": (524_045_184, 5_449_776),
    "shufflenet_v1_g8_x1_0": (138_365_952, 2_433_768),
    "shufflenet_v2_x0_5": (40_476_448, 1_365_792),
    "shufflenet_v2_x1_0": (145_814_296, 2_278_760),
    "mobilenext_x0_35": (75_141_032, 1_913_976),
    "mobilenext_x1_0": (311_342_592, 3_535_416),
    "mobilenet_v1_x1_0": (568_740_352, 4_231_976),
    "mobilenet_v1_x0_25": (41_030_272, 470_072),
    "mobilenet_v2_x1_0": (300_774_272, 3_504_872),
    "igcv3_d_x1_0": (312_970_176, 3_491_688),
}

# The same, as far as it is given: millions of multiply-adds, cut off or rounded at a digit.
ROUNDED = {
    "shufflenet_v1_g1_x1_0": (143.079, 0.001),
    "shufflenet_v1_g2_x1_0": (140.837, 0.001),
    "shufflenet_v1_g1_x0_25": (13.16, 0.01),
    "shufflenet_v1_g3_x0_25": (13.30, 0.01),
    "shufflenet_v1_g4_x0_5": (40.7, 0.1),
    "shufflenet_v1_g8_x0_5": (40.47, 0.01),
    "shufflenet_v1_g8_x0_25": (15.72, 0.01),
    "shufflenet_v1_se_g3_x2_0": (526.49, 0.01),
    "shufflenet_v2_se_x2_0": (593.8, 0.1),
    "shufflenet_v2_star_x0_5": (42.89, 0.01),
    "shufflenet_v2_star_x1_0": (150.69, 0.01),
    "shufflenet_v2_star_x1_5": (306.01, 0.01),
    "shufflenet_v2_star_x2_0": (600.28, 0.01),
    "mobilenet_v2_x1_4": (582.2, 0.1),
    "mobilenext_paper_x1_0": (258.7, 0.1),
    "vgg_38m": (37.58, 0.01),
    "resnet_38m": (38.12, 0.01),
    "xception_38m": (38.52, 0.01),
}

# ShuffleNet v1's Table 1 leaves the classifier out: millions by that rule.
WITHOUT_CLASSIFIER = {
    "shufflenet_v1_g1_x1_0": (142.503, 0.001),
    "shufflenet_v1_g2_x1_0": (140.037, 0.001),
    "shufflenet_v1_g3_x1_0": (136.501, 0.001),
    "shufflenet_v1_g4_x1_0": (133.25, 0.01),
    "shufflenet_v1_g8_x1_0": (136.830, 0.001),
}

# Percent by which others' counts are above what is printed, rounded or cut off at a digit. (v1-50
# was counted at -0.7 with a stem of 64, which its groups do not divide; here it has 66.)
PERCENT = {
    "shufflenet_v1_g1_x0_25": (0.14, 0.01),
    "shufflenet_v1_g3_x0_25": (0.47, 0.01),
    "shufflenet_v1_g1_x0_5": (0.60, 0.01),
    "shufflenet_v1_g3_x0_5": (-1.08, 0.01),
    "shufflenet_v1_g3_x1_5": (0.15, 0.01),
    "shufflenet_v1_g8_x1_5": (0.07, 0.01),
    "shufflenet_v1_g3_x2_0": (0.01, 0.01),
    "shufflenet_v1_g8_x2_0": (-0.01, 0.01),
    "shufflenet_v1_se_g3_x2_0": (-0.10, 0.01),
    "shufflenet_v2_x0_5": (-1.28, 0.01),
    "shufflenet_v2_x1_0": (-0.13, 0.01),
    "shufflenet_v2_x1_5": (-0.01, 0.01),
    "shufflenet_v2_x2_0": (-0.04, 0.01),
    "shufflenet_v2_se_x2_0": (-0.5, 0.1),
    "shufflenet_v2_50": (0.64, 0.01),
    "shufflenet_v2_se_164": (-0.75, 0.01),
    "mobilenext_x0_35": (-6.1, 0.1),
    "mobilenext_x0_5": (-6.1, 0.1),
    "mobilenext_x0_75": (-0.99, 0.01),
    "mobilenext_x1_0": (3.8, 0.1),
    "mobilenext_x1_4": (-0.28, 0.01),
    "mobilenet_v1_x1_0": (-0.05, 0.01),
    "mobilenet_v1_x0_75": (0.12, 0.01),
    "mobilenet_v1_x0_5": (0.33, 0.01),
    "mobilenet_v1_x0_25": (0.07, 0.01),
    "mobilenet_v2_x1_0": (0.26, 0.01),
    "mobilenet_v2_x1_4": (-0.48, 0.01),
    "igcv3_d_x1_0": (-1.6, 0.1),
}

# Printed numbers that a count misses by more than 1 %, and why; see each entry's `deviation`.
ROUNDED_IN_PRINT = {"shufflenet_v1_g3_x0_5", "shufflenet_v1_g8_x0_5", "shufflenet_v2_x0_5"}
CHANNELS_NOT_PRINTED = {
    "shufflenet_v1_g2_x0_25",
    "shufflenet_v1_g2_x0_5",
    "shufflenet_v1_g4_x0_25",
    "shufflenet_v1_g4_x0_5",
    "shufflenet_v1_g8_x0_25",
    "vgg_38m",
}
PAPER_AND_CODE_DIFFER = {
    *(f"mobilenext_{width}" for width in ("x0_35", "x0_5", "x1_0")),
    *(f"mobilenext_x1_0_identity{divisor}" for divisor in (2, 3, 4)),
    *(f"mobilenext_paper_{width}" for width in ("x0_35", "x0_5", "x0_75", "x1_0", "x1_4")),
    *(f"mobilenext_paper_x1_0_identity{divisor}" for divisor in (2, 3, 4)),
}
UNEXPLAINED = {"igcv3_d_x1_0"}
EXCEPTIONS = ROUNDED_IN_PRINT | CHANNELS_NOT_PRINTED | PAPER_AND_CODE_DIFFER | UNEXPLAINED
PARAMETERS_EXCEPTIONS = {
    # The paper and its code differ.
    "mobilenext_x0_35",
    "mobilenext_x0_5",
    "mobilenext_x0_75",
    # Printed without the parameters of the normalisation.
    "mobilenet_v2_x0_35",
    "mobilenet_v2_x0_75",
    "mobilenet_v2_x1_0",
    "mobilenet_v2_x1_4",
}


def by_name(name):
    return next(network for network in catalogue() if network.name == name)


@pytest.mark.parametrize("name", EXACT)
def test_counts_equal_those_of_the_released_code(name):
    costs = count(published(name))
    multiply_adds, parameters = EXACT[name]
    assert costs.parameters == parameters
    assert multiply_adds in (None, costs.multiply_adds)


@pytest.mark.parametrize("name", ROUNDED)
def test_counts_equal_those_of_independent_counts_to_their_last_digit(name):
    millions, digit = ROUNDED[name]
    assert count(published(name)).multiply_adds / 1e6 == pytest.approx(millions, abs=digit)


@pytest.mark.parametrize("name", WITHOUT_CLASSIFIER)
def test_the_first_table_of_shufflenet_v1_is_met_without_the_classifier(name):
    millions, digit = WITHOUT_CLASSIFIER[name]
    network = PUBLISHED[name]
    compared = network.comparable(count(network.architecture()).multiply_adds)
    assert compared / 1e6 == pytest.approx(millions, abs=digit)
    assert round(compared / 1e6) == network.multiply_adds / 1e6


def test_the_numbers_that_reasons_and_deviations_give_are_counts():
    # Half of the blocks of 0.5x, of which the paper prints 40 M.
    assert count(shufflenet_v1(3, 0.5, depths=(2, 4, 2))).multiply_adds / 1e6 == pytest.approx(
        21.6, abs=0.1
    )
    assert "21.6 M" in by_name("shufflenet_v1_g3_x0_5_shallow").reason
    # Two units of 960 channels, as the paper's table is read: 295.4 M and 3.205 M.
    rows = [replace(row, depth=2) if row.channels == 960 else row for row in ROWS]
    costs = count(mobilenext(1.0, rows=rows))
    assert costs.multiply_adds / 1e6 == pytest.approx(295.4, abs=0.1)
    assert costs.parameters / 1e6 == pytest.approx(3.205, abs=0.001)
    # 144, 288 and 576 channels with 4 groups cost 40.7 M with the classifier of 576 x 1,000.
    four = PUBLISHED["shufflenet_v1_g4_x0_5"]
    assert [unit.out_channels for unit in four.architecture().units[::4]] == [144, 288, 288, 576]
    assert "40.1 M" in four.deviation


@pytest.mark.slow
def test_bottlenecks_of_a_quarter_cost_half_of_what_shufflenet_v1_50_is_printed_with():
    network = PUBLISHED["shufflenet_v1_50"].architecture()
    quarter = replace(network, units=tuple(replace(u, expansion=4) for u in network.units))
    assert count(quarter).multiply_adds / 1e9 == pytest.approx(1.155, abs=0.005)


# Zhang et al. 2018, Table 5, prints 527 M: reductions of the squeeze-and-excitation by 16, 8, 4.
@pytest.mark.slow
@pytest.mark.parametrize(("reduction", "millions"), [(16, 526.49), (8, 528.93), (4, 533.8)])
def test_multiply_adds_do_not_tell_how_narrow_the_squeeze_is(reduction, millions):
    network = shufflenet_v1(3, 2.0, options=(("se", reduction),))
    assert count(network).multiply_adds / 1e6 == pytest.approx(millions, abs=0.05)


def last_digit(value):
    """10 for 140, 0.1 for 1.4: the unit of the last digit that is printed, in 1."""
    millions = f"{value / 1e6:g}"
    return 1e6 / 10 ** len(millions.partition(".")[2])


@pytest.mark.slow
def test_counts_are_within_one_percent_of_what_is_printed_but_for_the_named_exceptions():
    multiply_adds, parameters = set(), set()
    for name, network in PUBLISHED.items():
        costs = count(network.architecture())
        difference = network.difference(costs.multiply_adds)
        if difference is not None and abs(difference) > 1:
            multiply_adds.add(name)
        if network.parameters is not None:
            allowed = max(0.01 * network.parameters, last_digit(network.parameters) / 2)
            if abs(costs.parameters - network.parameters) > allowed:
                parameters.add(name)
    assert multiply_adds == EXCEPTIONS
    assert parameters == PARAMETERS_EXCEPTIONS


@pytest.mark.slow
@pytest.mark.parametrize("name", PERCENT)
def test_counts_differ_from_print_by_as_much_as_independent_counts_do(name):
    percent, digit = PERCENT[name]
    network = PUBLISHED[name]
    difference = network.difference(count(network.architecture()).multiply_adds)
    assert difference == pytest.approx(percent, abs=digit)


def test_each_exception_says_why_and_no_other_network_does():
    # AlexNet and the like stand outside the promise; they say why too.
    ours = [network for network in catalogue() if not network.reference]
    explained = {network.name for network in ours if network.deviation}
    assert explained == EXCEPTIONS | PARAMETERS_EXCEPTIONS


@pytest.mark.parametrize("width", ["x0_35", "x0_75", "x1_0"])
def test_the_printed_parameters_of_mobilenet_v2_leave_the_normalisation_out(width):
    network = PUBLISHED[f"mobilenet_v2_{width}"]
    with torch.device("meta"):
        module = build(network.architecture())
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    without = sum(p.numel() for p in module.parameters()) - sum(
        p.numel() for norm in norms for p in norm.parameters()
    )
    printed = {"x0_35": 1.66, "x0_75": 2.61, "x1_0": 3.47}[width]  # the released code's table
    assert without / 1e6 == pytest.approx(printed, abs=0.005)


# By hand from the papers' tables: AlexNet 55x55x96x363 + 27x27x256x1200 + 13x13x(384x2304 +
# 384x1728 + 256x1728) + 9216x4096 + 4096x4096 + 4096x1000; VGG-16 15.35 G of convolutions and
# 25088x4096 + 4096x4096 + 4096x1000. SqueezeNet's Table 1 totals 1,248,424 parameters; GoogLeNet's
# are those of its nine modules and three convolutions before them, with biases, and the classifier.
@pytest.mark.parametrize(
    ("name", "multiply_adds", "parameters"),
    [
        ("alexnet", 724_406_816, 60_965_224),
        ("vgg_16", 15_470_264_320, 138_357_544),
        ("squeezenet_1_0", None, 1_248_424),
        ("googlenet", None, 6_998_552),
    ],
)
def test_references_have_the_costs_of_their_papers(name, multiply_adds, parameters):
    network = by_name(name)
    with torch.device("meta"):
        module = network.module().eval()
        with FlopCounterMode(display=False) as counter:
            module(torch.empty(1, 3, 224, 224))
    assert multiply_adds in (None, counter.get_total_flops() // 2)
    assert sum(parameter.numel() for parameter in module.parameters()) == parameters
