"""The command as it is typed: what it prints, how it ends, what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hearing import hearing

from nas.cli import main, parser
from nas.settings.compose import compose
from search_spaces import SEARCH_SPACES

SPACE = '''
import time
from nas import Architecture, Gene, SearchSpace

class Space(SearchSpace):
    """Depth and width of one stage."""

    name = "mine"
    pause = 0.0

    def __init__(self, *, input=(1, 8, 8), classes=10):
        super().__init__(input=input, classes=classes)

    @property
    def genes(self):
        return (Gene("depth", (1, 2, 3, 4)), Gene("width", (16, 24, 32)))

    def decode(self, genes):
        time.sleep(self.pause)
        self.validate(genes)
        stage = f"shuffle_v2:{genes['width']}-s2-n{genes['depth']}"
        return Architecture.from_text(f"in1x8x8+stem8-s1+{stage}+head0+out10")

    def encode(self, architecture):
        return {"depth": len(architecture.units), "width": architecture.units[0].out_channels}

class Slow(Space):
    pause = 0.3
'''
ROWS = {
    f"{depth}/{width}": {
        "accuracy": 0.5 + depth / 20 + width / 200,
        "multiply_adds": 100 * depth * width,
        "parameters": 10 * depth * width,
        "latency_ms": depth * width / 100,
    }
    for depth in (1, 2, 3, 4)
    for width in (16, 24, 32)
}
FAST = [
    "space.source=mine.py:Space", "space.start_from=[]", "evaluation=table",
    "evaluation.path=table.json", "objective.latency_ms=0.9", "sampler=random", "tracking=none",
]  # fmt: skip
"""A search that looks everything up: 10 of the 12 networks keep the limit."""

SLOW = ["space.source=mine.py:Slow", *FAST[1:], "study.trials=10"]


def fill(folder: Path) -> Path:
    (folder / "mine.py").write_text(SPACE)
    table = {"format": 1, "key": "genes", "rows": ROWS}
    (folder / "table.json").write_text(json.dumps(table))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder but for the fast search's two files."""
    return fill(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished study `first` of three candidates."""
    folder = fill(tmp_path_factory.mktemp("finished"))
    done = nas("search", *FAST, "study.trials=3", "study.name=first", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "printed").write_text(done.stdout)
    return folder


def nas(
    *words: str, cwd: Path, before: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    """The real command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "nas.cli", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        preexec_fn=before,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "80"},
        check=False,
    )


def main_in(folder: Path, *words: str) -> int:
    """The command in this process."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        return main(words)
    finally:
        os.chdir(before)


def test_a_search_tells_each_trial_and_ends_with_a_table_and_what_to_type(finished: Path) -> None:
    printed = (finished / "printed").read_text()
    assert len(re.findall(r"^trial \d+: evaluated, ", printed, re.MULTILINE)) == 3
    assert "3 of 3 evaluated" in printed
    for column in ("valid. %", "test %", "latency, ms (95 %)", "FLOPs", "params"):
        assert column in printed
    assert len(re.findall(r"^  in1x8x8\+stem8-s1\+\S+\+out10$", printed, re.MULTILINE)) == 3
    next_ = printed.partition("\nnext\n")[2]
    # It was not tracked (tracking=none): MLflow has nothing to show yet.
    assert re.findall(r"^  (nas \S+)", next_, re.MULTILINE) == ["nas track", "nas resume"]
    assert "\x1b" not in printed


def test_the_best_network_comes_first(finished: Path) -> None:
    printed = (finished / "printed").read_text()
    table = re.findall(r"^trial (\d+) +(\d+\.\d\d)  ", printed, re.MULTILINE)
    accuracies = [float(accuracy) for _, accuracy in table]
    assert accuracies == sorted(accuracies, reverse=True)
    assert len(table) == 3


def test_nothing_is_written_outside_the_folder_of_runs(finished: Path) -> None:
    assert sorted(p.name for p in finished.iterdir()) == [
        "mine.py",
        "printed",
        "runs",
        "table.json",
    ]
    assert [p.name for p in (finished / "runs").iterdir()] == ["first"]


def test_what_it_says_to_type_next_works(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = (finished / "printed").read_text()
    (line,) = re.findall(r"^  (nas resume .+?)  +\S", printed, re.MULTILINE)
    assert main_in(finished, *shlex.split(line)[1:]) == 0
    went_on = capsys.readouterr().out
    assert "6 of 6 evaluated" in went_on
    assert "going on with" in went_on


def test_status_tells_of_all_studies_and_of_one(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main_in(finished, "status") == 0
    shown = capsys.readouterr().out
    assert re.search(r"^first +finished +(\d+)/\1 +\d\d\.\d\d %", shown, re.MULTILINE)
    assert main_in(finished, "status", "first") == 0
    shown = capsys.readouterr().out
    assert "latency <= 0.9 ms" in shown
    assert "nas resume first study.trials=" in shown
    (study,) = status_of(finished, capsys)
    assert study["name"] == "first"
    assert study["best"]["feasible"] is True


def status_of(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert main_in(folder, "status", "--json") == 0
    value: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return value


def test_json_is_all_there_is_on_standard_output(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main_in(folder, "search", *FAST, "study.trials=2", "--json") == 0
    shown = capsys.readouterr()
    value = json.loads(shown.out)
    assert value["counts"]["evaluated"] == 2
    assert value["winners"][0]["outcome"]["evaluation"]["accuracy"] > 0.5
    assert "trial 0: evaluated" in shown.err


def test_the_same_command_twice_is_two_studies(folder: Path) -> None:
    for _ in range(2):
        assert main_in(folder, "search", *FAST, "study.trials=1") == 0
    names = sorted(p.name for p in (folder / "runs").iterdir())
    assert names == ["table-mine-001", "table-mine-002"]


USAGE = [
    (["search", "sampler=tpee"], "sampler: has no such option; got 'tpee'; allowed: tpe"),
    (["search", "study.trails=3"], "study.trails: is no setting; got 'trails'; allowed: study.tri"),
    (["search", "data=digit"], "data: has no such option; got 'digit'; allowed: digits"),
    (["search", "space=mixd"], "space: has no such option; got 'mixd'; allowed: mixed"),
    (["search", "objective.latency_ms=0"], "objective.latency_ms: is out of range; got 0.0"),
    (["search", "training.epochs=-1"], "training.epochs: is out of range; got -1; allowed: from 1"),
    (["search", "--config-dir", "none"], "--config-dir: must be a folder; got 'none'"),
    (["search", "none.yaml"], "search file: must exist; got 'none.yaml'"),
    (["search", "--jsn"], "has no such argument; got '--jsn'; allowed: --json"),
    (["serach"], "must be followed by a verb; got 'serach'; allowed: search"),
    (["search", "-m", "sampler=gp,tpee"], "sampler: has no such option; got 'tpee'"),
    (["search", "objective.reference=shufflenet_v2_x0_6"], "got 'shufflenet_v2_x0_6'; allowed: "),
    (["resume"], "nas resume: takes one study; got none"),
    (["status", "study.trials=3"], "takes no settings but study.folder; got 'study.trials=3'"),
    (["latency"], "nas latency: takes one network or more; got none"),
    (["latency", "shufflenet_v2_x0_5", "--input", "8x8"], "--input: must be CHANNELSxHEIGHTxWIDTH"),
    (["init", "search.txt"], "nas init: the file of a search ends in .yaml; got 'search.txt'"),
    (["search", "data=arrays"], "data.path: data=arrays reads a file; got None; allowed: "),
]  # fmt: skip
FAILURES = [
    (["search", "data=arrays", "data.path=none.npz"], "data.path: no such file; got 'none.npz'"),
    (["search", "data=arrays", "data.path=table.json"], "damaged or something else"),
    (["search", "evaluation=table", "evaluation.path=mine.py"], "mine.py"),
    (["search", "evaluation=table", "evaluation.path=none.json"], "none.json"),
    (["search", *FAST, "study.folder=table.json/runs"], "must be a folder that can be written"),
    (["resume", "none"], "study none: must be one of the studies in runs"),
    (["status", "none"], "study none: must be one of the studies in runs"),
    (["ui"], "must be there before it can be shown; got none"),
]


@pytest.mark.parametrize(
    ("words", "told", "status"),
    [(*case, 2) for case in USAGE] + [(*case, 1) for case in FAILURES],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_message_without_a_traceback(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str, status: int
) -> None:
    assert main_in(folder, *words) == status
    out, err = capsys.readouterr()
    assert told in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    if status == 2:
        assert "; got " in err
        assert "; allowed: " in err
    assert out == ""
    assert not (folder / "runs").exists()


def test_a_process_that_fails_ends_as_the_function_says(folder: Path) -> None:
    assert nas("search", "sampler=tpee", cwd=folder).returncode == 2
    failed = nas("resume", "none", cwd=folder)
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert failed.stderr.startswith("error: study none")


def test_debug_shows_where_an_error_comes_from(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main_in(folder, "search", "sampler=tpee", "--debug") == 2
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "nas.errors.SettingsError: sampler: has no such option" in err


def test_a_study_name_that_exists_is_refused_and_the_study_kept(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (finished / "runs" / "first" / "study.db").read_bytes()
    assert main_in(finished, "search", *FAST, "study.name=first") == 1
    err = capsys.readouterr().err
    assert "a new study needs a new name; got 'first'" in err
    assert "nas resume first" in err
    assert (finished / "runs" / "first" / "study.db").read_bytes() == before


def test_a_resume_that_alters_what_a_trial_means_is_refused(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main_in(finished, "resume", "first", "study.seed=7", "objective.latency_ms=2") == 2
    err = capsys.readouterr().err
    assert "study.seed: 0 -> 7" in err
    assert "objective.latency_ms: 0.9 -> 2.0" in err


def test_a_disk_that_fills_up_loses_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main_in(folder, "search", *FAST, "study.trials=1", "study.name=full") == 0
    size = (folder / "runs" / "full" / "study.db").stat().st_size

    def no_larger_files() -> None:
        # Past the limit a write fails like on a full disk (Python ignores the signal).
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 8192, size + 8192))

    stopped = nas("resume", "full", "study.trials=8", cwd=folder, before=no_larger_files)
    assert stopped.returncode == 1
    assert "Traceback" not in stopped.stderr
    assert "study full" in stopped.stderr
    assert "nas resume full" in stopped.stderr
    assert main_in(folder, "resume", "full", "study.trials=8") == 0
    assert "8 of 8 evaluated" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, 129, marks=pytest.mark.slow),
    ],
)
def test_a_signal_stops_the_study_and_tells_how_to_go_on(
    folder: Path, capsys: pytest.CaptureFixture[str], number: signal.Signals, status: int
) -> None:
    with running("search", *SLOW, "study.name=first", cwd=folder) as process:
        wait_for_a_trial(process)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert "nas resume first" in out
    assert "Traceback" not in err
    assert status_of(folder, capsys)[0]["state"] == "stopped"


def running(*words: str, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "nas.cli", *words],
        cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=hearing,
    )  # fmt: skip


def wait_for_a_trial(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("trial 0"):
            return
    raise AssertionError(process.communicate())


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_the_display_and_not_the_study(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running("search", *SLOW, "study.trials=3", "study.name=first", cwd=folder) as process:
        wait_for_a_trial(process)
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        err = process.stderr.read()
        status = process.wait(60)
    assert status == 141
    assert err == ""
    assert status_of(folder, capsys)[0]["counts"]["evaluated"] == 3


def test_a_sweep_runs_the_others_when_one_fails(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*FAST, "study.trials=1", "study.name=first,second,third", "--multirun"]
    assert main_in(finished, "search", *words) == 1
    shown = capsys.readouterr()
    assert "study 1 of 3 failed: study.name: a new study needs a new name" in shown.err
    summary = shown.out.rpartition("overrides")[2]
    assert re.search(r"^failed ", summary, re.MULTILINE)
    assert re.search(r"^second .+\n(.+\n)*third ", summary, re.MULTILINE)
    for name in ("second", "third"):
        assert (finished / "runs" / name / "study.db").is_file()


@pytest.mark.parametrize("raised", [OSError("no room"), MemoryError()])
def test_a_sweep_goes_on_after_an_error_of_the_system(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    raised: Exception,
) -> None:
    import nas.session

    start = nas.session.start

    def once(settings: Any, **more: Any) -> Any:
        if settings.study.name == "first":
            raise raised
        return start(settings, **more)

    monkeypatch.setattr(nas.session, "start", once)
    words = [*FAST, "study.trials=1", "study.name=first,second", "--multirun"]
    assert main_in(folder, "search", *words) == 1
    shown = capsys.readouterr()
    assert f"study 1 of 2 failed: {str(raised) or 'MemoryError'}" in shown.err
    assert (folder / "runs" / "second" / "study.db").is_file()


def test_a_resume_that_is_refused_changes_no_setting(
    finished: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = (finished / "runs" / "first" / "settings.yaml").read_bytes()
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main_in(finished, "resume", "first", "study.trials=4", "execution=dask") == 2
    assert "need the extra dask" in capsys.readouterr().err
    assert (finished / "runs" / "first" / "settings.yaml").read_bytes() == settings


def next_of(printed: str, verb: str) -> list[list[str]]:
    """The commands of a verb below `next`, as words."""
    lines = re.findall(rf"^  (nas {verb}.*?)(?:  .*)?$", printed.rpartition("\nnext\n")[2], re.M)
    return [shlex.split(line)[1:] for line in lines]


@pytest.mark.parametrize(
    ("stop", "override"),
    [
        (["study.max_proposals=2", "study.trials=9"], "study.max_proposals=4"),
        # Nine candidates of at least 0.2 s each, at most two at a time, outlast 0.36 s.
        (["study.hours=1e-4", "study.trials=9", "evaluation.seconds=0.2"], "study.hours=0.0002"),
    ],
)
def test_a_study_whose_budget_is_used_up_is_told_a_larger_one(
    folder: Path, capsys: pytest.CaptureFixture[str], stop: list[str], override: str
) -> None:
    assert main_in(folder, "search", *FAST, *stop, "study.name=short") == 0
    assert next_of(capsys.readouterr().out, "resume") == [["resume", "short", override]]
    assert main_in(folder, "status", "short") == 0
    assert next_of(capsys.readouterr().out, "resume") == [["resume", "short", override]]


def test_a_space_that_is_exhausted_is_not_searched_on(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main_in(folder, "search", *FAST, "study.trials=500", "study.name=all") == 0
    printed = capsys.readouterr().out
    assert "every one of the space's 12 combinations" in printed
    assert next_of(printed, "resume") == []
    assert main_in(folder, "status", "all") == 0
    assert next_of(capsys.readouterr().out, "resume") == []


def test_a_study_that_was_not_tracked_is_written_into_mlflow_afterwards(
    finished: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from mlflow.tracking import MlflowClient

    capsys.readouterr()
    assert main_in(finished, "status", "first") == 0
    shown = capsys.readouterr().out
    assert next_of(shown, "ui") == []
    assert next_of(shown, "track") == [["track", "first"]]
    uri = f"sqlite:///{tmp_path / 'mine.db'}"
    (study,) = [one for one in status_of(finished, capsys) if one["name"] == "first"]
    assert main_in(finished, "track", "first", "--to", uri, "--json") == 0
    done = json.loads(capsys.readouterr().out)
    trials = sum(study["counts"].values())
    assert (done["written"], done["whole"]) == (trials + 1, 0)
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("table-mine")
    assert experiment is not None
    accuracies = {
        run.data.tags["nas.trial"]: run.data.metrics["accuracy"]
        for run in client.search_runs([experiment.experiment_id])
        if run.data.tags.get("nas.outcome") == "evaluated"
    }
    assert len(accuracies) == study["counts"]["evaluated"]
    assert max(accuracies.values()) == study["best"]["evaluation"]["accuracy"]
    assert main_in(finished, "track", "first", "--to", uri) == 0
    again = capsys.readouterr().out
    assert re.search(rf"^there already +{trials + 1} runs", again, re.MULTILINE)
    assert next_of(again, "ui") == [["ui", "first", "--uri", uri]]
    assert main_in(finished, "track") == 2


def test_what_went_wrong_beside_the_study_is_told_below_the_table(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "mlflow.db").write_text("no database")
    words = [*FAST[:-1], f"tracking.uri=sqlite:///{folder}/mlflow.db", "study.trials=1"]
    assert main_in(folder, "search", *words, "study.name=first") == 0
    printed = capsys.readouterr().out
    problems = re.findall(r"^beside the study: tracking, .+$", printed, re.MULTILINE)
    assert problems
    assert printed.index("FLOPs are multiply-adds") < printed.index(problems[0])


def test_cfg_prints_the_settings_and_runs_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main_in(folder, "search", *FAST, "--cfg", "job") == 0
    # evaluation=table has no path by itself, so this is the composed whole.
    assert yaml.safe_load(capsys.readouterr().out) == compose(FAST).to_json()
    assert not (folder / "runs").exists()


def test_init_writes_a_file_that_search_runs_and_never_overwrites(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main_in(folder, "init") == 0
    assert "nas search search.yaml --dry-run" in capsys.readouterr().out
    with (folder / "search.yaml").open("a") as file:
        file.write("".join(f"{word.replace('=', ': ', 1)}\n" for word in FAST))
    words = ["objective.latency_of=null", "objective.multiply_adds_of=null", "study.trials=2"]
    assert main_in(folder, "search", "search.yaml", *words) == 0
    assert "2 of 2 evaluated" in capsys.readouterr().out
    before = (folder / "search.yaml").read_text()
    assert main_in(folder, "init") == 2
    assert "got 'search.yaml', which exists" in capsys.readouterr().err
    assert (folder / "search.yaml").read_text() == before


def test_flags_and_overrides_come_in_any_order(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main_in(folder, "search", "--cfg", "job", "study.trials=3", "-cd", ".", "data.seed=4") == 0
    )
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["study"]["trials"] == 3
    assert printed["data"]["seed"] == 4


def test_help_names_every_verb_and_each_verb_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    shown = capsys.readouterr().out
    verbs = [
        "search", "resume", "status", "track", "ui", "space", "networks", "latency", "guidelines",
        "init",
    ]  # fmt: skip
    for verb in verbs:
        assert re.search(rf"^    {verb}\s+\S", shown, re.MULTILINE)
        with pytest.raises(SystemExit) as caught:
            main([verb, "--help"])
        assert caught.value.code == 0
    capsys.readouterr()
    actions = [a for a in parser()._actions if a.dest == "verb"]
    assert set(verbs) <= set(actions[0].choices or ())


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the ranges of the small space were counted once."""
    folder = fill(tmp_path_factory.mktemp("counted"))
    assert main_in(folder, "space", "mine.py:Space", *FAST[1:]) == 0
    return folder


def test_space_tells_genes_size_and_ranges_and_counts_once(
    counted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from nas.costs import count
    from nas.user_file import load

    started = time.process_time()
    assert main_in(counted, "space", "mine.py:Space", *FAST[1:], "--json") == 0
    again = time.process_time() - started
    value = json.loads(capsys.readouterr().out)
    space = load(f"{counted / 'mine.py'}:Space")()
    assert value["size"] == space.size == 12
    assert {g["name"]: tuple(g["options"]) for g in value["genes"]} == {
        gene.name: gene.options for gene in space.genes
    }
    # The oracle counts all 12 networks; 1,000 draws miss none of them.
    costs = [
        count(space.decode({"depth": depth, "width": width})).multiply_adds
        for depth in (1, 2, 3, 4)
        for width in (16, 24, 32)
    ]
    assert value["multiply_adds"]["least"] == min(costs)
    assert value["multiply_adds"]["most"] == max(costs)
    assert again < 5  # 1,000 networks are not counted again


def test_networks_tells_the_layers_of_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    form = "in1x8x8+stem8-s1+shuffle_v2:16-s2-n2+head0+out10"
    assert main_in(folder, "networks", form, "--json") == 0
    value = json.loads(capsys.readouterr().out)
    for cost in ("multiply_adds", "parameters", "memory_access"):
        amounts = [layer[cost] for layer in value["layers"]]
        assert all(type(amount) is int for amount in (value[cost], *amounts))
        assert sum(amounts) == value[cost]
    # The stem sees 3 pixels, the depthwise convolutions 3 + 2 and, at jump 2, 5 + 4 of them.
    assert {3, 5, 9} <= {layer["receptive_field"] for layer in value["layers"]}
    assert main_in(folder, "networks", form) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^stem.conv +8x8x8 +3 +1 .* 3 *$", printed, re.MULTILINE)
    assert "nas latency in1x8x8" in printed


def test_networks_tells_of_a_published_one_what_is_printed_where_and_by_which_rule(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main_in(folder, "networks", "shufflenet_v1_g3_x0_5") == 0
    printed = " ".join(capsys.readouterr().out.split())
    # Zhang et al. 2018, Table 8: 15.2 ms on a Snapdragon 820; released code: 38 M and 0.7 M.
    assert "source released code of ShuffleNet v1" in printed
    assert "printed 38 M multiply-adds with classifier, 0.7 M parameters, top-1 err" in printed
    # 37,589,856 / 38 M - 1.
    assert "difference -1.08 % in multiply-adds why 37.59 M are printed as 38" in printed
    assert "15.2 ms at 224x224, Snapdragon 820, 1 thread (Zhang et al. 2018" in printed
    assert main_in(folder, "networks", "shufflenet_v1_g4_x0_25", "--json") == 0
    entry = json.loads(capsys.readouterr().out)["published"]
    assert entry["status"] == "reconstructed"
    assert entry["classifier_counted"] is False
    # What a paper prints is for 224x224 and 1,000 classes.
    small = ["--input", "1x8x8", "--classes", "10"]
    assert main_in(folder, "networks", "shufflenet_v1_g4_x0_25", *small, "--json") == 0
    entry = json.loads(capsys.readouterr().out)["published"]
    assert entry["difference_percent"] is None
    assert entry["printed_multiply_adds"] == 13_000_000


def test_every_space_that_ships_starts_from_its_own_networks() -> None:
    from nas.names import resolve

    for name, space in SEARCH_SPACES.items():
        made = space(input=(1, 8, 8), classes=10)
        starts = space.starts
        assert starts, name
        for start in starts:
            architecture = resolve(start, input=(1, 8, 8), classes=10)
            assert made.decode(made.encode(architecture)) == architecture


@pytest.mark.slow
def test_networks_tells_what_is_printed_what_is_counted_and_what_was_guessed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main_in(folder, "networks", "--json") == 0
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    # Zhang et al. 2018, Table 1: 137 M without the classifier of 960 x 1,000.
    v1 = found["shufflenet_v1_g3_x1_0"]
    assert v1["multiply_adds"] == 137_460_672
    assert v1["printed_multiply_adds"] == 137_000_000
    assert v1["classifier_counted"] is False
    assert v1["compared_multiply_adds"] == 136_500_672
    assert v1["difference_percent"] == pytest.approx(100 * (136_500_672 / 137e6 - 1))
    assert {one["status"] for one in found.values()} == {
        "published", "reconstructed", "not_buildable"
    }  # fmt: skip
    for one in found.values():
        assert one["source"]
        assert {type(one[cost]) for cost in ("multiply_adds", "parameters")} <= {int, type(None)}
        assert one["status"] == "published" or one["reason"], one["name"]
        assert (one["multiply_adds"] is None) == (one["status"] == "not_buildable"), one["name"]
    assert found["alexnet"]["multiply_adds"] > 600e6
    assert main_in(folder, "networks") == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert found.keys() <= {line.split()[0] for line in lines if line.strip()}  # no name is folded
    (row,) = (line.split() for line in lines if line.startswith("shufflenet_v1_g1_x0_5 "))
    # 38,517,408 - 288 x 1,000 of the classifier is 0.6 % above 38 M.
    assert row[1:] == ["38.5M", "38M", "+0.6", "533k", "-", "45.1", "rc"]


def test_networks_shows_a_plain_reference_and_says_why_another_cannot_be_built(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main_in(folder, "networks", "alexnet", "--input", "3x64x64", "--json") == 0
    layers = json.loads(capsys.readouterr().out)["layers"]
    # Krizhevsky et al. 2012, sec. 3.5: 96 kernels of 11x11 at stride 4.
    assert (layers[0]["kernel_size"], layers[0]["stride"], layers[0]["output"][0]) == (11, 4, 96)
    assert main_in(folder, "networks", "resnext_38m") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "not buildable" in said
    assert "the cardinality of 16 does not divide" in said
    assert "source Zhang et al. 2018" in said
    assert main_in(folder, "networks", "resnext_38m", "--json") == 0
    assert json.loads(capsys.readouterr().out)["published"]["multiply_adds"] is None


def test_networks_says_what_a_small_input_changes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main_in(folder, "networks", "shufflenet_v2_x0_5", "--input", "3x8x8") == 0
    said = " ".join(capsys.readouterr().out.split())
    changed = "the stem does not pool, the stem keeps the size, a stage keeps the size"
    assert f"at this size {changed}; what is printed is of 224x224" in said
    assert main_in(folder, "networks", "shufflenet_v2_x0_5", "--input", "3x192x192") == 0
    assert "at this size" not in capsys.readouterr().out
    assert main_in(folder, "networks", "shufflenet_v2_x0_5", "--classes", "0") == 2
    assert "classes: must be a whole number; got 0; allowed from 1 on" in capsys.readouterr().err
