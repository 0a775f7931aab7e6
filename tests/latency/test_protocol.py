"""From call times to a ratio, against numbers worked out by hand and by simulation."""

import math
import random

import numpy as np
import pytest

from nas.latency import protocol
from nas.latency.deviation import DISTURBED, INVOCATION_SD, PROCESS_SD, UNGATED_SD, Spread
from nas.latency.levels import SCREEN, rounds_for
from nas.latency.protocol import Group, Sample


def group(mean, calls=1):
    return Group(clocks=(mean,) * calls, switches=0, faults=0, walls=(mean,) * calls)


def sample(candidate, before=100.0, after=100.0):
    return Sample("a", group(before), (group(candidate), group(candidate)), group(after))


def noisy(rng, ratio, *, rounds=8, noise=0.01, reference=100.0):
    def time(mean):
        return mean * math.exp(rng.normal(0, noise))

    return [
        Sample(
            "a",
            group(time(reference)),
            (group(time(ratio * reference)), group(time(ratio * reference))),
            group(time(reference)),
        )
        for _ in range(rounds)
    ]


def test_a_sample_divides_by_the_reference_calls_on_either_side():
    # (180 + 220) / 2 = 200 against (90 + 110) / 2 = 100
    one = Sample("a", group(90.0), (group(180.0), group(220.0)), group(110.0))
    assert math.exp(one.log_ratio) == pytest.approx(2.0)


def test_repeated_calls_count_as_one_call_each():
    one = Sample("a", group(100.0, 7), (group(200.0, 5), group(200.0, 5)), group(100.0, 7))
    assert math.exp(one.log_ratio) == pytest.approx(2.0)


def test_an_interrupted_call_among_repeated_ones_does_not_count():
    spoiled = Group((200.0, 200.0, 9000.0), 1, 0, (200.0, 200.0, 9000.0))
    one = Sample("a", group(100.0), (spoiled, group(200.0)), group(100.0))
    assert math.exp(one.log_ratio) == pytest.approx(2.0)


def test_a_slowdown_of_both_cancels():
    slow, fast = sample(300.0, 150.0, 150.0), sample(200.0)
    assert slow.log_ratio == pytest.approx(fast.log_ratio)


def test_every_round_holds_every_name_once_in_changing_order():
    plan = protocol.schedule(["a", "b", "c", "d"], 20, random.Random(0))
    assert len(plan) == 20
    assert all(sorted(turn) == ["a", "b", "c", "d"] for turn in plan)
    assert len({tuple(turn) for turn in plan}) > 5


def test_short_calls_are_repeated_until_a_millisecond():
    assert protocol.repeats_for(0.1e6) == 10
    assert protocol.repeats_for(5e6) == 1
    assert protocol.repeats_for(0.0) == protocol.MOST_REPEATS


def test_short_calls_are_left_untimed_until_caches_are_warm():
    assert protocol.untimed_for(1e6) == 3
    assert protocol.untimed_for(10e6) == 1
    assert protocol.untimed_for(0.0) == protocol.MOST_REPEATS


def test_short_networks_get_more_rounds_and_long_ones_the_least():
    level = SCREEN
    assert rounds_for(1e12, level) == level.rounds
    assert rounds_for(1.0, level) == level.most_rounds


def test_samples_of_the_busy_regime_are_left_out():
    busy = [sample(350.0, 140.0, 140.0)] * 30  # 2.5 while the neighbour works
    found = protocol.estimate([[sample(200.0)] * 10 + busy], [100.0])
    assert found.ratio == pytest.approx(2.0)
    assert (found.quiet, found.samples, found.gated) == (10, 40, True)


def test_a_turn_that_is_slow_for_the_candidate_alone_is_left_out_too():
    spoiled = [sample(300.0)] * 30
    found = protocol.estimate([[sample(200.0)] * 10 + spoiled], [100.0])
    assert found.ratio == pytest.approx(2.0)


def test_where_too_few_turns_are_quiet_those_nearest_to_it_count():
    # The candidate suffers more than the reference, the more the busier: 2.0 when quiet, 2.2 in
    # the four turns that are nearly so, 2.5 and 3 in the others.
    turns = [sample(200.0)] + [sample(259.6, 118.0, 118.0)] * 4
    turns += [sample(350.0, 140.0, 140.0)] * 8 + [sample(510.0, 170.0, 170.0)] * 7
    found = protocol.estimate([turns], [100.0])
    assert found.ratio == pytest.approx(2.2)
    assert (found.quiet, found.samples, found.gated) == (1, 20, False)


def test_the_more_turns_the_more_of_them_count_where_too_few_are_quiet():
    rng = np.random.default_rng(0)

    def found(number):
        slow = 1.3 * np.exp(rng.normal(0, 0.02, number))
        turns = [sample(200 * s * math.exp(rng.normal(0, 0.04)), 100 * s, 100 * s) for s in slow]
        return protocol.estimate([turns], [100.0])

    assert found(400).precision < 0.95 * found(20).precision


def test_noise_alone_does_not_make_a_copy_of_the_reference_look_slow():
    rng = np.random.default_rng(0)

    def busy():
        return 100.0 * (1.0 if rng.random() < 0.5 else 1.4) * math.exp(rng.normal(0, 0.02))

    turns = [
        Sample("a", group(busy()), (group(busy()), group(busy())), group(busy()))
        for _ in range(2000)
    ]
    assert protocol.estimate([turns], [100.0]).ratio == pytest.approx(1.0, abs=0.01)


def test_without_quiet_samples_all_count_and_the_interval_grows():
    quiet = protocol.estimate([[sample(200.0)] * 20], [100.0])
    busy = protocol.estimate([[sample(280.0, 140.0, 140.0)] * 20], [100.0])
    assert busy.ratio == pytest.approx(2.0)
    assert not busy.gated
    assert busy.precision > 2 * quiet.precision
    assert busy.half_width > 1.5 * quiet.half_width


def test_the_quiet_floor_is_not_one_lucky_call():
    assert protocol.quiet_floor([50.0] + [100.0] * 99) == pytest.approx(100.0)


def test_one_process_is_never_surer_than_processes_are_apart():
    # Samples without any noise: what is left is the deviation between processes, twice (ours and
    # another invocation's): 1.96 x sqrt(2) x 1.4 % = 3.9 %.
    found = protocol.estimate([[sample(200.0)] * 50], [100.0])
    assert found.precision == pytest.approx(1.96 * math.sqrt(2) * 0.014, rel=0.05)
    five = protocol.estimate([[sample(200.0)] * 50] * 5, [100.0] * 5)
    assert five.precision < 0.025 < found.precision


def test_a_quiet_invocation_does_not_expect_another_to_be_as_quiet():
    found = protocol.estimate([[sample(200.0)] * 50], [100.0])
    others = 0.014**2 + 2 * 0.008**2 + DISTURBED * 0.03**2
    assert found.half_width == pytest.approx(1.96 * math.sqrt(0.014**2 + others), rel=0.05)
    busy = protocol.estimate([[sample(280.0, 140.0, 140.0)] * 20], [100.0])
    half = math.hypot(math.log1p(busy.precision), 1.96 * math.sqrt(2) * 0.008)
    assert busy.half_width == pytest.approx(math.expm1(half))


@pytest.mark.parametrize("processes", [1, 5])
def test_the_interval_covers_another_invocation(processes):
    rng = np.random.default_rng(1)

    def invocation():
        runs = []
        for _ in range(processes):
            runs.append(noisy(rng, 2.0 * math.exp(rng.normal(0, PROCESS_SD))))
        return protocol.estimate(runs, [100.0] * processes)

    pairs = [(invocation(), invocation()) for _ in range(200)]
    covered = sum(one.low <= other.ratio <= one.high for one, other in pairs)
    # 95 % nominal; three standard deviations of a share of 200 are 4.6 %.
    assert covered / 200 >= 0.90


def test_a_quiet_invocation_covers_others_that_deviate_as_a_whole_or_are_disturbed():
    rng = np.random.default_rng(2)

    def invocation(busy):
        sd = math.hypot(PROCESS_SD, UNGATED_SD if busy else 0.0)
        middle = 2.0 * math.exp(rng.normal(0, INVOCATION_SD))
        runs = [noisy(rng, middle * math.exp(rng.normal(0, sd))) for _ in range(5)]
        return protocol.estimate(runs, [100.0] * 5)

    pairs = [(invocation(False), invocation(rng.random() < DISTURBED)) for _ in range(200)]
    covered = sum(one.low <= other.ratio <= one.high for one, other in pairs)
    assert covered / 200 >= 0.90


@pytest.mark.parametrize("processes", [1, 3, 5])
def test_turns_without_end_leave_what_processes_differ_by(processes):
    samples = [[sample(150.0)] * 20 for _ in range(processes)]
    spread = Spread(squares=100 * 0.02**2, freedom=100)
    found = protocol.estimate(samples, [100.0] * processes, spread=spread)
    assert found.half_width == pytest.approx(math.expm1(spread.least_half(processes)))


def test_the_bootstrap_finds_the_deviation_of_a_median():
    # pi / 2 x variance / n for normal values
    values = np.random.default_rng(0).normal(0, 0.1, 400)
    found = protocol.bootstrap_variance(values, np.random.default_rng(1))
    assert found == pytest.approx(math.pi / 2 * 0.01 / 400, rel=0.6)


def test_the_tail_is_the_ratio_of_the_95th_percentiles_of_wall_time():
    slow = Sample("a", group(100.0), (group(900.0), group(900.0)), group(100.0))
    turns = [sample(200.0)] * 80 + [slow] * 20
    assert protocol.estimate_tail([turns]).ratio == pytest.approx(9.0)
    assert protocol.estimate([turns], [100.0]).ratio == pytest.approx(2.0)


def test_a_tail_too_deviates_between_invocations_as_a_whole():
    # All turns are equal: nothing but processes and invocations is left, of both of them.
    found = protocol.estimate_tail([[sample(200.0)] * 50] * 5)
    both = 2 * PROCESS_SD**2 / 5 + 2 * INVOCATION_SD**2
    assert found.half_width == pytest.approx(math.expm1(1.96 * math.sqrt(both)), rel=0.02)


def test_raw_times_are_read_by_the_clock_asked_for():
    group = [[4, 6], 0, 0, [40, 60]]
    raw = [[0, "a", group, [[[20], 1, 2, [80]], [[20], 0, 0, [90]]], [[10], 0, 0, [50]]]]
    (cpu,) = protocol.read_samples(raw, cpu_clock=True)
    (wall,) = protocol.read_samples(raw, cpu_clock=False)
    assert (cpu.before.typical, wall.before.typical) == (5.0, 50.0)
    assert (cpu.calls[0].switches, cpu.calls[0].faults) == (1, 2)


@pytest.mark.parametrize(
    "raw",
    [
        [[0, "a"]],
        [[0, "a", [[10], 0, 0, [-1]], [], [[10], 0, 0, [1]]]],
        [[0, "a", [[0], 0, 0, [1]], [], [[10], 0, 0, [1]]]],
        [[0, "a", [[], 0, 0, []], [], [[10], 0, 0, [1]]]],
        [[0, "a", [[10, 10], 0, 0, [1]], [], [[10], 0, 0, [1]]]],
        [[0, "a", "x", [], [[10], 0, 0, [1]]]],
    ],
)
def test_impossible_times_are_refused(raw):
    with pytest.raises(ValueError, match="must be"):
        protocol.read_samples(raw, cpu_clock=True)
