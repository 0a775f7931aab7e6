"""What a table of blocks settles is not measured, everything else is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import nas
from nas.architecture import Architecture
from nas.cli import main
from nas.errors import SettingsError
from nas.latency.blocks import blocks_of
from nas.latency.decision import Bound
from nas.latency.instrument import Instrument
from nas.latency.table import Accuracy, BlockTable
from nas.latency.target import target_of
from nas.screening import CLOCK, Screen, screen_of
from nas.settings import Settings, TargetSettings

SHALLOW, MIDDLE, DEEP = (
    Architecture.from_text(f"in1x8x8+stem8-s1+shuffle_v2:16-s2-n{n}+head0+out10")
    for n in (2, 5, 30)
)
P90 = 0.1


@pytest.fixture(scope="module")
def instrument() -> Iterator[Instrument]:
    with Instrument(target_of(TargetSettings()), reference=MIDDLE) as instrument:
        yield instrument


def table(**changes: object) -> BlockTable:
    """Every block takes a tenth of the reference: SHALLOW 0.4, MIDDLE 0.7, DEEP 3.2 of it."""
    blocks = {block.key: 0.1 for one in (SHALLOW, DEEP) for block in blocks_of(one)}
    values = {
        "target": "t", "reference": MIDDLE.fingerprint, "reference_ms": 1.0, "overhead": 0.0,
        "blocks": blocks, "factors": {}, "estimates": {},
        "accuracy": Accuracy(10, 0.05, P90, 0.9, 0.9, 0.2), **changes,
    }  # fmt: skip
    return BlockTable(**values)  # type: ignore[arg-type]


def test_a_network_clearly_over_the_limit_is_not_measured(instrument: Instrument) -> None:
    # 3.2 is over 1.2 times the limit up to 3.2 / 1.2 = 2.67, and not beyond.
    screen = Screen(table(), instrument, MIDDLE, [Bound(ratio=2.6)])
    found = screen.measure(DEEP)
    assert (found.clock, found.rounds) == (CLOCK, 0)
    assert found.ratio == pytest.approx(3.2)
    assert screen.refused == 1
    unsure = Screen(table(), instrument, MIDDLE, [Bound(ratio=2.7)]).predict(DEEP)
    assert unsure is not None
    assert unsure.ratio_low < 2.7 < unsure.ratio_high


def test_everything_else_is_measured_and_tells_how_far_the_table_was_off(
    instrument: Instrument,
) -> None:
    screen = Screen(table(), instrument, MIDDLE, [Bound(ratio=100.0)])
    found = screen.measure(SHALLOW)
    assert found.rounds > 0
    assert screen.errors == [pytest.approx(abs(0.4 / found.ratio - 1))]
    assert "0 candidates refused on its prediction" in screen.report()
    assert f"off by {100 * screen.errors[0]:.1f} %" in screen.report()


def test_the_reference_is_measured_whatever_the_table_says(instrument: Instrument) -> None:
    screen = Screen(table(), instrument, MIDDLE, [Bound(ratio=1e-9)])
    assert screen.measure(MIDDLE).clock != CLOCK
    assert "none of the others" in screen.report()


def test_a_table_beside_another_reference_is_taken_in_proportion(instrument: Instrument) -> None:
    other = Screen(table(reference="another"), instrument, MIDDLE, [])
    found = other.predict(DEEP)
    assert found is not None
    assert found.ratio == pytest.approx(3.2 / 0.7)


def test_a_kind_of_block_that_the_table_lacks_is_measured(instrument: Instrument) -> None:
    screen = Screen(table(blocks={}), instrument, MIDDLE, [Bound(ratio=1e-9)])
    assert screen.predict(DEEP) is None
    assert screen.measure(SHALLOW).rounds > 0


def test_a_table_of_another_target_is_refused(instrument: Instrument, tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    table().write(path)
    settings = Settings(target=TargetSettings(table=str(path)))
    parts = SimpleNamespace(settings=settings, yardstick=MIDDLE, table=None)
    with pytest.raises(SettingsError, match=r"must be measured on the study's target.*got t;"):
        screen_of(parts, instrument)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="screens what would be measured"):
        screen_of(parts, None)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_study_screens_with_a_table_and_tells_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    # Few different blocks, so that not hundreds of them are exported and measured.
    few = [
        "space.groups=[2]", "space.widths=[24,116]", "space.expansions=[4]",
        "space.depths=[1,8]", "space.kernel_sizes=[3]",
    ]  # fmt: skip
    images = ["--input", "1x8x8", "--classes", "10"]
    assert main(["latency", "--table", "mixed", *images, *few, "--json"]) == 0
    path = json.loads(capsys.readouterr().out)["path"]
    found = nas.search(
        "training.epochs=1", "objective.latency_of=shufflenet_v2_x0_5", "study.name=first",
        "study.trials=2", "study.max_proposals=30", "sampler=random", "tracking=none",
        "study.sustained_seconds=0", "study.report=false", "evaluation.seeds=1",
        f"target.table={path}", *few,
    )  # fmt: skip
    for winner in found.winners:
        assert winner.outcome.latency is not None
        assert winner.outcome.latency.clock != CLOCK
    events = map(json.loads, Path("runs/first/log.jsonl").read_text().splitlines())
    notes = [event["message"] for event in events if event["event"] == "note"]
    assert any("candidates refused on its prediction, unmeasured" in note for note in notes)
