from __future__ import annotations

from pathlib import Path

import pytest

from nas.dry_run import DRAWS, dry_run
from nas.settings.compose import compose


@pytest.mark.slow
def test_a_dry_run_resolves_draws_probes_and_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = dry_run(compose(["study.trials=10", "training.epochs=2"]))
    assert found.draws == DRAWS
    assert 0 < found.kept < DRAWS
    assert found.advice == ""
    assert found.limits == found.checked
    assert "shufflenet_v2_x0_5" in found.limits[0]
    # Ten trainings and the proposals around them take longer than ten trainings alone.
    assert found.hours * 3600 > 10 * found.seconds_per_candidate * 0.5
    assert found.seconds_per_candidate > 0
    assert found.disk_mb > 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_limit_nobody_keeps_is_told_with_how_far_and_what_to_relax(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = dry_run(compose(["objective.multiply_adds=1000", "training.epochs=1"]))
    assert found.kept == 0
    assert "multiply-adds <= 1,000: kept by none of 100 draws" in found.advice
    assert "objective.multiply_adds=" in found.advice
