"""The one file that holds a search."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from nas.errors import SettingsError
from nas.settings.compose import compose, sweep
from nas.settings.search_file import TEMPLATE, literal, read


def test_the_file_that_init_writes_is_the_default_search(tmp_path: Path) -> None:
    path = tmp_path / "search.yaml"
    path.write_text(TEMPLATE.format(name=path))
    written, default = compose([str(path)]), compose()
    # It names the limits that the default derives from the reference network.
    assert written.objective.latency_of == default.objective.reference
    assert written.objective.multiply_adds_of == default.objective.reference
    assert (written.space, written.data, written.target) == (
        default.space,
        default.data,
        default.target,
    )
    assert written.study == default.study


def test_every_line_that_the_file_offers_works_when_uncommented(tmp_path: Path) -> None:
    offered = re.findall(r"^# ([a-z_.]+: [^ ]+)(?: +#.*)?$", TEMPLATE, re.MULTILINE)
    assert {line.partition(":")[0] for line in offered} == {
        "data", "data.path", "objective.latency_ms", "objective.parameters", "study.hours",
    }  # fmt: skip
    path = tmp_path / "offered.yaml"
    path.write_text("\n".join(offered))
    settings = compose([str(path)])
    assert settings.data.name == "arrays"
    assert settings.objective.parameters == 1e6


def test_the_command_line_wins_over_the_file_whatever_their_order(tmp_path: Path) -> None:
    path = tmp_path / "search.yaml"
    path.write_text("study.trials: 5\nsampler: gp\nstudy: {seed: 4}\nspace.groups: [1, 2]\n")
    assert compose([str(path)]).study.trials == 5
    assert compose([str(path), "study.trials=6"]).study.trials == 6
    assert compose(["study.trials=6", str(path)]).study.trials == 6
    settings = compose([str(path), "sampler=qmc"])
    assert settings.sampler.name == "qmc"
    assert settings.study.seed == 4
    assert settings.space.groups == [1, 2]


def test_a_sweep_starts_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "search.yaml"
    path.write_text("study.trials: 5\n")
    assert sweep([str(path), "study.seed=1,2"]) == [
        ["study.trials=5", "study.seed=1"],
        ["study.trials=5", "study.seed=2"],
    ]


@pytest.mark.parametrize("content", ["a: [1\nb: 2", "- study.trials", "just words", "\0"])
def test_a_damaged_file_is_told_with_its_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "search.yaml"
    path.write_text(content)
    with pytest.raises(SettingsError, match=r"search\.yaml: must .+; got .+; allowed: "):
        read(path)


def test_a_file_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("study.trials: 5\n")
    with pytest.raises(SettingsError, match=r"must exist; got .+serach.yaml.+allowed: mine\.yaml"):
        read(tmp_path / "serach.yaml")


def test_a_mistake_in_a_file_is_told_like_one_on_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "search.yaml"
    path.write_text("study.trails: 5\n")
    with pytest.raises(SettingsError, match=r"study\.trails: is no setting"):
        compose([str(path)])


@pytest.mark.parametrize(
    "value",
    [r"a\b", r"a\\b", "it's", r"a\'b", "a\\", "a\\\\", "x'", "a,b", "#x: {y}", "\\'", "",
     3, 2.5, True, None, ["a b", "c'd"], [1, 2]],
)  # fmt: skip
def test_a_value_comes_through_hydras_grammar_unchanged(value: object) -> None:
    parsed = OverridesParser.create().parse_overrides([f"key={literal(value)}"])
    assert parsed[0].value() == value
