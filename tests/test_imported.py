"""A study that begins with another one's trials, on a table; test_session.py has a trained one."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from table_of_tiny import overrides, write_table
from tiny import CONSTRAINED, Tiny, examiner, formula

from nas.architecture import Architecture
from nas.composition import Parts, compose_parts
from nas.errors import SettingsError
from nas.imported import Imported, answering, read_imported, read_source, take_over
from nas.outcome import Evaluation, Latency, Outcome, TrialRecord
from nas.result import SearchResult
from nas.session import resume, start
from nas.settings.compose import compose
from nas.study.storage import StudyStorage

OLD = ("study.trials=6", "sampler=random", "study.report=false", "objective.multiply_adds=700")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the study `one` in it, limited to 700, and its table."""
    folder = tmp_path_factory.mktemp("source")
    table = write_table(folder / "tiny.json")
    begin(*overrides(table, *OLD, f"study.folder={folder}/runs"))
    return folder / "runs"


@pytest.fixture
def folder(runs: Path, tmp_path: Path) -> Path:
    """The same, for one test."""
    return shutil.copytree(runs, tmp_path / "runs")


def begin(*words: str) -> SearchResult:
    return start(compose(words), command="test")


def new(folder: Path, *words: str) -> SearchResult:
    return begin("study.source=one", f"study.folder={folder}", "study.name=two", *words)


def trials(folder: Path, name: str) -> list[TrialRecord]:
    storage = StudyStorage.open(folder / name)
    try:
        return storage.records()
    finally:
        storage.close()


def kinds(folder: Path, name: str) -> list[str]:
    return [t.outcome.kind if t.outcome else "running" for t in trials(folder, name)]


def test_trials_are_told_again_under_another_limit_and_count(folder: Path) -> None:
    # A tighter limit on the same settings, which need not be given again.
    found = new(folder, "objective.multiply_adds=500", "study.trials=1")
    old = [
        t for t in trials(folder, "one") if t.outcome and t.outcome.kind in ("evaluated", "refused")
    ]
    again = trials(folder, "two")
    assert [t.genes for t in again[: len(old)]] == [t.genes for t in old]
    for before, now in zip(old, again, strict=False):
        assert before.outcome is not None
        assert now.outcome is not None
        assert now.outcome.costs == before.outcome.costs
        assert before.outcome.costs is not None
        size = before.outcome.costs.multiply_adds
        assert now.outcome.violations == {"multiply_adds": pytest.approx(math.log(size / 500))}
        assert now.outcome.kind == ("evaluated" if size <= 500 else "refused")
        if now.outcome.kind == "evaluated":
            assert now.outcome.evaluation is not None
            assert before.outcome.evaluation is not None
            assert now.outcome.evaluation.accuracy == before.outcome.evaluation.accuracy
            assert now.outcome.evaluation.conditions["source"] == "one"
    kept = [t for t in again[: len(old)] if t.outcome and t.outcome.kind == "evaluated"]
    assert 0 < len(kept) < 6
    assert found.counts.evaluated == len(kept)


@pytest.mark.slow
def test_all_are_told_again_whatever_the_budget(folder: Path) -> None:
    found = new(folder, "study.trials=1")
    assert found.counts.evaluated == 6
    assert kinds(folder, "two").count("refused") == kinds(folder, "one").count("refused")


@pytest.mark.slow
def test_what_the_new_limit_allows_and_was_never_trained_is_left_to_the_sampler(
    folder: Path,
) -> None:
    # study.trials=6 comes with the settings, and what was taken over counts.
    new(folder, "objective.multiply_adds=1e6")
    assert "refused" in kinds(folder, "one")
    assert kinds(folder, "two") == ["evaluated"] * 6


@pytest.mark.slow
def test_accuracies_of_other_images_are_not_taken_over(folder: Path) -> None:
    # Another table is another set of images: every accuracy is 0.1 lower.
    table = folder.parent / "tiny.json"
    rows = json.loads(source(folder).read_text())
    for row in rows["rows"].values():
        row["accuracy"] -= 0.1
    table.write_text(json.dumps(rows))
    new(folder, f"evaluation.path={table}", "study.trials=1")
    taken = read_imported(folder / "two")
    assert taken is not None
    assert taken.evaluations == {}
    assert "No accuracy was taken over, for the images differ" in taken.note
    assert '"message": "from one: 0 of 6' in (folder / "two" / "log.jsonl").read_text()
    for trial in trials(folder, "two"):
        if trial.outcome and trial.outcome.evaluation:
            assert trial.outcome.evaluation.accuracy == pytest.approx(
                formula(trial.architecture) - 0.1
            )


def source(folder: Path) -> Path:
    from nas.settings.stored import read

    return Path(read(folder / "one" / "settings.yaml").evaluation.path or "")


def test_another_training_is_named_and_its_accuracies_left(folder: Path) -> None:
    settings = compose(["study.source=one", f"study.folder={folder}", "training.epochs=99"])
    found = read_source(settings)
    assert found is not None
    assert found.resolved(settings) is None
    taken = take_over(found, compose_parts(settings))
    assert taken.evaluations == {}
    assert "training.epochs was 10, now 99" in taken.note


@pytest.mark.slow
def test_a_study_killed_while_it_takes_over_goes_on_without_its_source(folder: Path) -> None:
    limit = ("objective.multiply_adds=500", "study.trials=1")
    new(folder, *limit)
    whole = [(t.genes, t.outcome and t.outcome.kind) for t in trials(folder, "two")]
    shutil.rmtree(folder / "two")

    class Pulled:
        """A listener that pulls the plug at the fourth trial."""

        def __getattr__(self, name: str) -> object:
            return lambda *_: None

        def trial_finished(self, trial: TrialRecord, counts: object) -> None:
            if trial.number == 3:
                raise KeyboardInterrupt

    words = ("study.source=one", f"study.folder={folder}", "study.name=two", *limit)
    with pytest.raises(KeyboardInterrupt):
        start(compose(words), command="test", listeners=[Pulled()])  # type: ignore[list-item]
    assert len(trials(folder, "two")) == 4
    shutil.rmtree(folder / "one")
    resume("two", folder=folder, command="test")
    assert [(t.genes, t.outcome and t.outcome.kind) for t in trials(folder, "two")] == whole


def test_a_limit_by_number_takes_the_place_of_one_by_network(folder: Path) -> None:
    stored = folder / "one" / "settings.yaml"
    text = stored.read_text().replace("latency_of: null", "latency_of: shufflenet_v2_x0_5")
    stored.write_text(text)
    found = compose(["study.source=one", f"study.folder={folder}", "objective.latency_ms=3"])
    assert found.objective.latency_ms == 3
    assert found.objective.latency_of is None
    assert found.study.name is None
    assert found.study.source == "one"


def test_a_source_that_is_not_there_is_told_with_the_nearest_name(folder: Path) -> None:
    with pytest.raises(SettingsError, match=r"study\.source: .+ got 'onee'; allowed: one"):
        compose(["study.source=onee", f"study.folder={folder}"])


def test_nothing_whose_accuracy_is_known_is_trained() -> None:
    architecture = Tiny().decode({g.name: g.options[0] for g in Tiny().genes})
    other = Tiny().decode({g.name: g.options[-1] for g in Tiny().genes})
    known = Evaluation(0.9, 0.0, 1.0, 0)
    trained: list[str] = []

    def evaluate(architecture: Architecture, genes: object, report: object) -> Evaluation:
        trained.append(architecture.fingerprint)
        return Evaluation(0.5, 0.0, 1.0, 0)

    imported = Imported("one", (), {architecture.fingerprint: known}, "")
    plain = replace(examiner(CONSTRAINED), evaluate=evaluate)
    found = answering(plain, imported, None)
    assert found.evaluate(architecture, {"a": 1}, lambda *_: None) == known
    assert found.evaluate(other, {"a": 1}, lambda *_: None).accuracy == 0.5
    assert trained == [other.fingerprint]


LATENCY = Latency(
    ms=4.0, low=3.8, high=4.2, ratio=0.8, ratio_low=0.76, ratio_high=0.84, statistic="median",
    clock="wall", status="RESOLVED", target="table", reference="", reference_ms=5.0, rounds=9,
    processes=3, seconds=1.0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("limit", "latency", "taken"),
    [
        (3.0, LATENCY, True),
        (5.0, LATENCY, False),  # it keeps the new limit: it would have to be trained
        (4.0, LATENCY, False),  # it may keep it: it would have to be measured further
        (3.0, replace(LATENCY, target="local/other"), False),
        (3.0, replace(LATENCY, reference="another"), False),
        (3.0, replace(LATENCY, statistic="p95"), False),
        (3.0, replace(LATENCY, clock="block table"), False),
        (3.0, None, False),
    ],
)
def test_a_refusal_is_taken_over_only_where_what_was_measured_says_so_here(
    folder: Path, limit: float, latency: Latency | None, taken: bool
) -> None:
    settings = compose(["study.source=one", f"study.folder={folder}", "objective.latency_ms=5"])
    parts: Parts = compose_parts(
        replace(
            settings,
            objective=replace(settings.objective, latency_ms=limit, multiply_adds=1e9),
        ),
        resolved={},
    )
    parts = replace(parts, target="table", yardstick=None)
    found = read_source(settings)
    assert found is not None
    one = next(r for r in found.records if r.outcome and r.outcome.kind == "refused")
    assert one.outcome is not None
    outcome: Outcome = replace(one.outcome, latency=latency)
    only = replace(found, records=(replace(one, outcome=outcome),), before=None)
    assert take_over(only, parts).genes == ((one.genes,) if taken else ())
