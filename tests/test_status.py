from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from reported import study
from rich.console import Console
from tiny import run

from nas.settings import Settings
from nas.settings.stored import write
from nas.sketch import Sign
from nas.status import status
from nas.study.folder import DriverLock
from nas.tables import study_table


def test_a_study_is_live_while_a_process_drives_it(tmp_path: Path) -> None:
    run(tmp_path / "one", proposals=6)
    write(Settings(), tmp_path / "one" / "settings.yaml")
    lock = DriverLock(tmp_path / "one")
    lock.acquire()
    (found,) = status(tmp_path, "one")
    assert found.state == "live"
    assert f"pid {os.getpid()}" in found.driver
    lock.release()
    (found,) = status(tmp_path, "one")
    assert (found.state, found.driver) == ("stopped", "")


def test_the_status_of_a_study_names_its_bottleneck(tmp_path: Path) -> None:
    run(tmp_path / "one", proposals=6)
    write(Settings(), tmp_path / "one" / "settings.yaml")
    (found,) = status(tmp_path, "one")
    # Counted, measured and trained by formulas that take microseconds: the stages are there.
    assert set(found.spent) <= {"counting", "measuring", "training"}
    slow = replace(found, spent={"training": 30.0, "measuring": 9.0, "counting": 1.0})
    console = Console(width=100)
    with console.capture() as captured:
        console.print(study_table(slow))
    assert "training, 75 % of the time of trials" in captured.get()


def test_a_study_whose_trials_took_no_time_has_no_bottleneck(tmp_path: Path) -> None:
    run(tmp_path / "one", proposals=6)
    write(Settings(), tmp_path / "one" / "settings.yaml")
    (found,) = status(tmp_path, "one")
    console = Console(width=100)
    with console.capture() as captured:
        # Seconds are kept to a tenth of a millisecond: look-ups in a table may be 0 each.
        console.print(study_table(replace(found, spent={"counting": 0.0, "training": 0.0})))
    assert "bottleneck" not in captured.get()
    assert "evaluated" in captured.get()


def test_the_plot_of_a_study_is_named_and_fits_80_columns(tmp_path: Path) -> None:
    study(tmp_path / "one", proposals=15)
    (found,) = status(tmp_path, "one")
    # With every sign there is: the longest legend.
    signs: tuple[Sign, ...] = ("best", "reference", "candidate", "infeasible")
    points = [replace(p, sign=s) for p, s in zip(found.points, signs, strict=False)]
    assert len(points) == len(signs)
    console = Console(width=80)
    with console.capture() as captured:
        console.print(study_table(replace(found, points=tuple(points))))
    lines = [line.rstrip() for line in captured.get().splitlines()]
    assert max(map(len, lines)) <= 80
    (caption,) = [n for n, line in enumerate(lines) if "validation accuracy by latency" in line]
    below = "\n".join(lines[caption:])
    for word in ("* best", "R reference", "o feasible", "x over a limit"):
        assert word in below  # broken by no end of a line
    plot = "".join(line.partition("|")[2] for line in lines[:caption])
    assert sorted(plot.replace(" ", "")) == sorted("*Rox")
