"""How much is measured: for a glance, for a decision, for the last word."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Level:
    """How much is measured.

    At least `rounds` in each of `processes`, more of short networks (up to `most_rounds`, about
    `seconds` a network and process), in at most so many `schedules` until every candidate has
    enough quiet turns; `wish` is the half-width of the ratio's interval, as a share, that counts as
    RESOLVED. With `shared` a reference call counts for the candidates on either side of it.
    """

    name: str
    processes: int
    rounds: int
    most_rounds: int
    seconds: float
    wish: float
    schedules: int = 3
    shared: bool = False


SCREEN = Level("screen", processes=1, rounds=8, most_rounds=64, seconds=0.25, wish=0.05)
DECIDE = Level("decide", processes=5, rounds=8, most_rounds=64, seconds=0.25, wish=0.025)
CERTIFY = Level("certify", processes=5, rounds=8, most_rounds=64, seconds=0.5, wish=0.025)
BLOCKS = Level(
    "blocks",
    processes=1,
    rounds=5,
    most_rounds=16,
    seconds=0.05,
    wish=0.05,
    schedules=1,
    shared=True,
)
"""A network is the sum of some twenty blocks, whose errors cancel. On 195 blocks and 24 networks in
jit beside two busy processes, mean error over twenty ways to choose the calibration: 3.9 % by three
schedules of eight rounds (13.5 turns of each), 3.8 by five turns, 4.2 by four, 3.9 by four with
shared reference calls, 5.4 by three. Alone on the machine four gave 4.8 %, five 3.7: fewer than
five quiet turns are never enough to count alone."""

PROCESSES = (3, DECIDE.processes)
"""A network too near its limit is measured in so many processes, the one it was first measured in
among them: another process says more than the same one again, and three settle most cases."""

LONGER = 2
"""How many turns more all processes then take at most."""


def turns(first: Level | None) -> list[tuple[int, Level]]:
    """The turns that may settle a limit: processes left out of each, and its level.

    Without `first` the network is known from before.
    """
    used = first.processes if first else 0
    found = [replace(DECIDE, processes=number) for number in PROCESSES if number > used]
    found = [first, *found] if first else found
    left_out = [0, *(level.processes for level in found[:-1])]
    return [*zip(left_out, found, strict=True), *[(0, DECIDE)] * LONGER]


def rounds_for(turn_ns: float, level: Level) -> int:
    """As many rounds as the level's seconds hold, a candidate's turn taking `turn_ns`."""
    fitting = int(level.seconds * 1e9 / turn_ns) if turn_ns > 0 else level.most_rounds
    return max(level.rounds, min(level.most_rounds, fitting))
