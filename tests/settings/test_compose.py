"""Overrides to settings: what is composed, and what is said about what cannot be."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hydra.core.global_hydra import GlobalHydra

from nas.errors import SettingsError
from nas.settings import (
    EVALUATIONS,
    EXECUTIONS,
    OBJECTIVES,
    RUNTIMES,
    SAMPLERS,
    SPACES,
    Settings,
)
from nas.settings.compose import compose, conf_folder, override, sweep, text
from nas.settings.keys import keys
from nas.settings.search_file import literal
from nas.settings.stored import flat

FOUR_PARTS = re.compile(r".+: .+; got .+; allowed: .+", re.DOTALL)


def refusal(*overrides: str, config_dir: Path | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        compose(overrides, config_dir=config_dir)
    return str(caught.value)


def test_no_override_gives_the_default_search() -> None:
    settings = compose()
    assert settings.data.name == "digits"
    assert settings.space.name == "mixed"
    assert settings.target.runtime == "onnxruntime"
    assert settings.target.threads == 1
    assert settings.target.batch_size == 1
    assert settings.objective.name == "constrained"
    assert settings.objective.reference == "shufflenet_v2_x0_5"
    assert settings.space.start_from is None
    assert settings.study.trials == 20


def test_settings_come_back_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        compose().study.trials = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("group", "names"),
    [
        ("space", SPACES),
        ("target", RUNTIMES),
        ("objective", OBJECTIVES),
        ("evaluation", EVALUATIONS),
        ("sampler", SAMPLERS),
        ("execution", EXECUTIONS),
    ],
)
def test_every_known_name_has_its_option_file_and_no_other(
    group: str, names: tuple[str, ...]
) -> None:
    assert sorted(p.stem for p in (conf_folder() / group).glob("*.yaml")) == sorted(names)
    for name in names:
        section = getattr(compose([f"{group}={name}", "evaluation.path=table.json"]), group)
        assert name in (getattr(section, "name", None), getattr(section, "runtime", None))


def test_every_option_that_ships_composes() -> None:
    groups: dict[str, list[str]] = {}
    for path in sorted(conf_folder().glob("*/*.yaml")):
        groups.setdefault(path.parent.name, []).append(path.stem)
    for number in range(max(map(len, groups.values()))):
        picks = [f"{name}={options[number % len(options)]}" for name, options in groups.items()]
        assert compose([*picks, "data.path=a.npz", "evaluation.path=a.json"]) is not None, picks


def test_every_value_can_be_overridden() -> None:
    other = {
        "space.name": "mobilenext", "space.source": "mine.py:Space", "space.kinds": ["shuffle_v2"],
        "space.start_from": ["mobilenext_x1_0"], "data.name": "folder", "data.path": "images",
        "data.height": 3, "data.width": 3, "data.channels": 3, "evaluation.seconds": 0.125,
        "data.labels": "l.npy", "data.files": "photos", "data.subset": "plain",
        "target.runtime": "eager", "target.device": "cpu", "target.memory_format": "channels_last",
        "target.dtype": "bfloat16", "target.host": "board", "target.ssh_options": ["-p", "2222"],
        "target.python": "python3.11", "target.command": ["measure"], "target.table": "t.json",
        "target.scheduler": "tcp://a:1",
        "objective.name": "pareto", "objective.reference": "mobilenext_x1_0",
        "objective.quantities": ["accuracy", "parameters"],
        "objective.latency_statistic": "p95",
        "evaluation.name": "table", "evaluation.path": "t.json", "training.device": "cpu",
        "training.memory_format": "contiguous", "training.init": "w.safetensors",
        "sampler.name": "gp", "study.name": "mine",
        "study.folder": "elsewhere", "tracking.uri": "sqlite:////tmp/a.db",
        "execution.name": "processes",
    }  # fmt: skip
    for number, key in enumerate(("groups", "depths", "kernel_sizes", "resolutions")):
        other[f"space.{key}"] = [number + 1]
    for key in ("widths", "expansions"):
        other[f"space.{key}"] = [0.25]
    default, wanted = compose(), {}
    for key, old in flat(default).items():
        if key == "study.source":
            continue  # the settings of another study, which is not there
        new = (not old) if isinstance(old, bool) else 0.125 if isinstance(old, float) else 3
        wanted[key] = other.get(key, f"{key}_network" if key.endswith("_of") else new)
        section, _, name = key.partition(".")
        try:
            replace(getattr(default, section), **{name: wanted[key]})
        except (SettingsError, TypeError):
            # A list, one of few names, or of use beside another setting only: it can be typed.
            wanted[key] = other.get(key, old)
    # A limit is a number or a network, so each of the two comes in a composition of its own.
    for leave_out in ("_of", ("_ms", ".multiply_adds", ".parameters")):
        these = {key: value for key, value in wanted.items() if not key.endswith(leave_out)}
        settings = flat(compose([f"{key}={literal(value)}" for key, value in these.items()]))
        assert {key: settings[key] for key in these} == these


def test_an_experiment_sets_values_and_options_and_the_command_line_wins() -> None:
    settings = compose(["experiment=front"])
    assert (settings.objective.name, settings.sampler.name) == ("pareto", "hamming_gp")
    assert compose(["experiment=front", "sampler=random"]).sampler.name == "random"
    assert compose(["experiment=front", "study.trials=2"]).study.trials == 2


def test_a_text_form_needs_no_quotes() -> None:
    form = "in1x8x8+stem24-s1+shuffle_v2:48-s2-n4+head1024-drop0.2+out10"
    assert compose([f"objective.reference={form}"]).objective.reference == form


def test_a_users_folder_adds_options_and_groups(tmp_path: Path) -> None:
    folder = tmp_path / "it's (mine), with blanks"
    (folder / "space").mkdir(parents=True)
    (folder / "space" / "small.yaml").write_text("name: mixed\nkinds: [shuffle_v2]\n")
    (folder / "mine").mkdir()
    (folder / "mine" / "long.yaml").write_text("# @package _global_\nstudy: {trials: 99}\n")
    settings = compose(["space=small", "mine=long", "sampler=gp"], config_dir=folder)
    assert settings.space.kinds == ["shuffle_v2"]
    assert settings.study.trials == 99
    assert settings.sampler.name == "gp"
    assert compose().space.kinds is None  # and only there


def test_the_printed_configuration_is_the_composed_one() -> None:
    printed = yaml.safe_load(text(["study.trials=7", "sampler=gp"]))
    assert printed == compose(["study.trials=7", "sampler=gp"]).to_json()


def test_a_program_around_us_keeps_its_own_hydra(tmp_path: Path) -> None:
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir

    (tmp_path / "theirs.yaml").write_text("answer: 42\n")
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        assert compose(["study.trials=3"]).study.trials == 3
        assert hydra_compose("theirs").answer == 42
    assert not GlobalHydra.instance().is_initialized()


@pytest.mark.parametrize(
    ("line", "where", "first"),
    [
        ("spaec=mixed", "spaec", "space"),
        ("space=mixd", "space", "mixed"),
        ("sampler=tpee", "sampler", "tpe"),
        ("data=digit", "data", "digits"),
        ("experiment=fornt", "experiment", "front"),
        ("study.trails=3", "study.trails", "study.trials"),
        ("+study.trails=3", "study.trails", "study.trials"),
        ("trials=3", "trials", "study.trials"),
        ("space.name=mobilnext", "space.name", "mobilenext"),
        ("target.runtime=onnx", "target.runtime", "onnxruntime"),
        ("space._target_=nas.Foo", "space._target_", "space."),
        ("study.trials=abc", "study.trials", "a whole number"),
        ("study.trials=2.5", "study.trials", "a whole number"),
        ("study.trials=null", "study.trials", "a whole number"),
        ("tracking.enabled=perhaps", "tracking.enabled", "true or false"),
        ("space.kinds=shuffle_v2", "space.kinds", "a list"),
        ("space.widths=[wide]", "space.widths[0]", "a list such as [0.5"),
        ("objective.latency_ms=0", "objective.latency_ms", "a finite number above 0"),
        ("objective.latency_ms=nan", "objective.latency_ms", "a finite number above 0"),
        ("training.epochs=-1", "training.epochs", "from 1 on"),
        ("target.retry_seconds=0", "target.retry_seconds", "a finite number above 0"),
        ("study.sustained_seconds=-1", "study.sustained_seconds", "from 0 on"),
        ("study.name=a/b", "study.name", "digits-mixed-001"),
        ("data=arrays", "data.path", "data.path=images.npz"),
        ("study.hours=???", "study.hours", "study.hours=VALUE"),
        ("study.name=${nothing}", "study.name", "the name of another setting"),
        ("study.seed=0,1", "study.seed", "--multirun"),
        ("study={trials: 3}", "study", "default"),
        ("study.trials", "study.trials", "for example study.trials=40"),
        ("=3", "=3", "for example study.trials=40"),
        ("~study.trials", "~study.trials", "GROUP=OPTION"),
        ("hydra.run.dir=x", "hydra.run.dir=x", "GROUP=OPTION"),
        ("space.kinds=[shuffle_v2", "space.kinds", "quotes around"),
        ("data.path=a(1).npz", "data.path", "quotes around"),
    ],
)
def test_a_mistake_is_told_in_four_parts_the_nearest_first(
    line: str, where: str, first: str
) -> None:
    told = refusal(line)
    assert FOUR_PARTS.fullmatch(told), told
    assert told.startswith(f"{where}: "), told
    assert told.rpartition("allowed: ")[2].startswith(first), told
    assert "hydra" not in told.replace("hydra.run.dir", "").lower()


def test_what_a_message_advises_works() -> None:
    (advised,) = re.findall(r'as in "(.+?)", or', refusal("data.path=a(1), it's.npz"))
    assert compose([advised]).data.path == "a(1), it's.npz"


def test_the_size_of_images_is_told_to_follow_from_data() -> None:
    assert "follows from data" in refusal("space.input=[3,8,8]")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("kindss: [shuffle_v2]", "space/mine.yaml, space.kindss: is no setting"),
        ("_target_: nas.Foo", "space/mine.yaml, space._target_: is no setting"),
        ("kinds: 3", "space/mine.yaml, space.kinds: is of another type"),
        ("- a\n- b", "space/mine.yaml"),
        ("a: [1\nb: 2", "mine.yaml"),
    ],
)
def test_a_mistake_in_a_users_file_names_the_file(
    tmp_path: Path, content: str, expected: str
) -> None:
    (tmp_path / "space").mkdir()
    (tmp_path / "space" / "mine.yaml").write_text(content)
    told = refusal("space=mine", config_dir=tmp_path)
    assert expected in told
    assert FOUR_PARTS.fullmatch(told), told


def test_a_config_dir_that_is_none_is_refused(tmp_path: Path) -> None:
    assert "--config-dir: must be a folder" in refusal(config_dir=tmp_path / "nothing")


def test_a_sweep_is_all_combinations_in_order() -> None:
    assert sweep(["study.seed=0,1", "data=digits", "sampler=tpe,gp"]) == [
        ["study.seed=0", "data=digits", "sampler=tpe"],
        ["study.seed=0", "data=digits", "sampler=gp"],
        ["study.seed=1", "data=digits", "sampler=tpe"],
        ["study.seed=1", "data=digits", "sampler=gp"],
    ]


def test_a_sweep_takes_ranges_and_globs() -> None:
    assert sweep(["study.seed=range(0,3)"]) == [[f"study.seed={n}"] for n in range(3)]
    assert sweep(["sampler=glob(nsga*)"]) == [["sampler=nsga2"], ["sampler=nsga3"]]
    with pytest.raises(SettingsError, match="sampler: has no such option"):
        sweep(["sampler=glob(x*)"])
    with pytest.raises(SettingsError, match="can be listed"):
        sweep(["study.hours=interval(0,1)"])


def test_an_override_of_stored_settings_keeps_the_rest() -> None:
    stored = compose(["study.trials=7", "data.seed=3"])
    later = override(stored, ["study.trials=9", "tracking=none"])
    assert later.study.trials == 9
    assert not later.tracking.enabled
    assert later.data.seed == 3
    with pytest.raises(SettingsError, match=r"study\.trails"):
        override(stored, ["study.trails=9"])
    with pytest.raises(SettingsError, match="another type"):
        override(stored, ["study.trials=x"])
    with pytest.raises(SettingsError, match="experiment: cannot be chosen"):
        override(stored, ["experiment=quick"])


def test_every_setting_has_a_type_that_messages_can_name() -> None:
    from nas.settings.keys import phrase

    for key, kind in keys().items():
        if "." in key:
            assert phrase(kind) != "a value", key
    assert len(keys()) > len(dataclasses.fields(Settings))
