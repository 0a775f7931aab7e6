from nas.latency.levels import DECIDE, SCREEN, turns


def test_a_close_case_is_measured_in_more_processes_before_in_the_same_ones_longer():
    plan = [(left_out, level.processes) for left_out, level in turns(SCREEN)]
    assert plan == [(0, 1), (1, 3), (3, 5), (0, 5), (0, 5)]
    assert [level.name for _, level in turns(SCREEN)] == ["screen", *["decide"] * 4]


def test_a_network_that_is_known_or_was_measured_in_all_processes_begins_there():
    assert [(a, b.processes) for a, b in turns(None)] == [(0, 3), (3, 5), (0, 5), (0, 5)]
    assert [(a, b.processes) for a, b in turns(DECIDE)] == [(0, 5)] * 3
