"""How long a measurement goes on: no longer than its quiet turns need."""

from nas.latency.measuring import _missing
from nas.latency.protocol import FEWEST_QUIET, Group, Sample


def turns(quiet, busy):
    def one(time):
        group = Group((time,), 0, 0, (time,))
        return Sample("a", group, (group, group), group)

    return [*[one(100.0)] * quiet, *[one(150.0)] * busy]


def test_a_network_with_enough_quiet_turns_is_not_run_again():
    assert _missing(turns(FEWEST_QUIET, 20), "a", 100.0) == 0


def test_where_most_turns_are_quiet_a_few_more_are_run():
    # one of 8 is missing and 7 of 8 are quiet: ceil(1 / 0.875)
    assert _missing(turns(FEWEST_QUIET - 1, 1), "a", 100.0) == 2


def test_where_few_turns_are_quiet_no_more_than_a_whole_schedule_is_run():
    assert _missing(turns(1, 7), "a", 100.0) == FEWEST_QUIET
    assert _missing([], "a", 100.0) == FEWEST_QUIET
