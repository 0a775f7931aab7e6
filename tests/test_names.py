"""Wherever a network is named: each way, and what is said when none or two fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nas.architecture import Architecture
from nas.errors import ArchitectureError, InputError, StudyError
from nas.names import load_object, locate, resolve
from nas.objective import Objective
from nas.outcome import Costs, Evaluation, Outcome
from nas.study.proposals import Proposal, distributions
from nas.study.storage import StudyStorage
from search_spaces import SEARCH_SPACES
from search_spaces.published import published

TINY = "in1x8x8+stem24-s1+shuffle_v2:48-s2-n4+head0+out10"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder with the study `first`: trial 0 is evaluated and feasible, trial 1 is better and
    not feasible."""
    from optuna.trial import TrialState

    space = SEARCH_SPACES["shufflenet_v2"](input=(1, 8, 8), classes=10)
    folder = tmp_path / "runs"
    storage = StudyStorage.create(folder / "first", Objective("constrained").directions, {})
    (folder / "first" / "settings.yaml").write_text("study: {trials: 2}\n")
    genes = [{gene.name: gene.options[pick] for gene in space.genes} for pick in (0, -1)]
    for number, (one, accuracy) in enumerate(zip(genes, (0.8, 0.9), strict=True)):
        architecture = space.decode(one)
        storage.propose(Proposal(one, {}), architecture, distributions(space.genes))
        outcome = Outcome(
            kind="evaluated",
            architecture=architecture,
            costs=Costs(1, 1, 1),
            evaluation=Evaluation(accuracy=accuracy, loss=0.0, seconds=0.0, seed=0),
            feasible=number == 0,
        )
        storage.write_outcome(number, outcome)
        storage.tell(number, TrialState.COMPLETE, [accuracy], float(number))
    storage.set("nas.best", [0])
    storage.close()
    return folder


def test_a_published_name_fits_any_images() -> None:
    name = "shufflenet_v2_x0_5"
    assert resolve(name) == published(name)
    small = resolve(name, input=(1, 8, 8), classes=10)
    assert small == published(name, input=(1, 8, 8), classes=10)


def test_a_text_form_is_its_network() -> None:
    assert resolve(TINY) == Architecture.from_text(TINY)


def test_a_json_file_is_its_network(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(Architecture.from_text(TINY).to_json()))
    assert resolve(str(path)) == Architecture.from_text(TINY)


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 99}', '{"format": 1}'])
def test_a_damaged_json_file_is_told_with_its_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(content)
    with pytest.raises(ArchitectureError, match=r"mine\.json.+; (got|'input'|allowed)"):
        resolve(str(path))


def test_a_trial_and_a_winner_of_a_study_are_networks(runs: Path) -> None:
    space = SEARCH_SPACES["shufflenet_v2"](input=(1, 8, 8), classes=10)
    least = space.decode({gene.name: gene.options[0] for gene in space.genes})
    most = space.decode({gene.name: gene.options[-1] for gene in space.genes})
    assert resolve("first:0", folder=runs) == least
    assert resolve("first:1", folder=runs) == most
    assert resolve("first", folder=runs) == least  # trial 1 breaks a limit


def test_a_trial_that_is_not_there_is_told(runs: Path) -> None:
    with pytest.raises(StudyError, match="got 7; allowed: 0 to 1"):
        resolve("first:7", folder=runs)


def test_a_file_of_the_users_own_gives_a_network(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from nas.architecture import Architecture\n"
        f"VALUE = Architecture.from_text({TINY!r})\n"
        "def make():\n    return VALUE\n"
        "def other():\n    return 3\n"
        "def broken():\n    raise RuntimeError('no')\n"
    )
    for name in ("VALUE", "make"):
        assert resolve(f"{path}:{name}") == Architecture.from_text(TINY)
    with pytest.raises(ArchitectureError, match=r"must be an Architecture here; got builtins\.int"):
        resolve(f"{path}:other")
    assert locate(f"{path}:other") == 3
    with pytest.raises(InputError, match="RuntimeError: no"):
        resolve(f"{path}:broken")
    with pytest.raises(InputError, match="got 'mak'; allowed: make"):
        resolve(f"{path}:mak")


def test_a_module_of_the_current_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_networks.py").write_text(
        f"from nas.architecture import Architecture\ntiny = Architecture.from_text({TINY!r})\n"
    )
    assert resolve("my_networks:tiny") == Architecture.from_text(TINY)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("nowhere.py:Name", r"nowhere\.py:Name: must name a Python file"),
        ("no.such.module:name", "ModuleNotFoundError"),
        ("mine", "must name an object"),
        ("json:loadz", "got 'loadz'; allowed: load, loads"),
    ],
)
def test_an_object_that_is_not_there_is_told(source: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        load_object(source)


def test_a_word_that_means_nothing_is_told_with_the_nearest(runs: Path) -> None:
    with pytest.raises(ArchitectureError, match="allowed: shufflenet_v2_x0_5, "):
        resolve("shuflenet_v2_x0_5", folder=runs)
    with pytest.raises(ArchitectureError, match="allowed: first, or STUDY"):
        resolve("firsst:3", folder=runs)


def test_a_word_that_means_two_networks_is_refused(runs: Path) -> None:
    (runs / "first").rename(runs / "mobilenext_x1_0")
    with pytest.raises(ArchitectureError, match=r"a study in .+ and a published name"):
        resolve("mobilenext_x1_0", folder=runs)
    assert resolve("mobilenext_x1_0:0", folder=runs)


def test_a_network_for_other_images_is_refused() -> None:
    with pytest.raises(ArchitectureError, match=r"images of \(1, 8, 8\); allowed: \(3, 8, 8\)"):
        resolve(TINY, input=(3, 8, 8), classes=10)
    with pytest.raises(ArchitectureError, match="classes: 10; allowed: 7"):
        resolve(TINY, input=(1, 8, 8), classes=7)
    assert resolve(TINY, input=(1, 8, 8), classes=10)
