"""How much is measured: for a glance, for a decision, for the last word."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Level:
    """How much is measured.

    At least `rounds` in each of `processes`, more of short networks (up to `most_rounds`, about
    `seconds` a network and process); `wish` is the half-width of the ratio's interval, as a share,
    that counts as RESOLVED.
    """

    name: str
    processes: int
    rounds: int
    most_rounds: int
    seconds: float
    wish: float


SCREEN = Level("screen", processes=1, rounds=8, most_rounds=64, seconds=0.25, wish=0.05)
DECIDE = Level("decide", processes=5, rounds=8, most_rounds=64, seconds=0.25, wish=0.025)
CERTIFY = Level("certify", processes=5, rounds=8, most_rounds=64, seconds=0.5, wish=0.025)
BLOCKS = Level("blocks", processes=1, rounds=8, most_rounds=16, seconds=0.05, wish=0.05)


def rounds_for(turn_ns: float, level: Level) -> int:
    """As many rounds as the level's seconds hold, a candidate's turn taking `turn_ns`."""
    fitting = int(level.seconds * 1e9 / turn_ns) if turn_ns > 0 else level.most_rounds
    return max(level.rounds, min(level.most_rounds, fitting))
