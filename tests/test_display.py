"""What a running study shows: lines without a terminal, a live view on one."""

from __future__ import annotations

import io
import re
import time
from dataclasses import replace

import pytest
from rich.console import Console

from nas.architecture import Architecture
from nas.display import Display
from nas.events import Counts, StudyInfo, Waiting
from nas.final_table import search_table
from nas.outcome import Certificate, Costs, EpochResult, Evaluation, Latency, Outcome, TrialRecord
from nas.pace import Pace
from nas.progress import Progress, best_of, line_of, view
from nas.result import ClassScore, Difference, Finalist, SearchResult, SeedResult
from nas.tables import (
    amount,
    interval,
    milliseconds,
    percent,
    plain,
    span,
    times_reference,
)
from nas.terminal import console

TINY = Architecture.from_text("in1x8x8+stem24-s1+shuffle_v2:48-s2-n4+head0+out10")
INFO = StudyInfo(
    name="digits-mixed-001", folder="runs/digits-mixed-001", settings={}, goal="best accuracy",
    limits=("latency <= 5 ms",), target="here", data="digits", space="mixed", trials=4,
    resumed=False, command="nas search",
)  # fmt: skip


def latency(ms: float, ratio: float = 1.0, status: str = "RESOLVED") -> Latency:
    return Latency(
        ms=ms, low=0.95 * ms, high=1.05 * ms, ratio=ratio, ratio_low=ratio, ratio_high=ratio,
        statistic="median", clock="wall", status=status,  # type: ignore[arg-type]
        target="here", reference="x", reference_ms=ms / ratio, rounds=3, processes=1, seconds=1.0,
    )  # fmt: skip


def outcome(accuracy: float, ms: float = 4.0, *, feasible: bool = True) -> Outcome:
    return Outcome(
        kind="evaluated",
        architecture=TINY,
        costs=Costs(1_234_567, 89_012, 3),
        latency=latency(ms, ms / 5),
        evaluation=Evaluation(accuracy=accuracy, loss=0.1, seconds=1.0, seed=0),
        feasible=feasible,
    )


def trial(number: int, ended: Outcome | None) -> TrialRecord:
    return TrialRecord(number, {}, TINY, started=0.0, finished=1.0, outcome=ended)


REFUSED = Outcome(kind="refused", architecture=TINY, reason="latency <= 5 ms: exceeded by 12.0 %")


def told(terminal: Console) -> str:
    """Everything a display writes of a short study."""
    display = Display(terminal)
    display.started(INFO, [])
    display.stage(None, "training")
    display.reference_known("shufflenet_v2_x0_5", outcome(0.90, 5.0))
    display.trial_started(trial(0, None))
    display.stage(0, "measuring")
    display.epoch(0, EpochResult(epoch=3, accuracy=0.5, loss=1.0, seconds=0.1), 12)
    display.trial_finished(trial(0, outcome(0.92)), Counts(evaluated=1))
    display.trial_finished(trial(1, REFUSED), Counts(evaluated=1, refused=1))
    display.stopped("finished", "", Counts(evaluated=1, refused=1))
    return terminal.file.getvalue()  # type: ignore[attr-defined]  # a StringIO


def test_without_a_terminal_each_trial_is_one_line() -> None:
    shown = told(Console(file=io.StringIO(), width=80))
    lines = [line for line in shown.splitlines() if line.startswith("trial ")]
    assert len(lines) == 2
    assert lines[0].startswith(
        "trial 0: evaluated, 92.00 % validation, 4.00 ms, 1.23 M multiply-adds, "
        "0.80 x shufflenet_v2_x0_5; 1 of 4 evaluated; 0 refused, 0 repeated, 0 failed; "
        "best 92.00 % (trial 0)"
    )
    assert lines[1].startswith("trial 1: refused, latency <= 5 ms: exceeded by 12.0 %; 1 of 4")
    assert "1 refused, 0 repeated, 0 failed" in lines[1]
    assert "\x1b" not in shown


def test_without_a_terminal_the_start_tells_study_limits_and_target() -> None:
    shown = told(Console(file=io.StringIO(), width=80))
    assert shown.startswith("study digits-mixed-001 in runs/digits-mixed-001\n")
    assert "limit: latency <= 5 ms\n" in shown
    assert "target: here\n" in shown
    assert "reference shufflenet_v2_x0_5: 90.00 % validation, 5.00 ms" in shown


def test_a_lost_device_is_told_once_and_its_return_too() -> None:
    sheet = Console(file=io.StringIO(), width=80)
    display = Display(sheet)
    display.started(INFO, [])
    display.stage(3, "measuring")
    waiting = Waiting(since=time.time() - 65, tries=3, pause=5.0, reason="Connection refused")
    display.device_lost(waiting)
    display.device_lost(replace(waiting, tries=4, pause=10.0))
    assert display.progress is not None
    assert "(4 tries, the next in 10 s): Connection refused" in display.progress.now
    display.device_back(waiting)
    assert display.progress.now == "trial 3: measuring"
    shown = sheet.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(waiting.since))
    assert shown.count("waiting for the device since") == 1
    assert f"since {since} (3 tries" in shown
    assert "the device answers again, after 1 min 0" in shown


def test_on_a_terminal_the_view_is_redrawn_and_the_cursor_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    shown = told(Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None))
    assert "\x1b[2K" in shown  # lines are cleared to be written again
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
    assert "trial 0: training, epoch 3 of 12, 50.00 %" in shown or "trial 0: measuring" in shown


def test_no_colour_where_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    shown = told(Console(file=io.StringIO(), width=80, force_terminal=True))
    assert "\x1b[38" not in shown
    assert "\x1b[3" not in shown


def paced(seconds: float) -> Pace:
    """One candidate after another, each in so many seconds."""
    pace = Pace()
    for number in range(3):
        pace.epoch(number, EpochResult(1, accuracy=0.5, loss=1.0, seconds=0.1), 1, seconds * number)
        pace.finished(trial(number, outcome(0.9)), seconds * number)
    return pace


def test_the_view_fits_80_columns_and_holds_what_matters() -> None:
    progress = Progress(
        INFO, since=0.0, pace=paced(30.0),
        counts=Counts(evaluated=2, refused=7, repeated=1, failed=3),
        reference=("shufflenet_v2_x0_5", outcome(0.90, 5.0)), best=(17, outcome(0.925)),
        now="trial 18: training, epoch 3 of 12, 50.00 %",
    )  # fmt: skip
    sheet = Console(file=io.StringIO(), width=80)
    sheet.print(view(progress, now=60.0))
    shown = sheet.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert max(map(len, shown.splitlines())) <= 80
    flowing = " ".join(shown.split())
    for part in (
        "limits latency <= 5 ms",
        "trial 18: training, epoch 3 of 12",
        "trial 17: 92.50 % (+2.50 points)",
        "shufflenet_v2_x0_5: 90.00 %",
        "2 of 4 evaluated; 7 refused, 1 repeated, 3 failed",
        "about 1 min 00 s left",
    ):
        assert part in flowing


def test_two_workers_have_a_line_each_and_the_next_candidate_one() -> None:
    display = Display(Console(file=io.StringIO(), width=80))
    display.started(INFO, [])
    for number in (3, 4, 5):
        display.trial_started(trial(number, None))
    display.epoch(3, EpochResult(epoch=2, accuracy=0.25, loss=1.0, seconds=0.1), 12)
    display.stage(4, "training")
    display.stage(5, "waiting")
    assert display.progress is not None
    sheet = Console(file=io.StringIO(), width=80)
    sheet.print(view(display.progress, now=1.0))
    lines = [line.strip() for line in sheet.file.getvalue().splitlines()]  # type: ignore[attr-defined]  # a StringIO
    first = next(n for n, line in enumerate(lines) if line.startswith("now "))
    assert lines[first].split("  ")[-1].strip() == "trial 3: training, epoch 2 of 12, 25.00 %"
    assert lines[first + 1 : first + 3] == ["trial 4: training", "trial 5: waiting"]


def test_a_resumed_study_counts_what_it_has() -> None:
    sheet = Console(file=io.StringIO(), width=80)
    display = Display(sheet)
    past = [trial(0, outcome(0.91)), trial(1, REFUSED)]
    display.started(replace(INFO, resumed=True), past)
    display.trial_finished(trial(2, outcome(0.90)), Counts(evaluated=2, refused=1))
    shown = sheet.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert "going on with 2 trials" in shown
    assert "best 91.00 % (trial 0)" in shown


def test_the_best_is_feasible_then_accurate_then_fast() -> None:
    assert best_of(None, [trial(0, outcome(0.99, feasible=False))]) is None
    best = best_of(None, [trial(0, outcome(0.9, 4.0)), trial(1, outcome(0.9, 3.0))])
    assert best is not None
    assert best[0] == 1
    better = best_of(best, [trial(2, outcome(0.91, 5.0)), trial(3, REFUSED)])
    assert better is not None
    assert better[0] == 2


def test_a_reader_that_goes_away_ends_the_display_alone() -> None:
    class Gone(io.StringIO):
        def flush(self) -> None:
            raise BrokenPipeError

    out = console()
    out.file = Gone()
    display = Display(out)
    display.started(INFO, [])
    display.trial_finished(trial(0, outcome(0.92)), Counts(evaluated=1))
    display.stopped("finished", "", Counts(evaluated=1))


def test_a_failed_and_a_repeated_trial_tell_why() -> None:
    progress = Progress(INFO, since=0.0)
    for kind in ("failed", "repeated"):
        ended = Outcome(kind=kind, architecture=TINY, reason="so it was")  # type: ignore[arg-type]
        assert line_of(trial(4, ended), progress, 1.0).startswith(f"trial 4: {kind}, so it was; ")


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (percent(0.9725), "97.25 %"),
        (percent(None), "-"),
        (milliseconds(latency(0.0812)), "0.0812 ms"),
        (milliseconds(latency(123.4)), "123 ms"),
        (interval(latency(5.0)), "5.00 (4.75-5.25)"),
        (interval(latency(5.0, status="UNRESOLVED")), "5.00 (4.75-5.25) *"),
        (amount(2_470_528), "2.47 M"),
        (amount(999_999), "1.00 M"),
        (amount(41_300_000_000), "41.3 G"),
        (amount(7), "7"),
        (span(0.25), "0.25 s"),
        (span(59.6), "1 min 00 s"),
        (span(3725), "1 h 02 min"),
    ],
)
def test_numbers_have_the_digits_they_deserve(shown: str, expected: str) -> None:
    assert shown == expected


def result() -> SearchResult:
    best = Finalist("trial 17", 17, outcome(0.925), 0.93)
    return SearchResult(
        study="s", folder="runs/s", counts=Counts(evaluated=4), reason="finished", message="",
        winners=(best, replace(best, name="trial 1234")),
        reference=Finalist("shufflenet_v2_x0_5", None, outcome(0.90, 5.0), 0.91),
        baseline=0.9496, noise=0.011, seconds=60.0,
    )  # fmt: skip


def test_the_final_table_says_which_training_began_with_given_weights() -> None:
    def began(finalist: Finalist, *loaded: str) -> Finalist:
        found = finalist.outcome
        assert found.evaluation is not None
        known = {"init": "weights.pth", "loaded": list(loaded), "left": []}
        evaluation = replace(found.evaluation, conditions=known)
        return replace(finalist, outcome=replace(found, evaluation=evaluation))

    found = result()
    assert found.reference is not None
    winners = (began(found.winners[0], "stem", "units.3"), began(found.winners[1]))
    changed = replace(found, winners=winners, reference=began(found.reference, "stem"))
    sheet = Console(file=io.StringIO(), width=200)
    sheet.print(search_table(changed))
    shown = sheet.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    rows = [re.split(r"  +", line)[0].strip() for line in shown.splitlines()]
    assert {"trial 17", "trial 1234, from scratch", "shufflenet_v2_x0_5, fine-tuned"} <= set(rows)
    taken = "trial 17 stem, units.3; trial 1234 nothing; shufflenet_v2_x0_5 stem"
    assert f"taken from weights.pth: {taken}" in [line.strip() for line in shown.splitlines()]


def test_the_final_table_fits_80_columns_and_cuts_no_text_form() -> None:
    long = Architecture.from_text(
        "in3x224x224+stem24-s2-pool+shuffle_v1:240-s2-n4-g3+shuffle_v1:480-s2-n8-g3-k5"
        "+shuffle_v1:960-s2-n4-g3+head1024-drop0.2+out1000"
    )
    found = result()
    winner = replace(found.winners[0], outcome=replace(found.winners[0].outcome, architecture=long))
    sheet = Console(file=io.StringIO(), width=80)
    sheet.print(search_table(replace(found, winners=(winner,))), crop=False)
    shown = sheet.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert f"  {long.text}\n" in shown
    others = [line for line in shown.splitlines() if long.text not in line]
    assert max(len(line.rstrip()) for line in others) <= 80
    assert "..." not in shown
    assert "…" not in shown
    row = next(line for line in shown.splitlines() if line.startswith("trial 17 "))
    assert row.split() == ["trial", "17", "92.50", "93.00", "4.00", "(3.80-4.20)", "1.23", "M",
                           "89.0", "k"]  # fmt: skip


def certificate(ms: float, verdict: str = "kept") -> Certificate:
    return Certificate(
        name="x", latency=replace(latency(ms, ms / 5), processes=5), p50_ms=ms, p95_ms=1.5 * ms,
        p99_ms=123.4, cold_ms=9.876, sustained_ms=1.1 * ms, sustained_ratio=1.0, verdict=verdict,
        within=verdict != "broken", sustained_seconds=5.0,
    )  # fmt: skip


def certified(finalist: Finalist, ms: float, verdict: str = "kept") -> Finalist:
    found = replace(finalist.outcome, certificate=certificate(ms, verdict))
    return replace(finalist, outcome=found)


def test_what_was_certified_stands_beside_what_the_search_measured() -> None:
    found = result()
    assert found.reference is not None
    found = replace(
        found,
        winners=(certified(found.winners[0], 4.2, "unresolved"), found.winners[1]),
        reference=certified(found.reference, 5.2),
        broken=(replace(certified(found.winners[0], 6.1, "broken"), name="trial 12"),),
    )
    sheet = Console(file=io.StringIO(), width=80)
    sheet.print(search_table(found), crop=False)
    shown = sheet.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    lines = [line for line in shown.splitlines() if TINY.text not in line]
    assert max(len(line.rstrip()) for line in lines) <= 80
    assert "…" not in shown
    rows = [line.split() for line in lines]
    # half = sqrt(1.05 / 0.95) - 1 = 5.1 %
    assert ["trial", "17", "4.00", "4.20", "±5.1%", "?", "4.20", "6.30", "123", "9.88",
            "4.62"] in rows  # fmt: skip
    assert ["shufflenet_v2_x0_5", "5.00", "5.20", "±5.1%", "5.20", "7.80", "123", "9.88",
            "5.72"] in rows  # fmt: skip
    assert ["trial", "1234", "4.00", *["-"] * 6] in rows
    flowing = " ".join(shown.split())
    assert "5 fresh processes" in flowing
    assert "at the end of 5 s" in flowing
    assert "trial 12 is no winner: certified at 6.10 (5.79-6.41) ms, over its limit" in flowing
    assert "0.81 x its latency" in flowing  # of what was certified: 4.2 / 5.2
    assert "under load takes" not in flowing


def test_a_winner_that_breaks_its_limit_under_load_is_told() -> None:
    found = result()
    winner = certified(found.winners[0], 4.2)
    hot = replace(certificate(4.2), sustained_within=False)
    winner = replace(winner, outcome=replace(winner.outcome, certificate=hot))
    sheet = Console(file=io.StringIO(), width=80)
    sheet.print(search_table(replace(found, winners=(winner,))), crop=False)
    shown = sheet.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert "trial 17 under load takes 4.62 ms, over its limit\n" in shown


def test_a_limit_that_no_measuring_settles_is_explained_below_the_certificates() -> None:
    found = result()
    one = certificate(4.2, "unresolved")
    known = {"beyond_measuring": True, "invocations_differ": 0.089}
    one = replace(one, latency=replace(one.latency, conditions=known))
    winner = replace(found.winners[0], outcome=replace(found.winners[0].outcome, certificate=one))
    sheet = Console(file=io.StringIO(), width=80)
    sheet.print(search_table(replace(found, winners=(winner,))))
    flowing = " ".join(sheet.file.getvalue().split())  # type: ignore[attr-defined]
    assert "the end of its interval does not: milliseconds of two invocations differ" in flowing
    assert "by up to 8.9 % here, which measuring longer does not narrow" in flowing


def test_a_95th_percentile_is_called_one() -> None:
    found = result()
    one = replace(found.winners[0].outcome, latency=replace(latency(4.0), statistic="p95"))
    sheet = Console(file=io.StringIO(), width=80)
    sheet.print(search_table(replace(found, winners=(replace(found.winners[0], outcome=one),))))
    assert "p95 latency, ms (95 %)" in sheet.file.getvalue()  # type: ignore[attr-defined]


def test_the_final_table_says_how_to_read_it() -> None:
    sheet = Console(file=io.StringIO(), width=200)
    sheet.print(search_table(result()))
    shown = sheet.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert "logistic regression on the same images: test 94.96 %" in shown
    assert "trial 17 against shufflenet_v2_x0_5: +2.50 points" in shown
    assert "0.80 x its latency" in shown
    assert "+-1.1 points" in shown


def other_yardstick(ms: float, ratio: float) -> Latency:
    return replace(latency(ms, ratio), reference="another network's fingerprint")


def test_a_ratio_to_another_network_is_not_shown_as_one_to_the_reference() -> None:
    # The limit names another network: 4 ms is 0.5 of that one's 8 ms, and 0.8 of the reference.
    best, reference = outcome(0.925), outcome(0.90)
    best = replace(best, latency=other_yardstick(4.0, 0.5))
    reference = replace(reference, latency=other_yardstick(5.0, 0.625))
    assert times_reference(best.latency, reference) == pytest.approx(0.8)
    progress = Progress(INFO, since=0.0, reference=("mine", reference), best=(3, best))
    assert "0.80 x mine; " in line_of(trial(3, best), progress, 1.0)
    sheet = Console(file=io.StringIO(), width=200)
    sheet.print(view(progress, now=1.0))
    found = replace(result(), winners=(Finalist("trial 3", 3, best, None),))
    sheet.print(search_table(replace(found, reference=Finalist("mine", None, reference, None))))
    shown = sheet.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert "0.80 x mine" in shown
    assert "0.80 x its latency" in shown
    assert "0.50 x" not in shown


def test_a_ratio_that_was_measured_is_shown_as_it_was_measured() -> None:
    reference = outcome(0.90, 5.0)
    beside = replace(latency(4.0, 0.77), reference=reference.architecture.fingerprint)
    assert times_reference(beside, reference) == 0.77


def test_latencies_of_a_table_have_no_ratio() -> None:
    looked_up = replace(outcome(0.92), latency=replace(latency(4.0), clock="table"))
    progress = Progress(INFO, since=0.0, reference=("mine", looked_up), best=(0, looked_up))
    sheet = Console(file=io.StringIO(), width=200)
    sheet.print(view(progress, now=1.0))
    sheet.print(line_of(trial(0, looked_up), progress, 1.0))
    one = Finalist("trial 0", 0, looked_up, None)
    sheet.print(search_table(replace(result(), winners=(one,), reference=one)))
    shown = sheet.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert " x mine" not in shown
    assert "x its latency" not in shown


def test_no_winner_is_said_in_words() -> None:
    sheet = Console(file=io.StringIO(), width=200)
    sheet.print(search_table(replace(result(), winners=())))
    shown = sheet.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert "no evaluated network keeps the limits" in shown


def test_json_has_no_number_that_json_has_not() -> None:
    value = plain({"a": float("nan"), "b": (1.5, float("inf")), "c": result().counts})
    assert value["a"] is None
    assert value["b"] == [1.5, None]
    assert value["c"] == {"evaluated": 4, "refused": 0, "repeated": 0, "failed": 0}


def test_the_final_table_shows_seeds_ties_classes_and_what_costs_alone_would_give() -> None:
    found = result()
    seeds = (SeedResult(0, 0.92, 0.94), SeedResult(1, 0.93, 0.92), SeedResult(2, 0.94, 0.93))
    classes = (ClassScore("cat", 9, 1.0, 0.75, 0.9), ClassScore("dog", 9, 1.0, 0.5, 0.7))
    winner = replace(found.winners[0], seeds=seeds, classes=classes, test_accuracy=0.93)
    slowest = replace(winner, name="slowest: trial 3", seeds=seeds[:1], test_accuracy=0.94)
    shown = replace(
        found,
        winners=(winner,),
        by_costs=(slowest,),
        difference=Difference(0.011, -0.002, 0.024),
        warnings=("validation and test images rank the finalists differently",),
        metric="macro_f1",
    )
    sheet = Console(file=io.StringIO(), width=200)
    sheet.print(search_table(shown))
    text = sheet.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    # 0.92, 0.93 and 0.94: mean 0.93, deviation 0.01.
    assert "mean and deviation of 3 seeds: trial 17 93.00 +- 1.00 %" in text
    row = next(line for line in text.splitlines() if line.startswith("slowest: trial 3"))
    assert row.split()[3:5] == ["92.00", "94.00"]
    # Both columns hold the mean of the seeds; the search's own training was chosen for its luck.
    best = next(line for line in text.splitlines() if line.startswith("trial 17 "))
    assert best.split()[2:4] == ["93.00", "93.00"]
    # 4 ms against 5 ms: in a tie the faster goes first.
    assert (
        "trial 17 has +1.10 points against shufflenet_v2_x0_5 (95 %: -0.20 to +2.40): a tie, and "
        "trial 17 is the faster one" in text
    )
    assert "weakest class of trial 17: dog, recall 50.00 %" in text
    assert "valid. and test are macro f1" in text
    assert "rank the finalists differently" in text
