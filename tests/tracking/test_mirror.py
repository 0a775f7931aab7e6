from __future__ import annotations

import json
import socket
import subprocess
import sys
import textwrap
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
from tracked_studies import (
    NAME,
    certificate,
    client,
    evaluation,
    mlflow_runs,
    outcome,
    parent_run,
    record,
    records,
    study_info,
    trial_runs,
)

from nas.events import Counts
from nas.outcome import TrialRecord
from nas.result import Finalist
from nas.tracking import MlflowMirror, mirror, store, view
from nas.tracking.state import counted

ROOT = Path(__file__).resolve().parents[2]


def mirrored(
    runs: Path,
    trials: list[TrialRecord],
    *,
    past: list[TrialRecord] | None = None,
    reason: str | None = "finished",
    uri: str | None = None,
    **info,
) -> MlflowMirror:
    """A whole study told to a mirror: `past` was there, `trials` run; no `reason`: goes on."""
    listener = MlflowMirror(uri, runs=runs, study=NAME)
    listener.started(study_info(**info), past or [])
    for trial in trials:
        listener.trial_started(record(trial.number, None))
        if trial.outcome is None:
            continue
        if trial.outcome.evaluation:
            for result in trial.outcome.evaluation.epochs:
                listener.epoch(trial.number, result, 3)
        listener.trial_finished(trial, Counts())
    if reason:
        listener.stopped(reason, "", counted([*(past or []), *trials]))  # type: ignore[arg-type]
    return listener


def steps(runs: Path, run, key: str) -> list[int]:
    return sorted(m.step for m in client(runs).get_metric_history(run.info.run_id, key))


def test_every_trial_becomes_one_run_under_the_study(runs):
    trials = records(10)
    listener = mirrored(runs, trials)
    assert listener.problems == []
    found = trial_runs(runs)
    assert sorted(found) == list(range(10))
    parent = parent_run(runs)
    assert parent.info.run_name == NAME
    assert {run.data.tags["mlflow.parentRunId"] for run in found.values()} == {parent.info.run_id}


def test_the_numbers_in_mlflow_are_those_of_the_outcomes(runs):
    trials = records(5)
    mirrored(runs, trials)
    for number, run in trial_runs(runs).items():
        expected = trials[number].outcome
        assert run.data.metrics["latency_ms"] == expected.latency.ms
        assert run.data.metrics.get("accuracy") == (
            expected.evaluation.accuracy if expected.evaluation else None
        )
        assert run.data.params["width1"] == "48"
        assert run.data.tags["nas.outcome"] == expected.kind
        assert run.info.start_time == trials[number].started * 1000
        assert run.info.end_time == trials[number].finished * 1000


def test_runs_end_as_their_trials_did(runs):
    mirrored(runs, records(10))
    kinds = [(r.data.tags["nas.outcome"], r.info.status) for r in trial_runs(runs).values()]
    assert Counter(kinds) == {
        ("evaluated", "FINISHED"): 4,
        ("refused", "FINISHED"): 2,
        ("repeated", "FINISHED"): 2,
        ("failed", "FAILED"): 2,
    }


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("finished", "FINISHED"),
        ("hours", "FINISHED"),
        ("exhausted", "FINISHED"),
        ("proposals", "FINISHED"),
        ("failures", "FAILED"),
        ("error", "FAILED"),
        ("signal", "KILLED"),
    ],
)
def test_the_study_ends_by_its_reason(runs, reason, status):
    mirrored(runs, [], reason=reason)
    assert parent_run(runs).info.status == status


def test_a_trial_that_a_signal_stopped_is_killed_and_runs_again_on_resume(runs):
    done, stopped = record(0, outcome()), record(1, None)
    mirrored(runs, [done, stopped], reason="signal")
    assert {n: r.info.status for n, r in trial_runs(runs).items()} == {0: "FINISHED", 1: "KILLED"}

    listener = mirrored(runs, [], past=[done, stopped], resumed=True, reason=None)
    listener.trial_started(stopped)
    wait_until(lambda: trial_runs(runs)[1].info.status == "RUNNING")
    assert parent_run(runs).info.status == "RUNNING"

    finished = record(1, outcome())
    listener.trial_finished(finished, Counts())
    listener.stopped("finished", "", Counts(evaluated=2))
    assert {r.info.status for r in mlflow_runs(runs)} == {"FINISHED"}
    assert len(mlflow_runs(runs)) == 3
    assert trial_runs(runs)[1].info.run_name == "#001 v1.sandglass 92.4% 0.142ms 412k"


def wait_until(true, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_epochs_are_a_curve_apart_from_the_final_accuracy(runs):
    mirrored(runs, [record(0, outcome())])
    run = trial_runs(runs)[0]
    assert steps(runs, run, "epoch/accuracy") == [0, 1, 2]
    assert steps(runs, run, "epoch/loss") == [0, 1, 2]
    assert steps(runs, run, "accuracy") == [0]


def test_a_short_trial_is_written_once_it_has_ended(runs):
    listener = mirrored(runs, [], reason=None)
    listener.trial_started(record(0, None))
    listener.epoch(0, evaluation().epochs[0], 3)
    listener.trial_started(record(1, None))
    listener.trial_finished(record(1, outcome()), Counts())
    wait_until(lambda: 1 in trial_runs(runs))
    assert 0 not in trial_runs(runs)
    listener.stopped("finished", "", Counts())


def test_a_long_trial_shows_its_epochs_while_it_runs(runs, monkeypatch):
    monkeypatch.setattr(mirror, "LIVE_AFTER_SECONDS", 0.0)
    listener = mirrored(runs, [], reason=None)
    listener.trial_started(record(0, None))
    listener.epoch(0, evaluation().epochs[0], 3)
    listener.epoch(0, evaluation().epochs[1], 3)  # within ten seconds: kept for later
    wait_until(lambda: 0 in trial_runs(runs) and trial_runs(runs)[0].data.metrics)
    run = trial_runs(runs)[0]
    assert run.info.status == "RUNNING"
    assert steps(runs, run, "epoch/accuracy") == [0]
    listener.trial_finished(record(0, outcome()), Counts())
    listener.stopped("finished", "", Counts())
    run = trial_runs(runs)[0]
    assert steps(runs, run, "epoch/accuracy") == [0, 1, 2]
    files = {file.path for file in client(runs).list_artifacts(run.info.run_id)}
    assert files >= {"architecture.json", "layers.csv", "outcome.json"}


def test_a_resume_adds_only_what_is_missing(runs):
    trials = records(10)
    mirrored(runs, trials[:6], reason="signal")
    before = {n: run.info.run_id for n, run in trial_runs(runs).items()}
    mirrored(runs, trials[8:], past=trials[:8], resumed=True)
    after = trial_runs(runs)
    assert sorted(after) == list(range(10))
    assert {n: after[n].info.run_id for n in before} == before
    assert all(steps(runs, run, "latency_ms") == [0] for run in after.values())


def test_the_whole_mirror_is_made_again_from_the_study(runs):
    trials = records(10)
    mirrored(runs, [], past=trials, resumed=True)
    found = trial_runs(runs)
    assert {n: r.data.tags["nas.outcome"] for n, r in found.items()} == {
        t.number: t.outcome.kind for t in trials
    }
    assert steps(runs, found[0], "epoch/accuracy") == [0, 1, 2]


def test_a_run_that_a_kill_left_half_written_is_completed_without_doubling(runs):
    mirrored(runs, [], reason="signal")
    store_of, parent = client(runs), parent_run(runs)
    tags = {
        "nas.study": NAME,
        "nas.identity": "identity-of-the-study",
        "nas.trial": "0",
        "mlflow.parentRunId": parent.info.run_id,
    }
    half = store_of.create_run(parent.info.experiment_id, tags=tags)
    store_of.log_metric(half.info.run_id, "epoch/accuracy", 0.1, step=0)
    store_of.log_metric(half.info.run_id, "accuracy", 0.924)
    store_of.log_param(half.info.run_id, "width1", "48")
    mirrored(runs, [], past=[record(0, outcome())], resumed=True)
    run = trial_runs(runs)[0]
    assert run.info.run_id == half.info.run_id
    assert run.info.status == "FINISHED"
    assert steps(runs, run, "epoch/accuracy") == [0, 1, 2]
    assert steps(runs, run, "accuracy") == [0]
    assert "architecture.json" in [a.path for a in store_of.list_artifacts(run.info.run_id)]


def test_a_run_of_a_trial_that_the_study_does_not_have_is_not_left_running(runs):
    mirrored(runs, [], reason="signal")
    parent = parent_run(runs)
    tags = {
        "nas.study": NAME,
        "nas.identity": "identity-of-the-study",
        "nas.trial": "5",
        "mlflow.parentRunId": parent.info.run_id,
    }
    client(runs).create_run(parent.info.experiment_id, tags=tags)
    mirrored(runs, [], past=records(2), resumed=True)
    assert trial_runs(runs)[5].info.status == "KILLED"


def test_a_run_that_is_there_twice_is_kept_once(runs):
    trials = records(2)
    mirrored(runs, trials)
    first = trial_runs(runs)[1]
    client(runs).create_run(first.info.experiment_id, tags=dict(first.data.tags))
    mirrored(runs, [], past=trials, resumed=True)
    assert trial_runs(runs)[1].info.run_id == first.info.run_id


def test_a_run_that_was_deleted_is_made_again(runs):
    trials = records(3)
    mirrored(runs, trials)
    client(runs).delete_run(trial_runs(runs)[1].info.run_id)
    mirrored(runs, [], past=trials, resumed=True)
    assert sorted(trial_runs(runs)) == [0, 1, 2]


def test_a_deleted_parent_is_made_again_and_gets_its_trials_back(runs):
    trials = records(3)
    mirrored(runs, trials)
    client(runs).delete_run(parent_run(runs).info.run_id)
    mirrored(runs, [], past=trials, resumed=True)
    parents = {run.data.tags["mlflow.parentRunId"] for run in trial_runs(runs).values()}
    assert parents == {parent_run(runs).info.run_id}


def test_a_deleted_experiment_is_restored(runs):
    trials = records(2)
    mirrored(runs, trials[:1])
    store_of = client(runs)
    store_of.delete_experiment(store_of.get_experiment_by_name("digits-mixed").experiment_id)
    listener = mirrored(runs, trials[1:], past=trials[:1], resumed=True)
    assert listener.problems == []
    assert sorted(trial_runs(runs)) == [0, 1]


@pytest.mark.parametrize("identities", [("one", "two"), ("", "")])
def test_a_namesake_is_another_study(runs, identities):
    # The first study's folder was deleted, and the next search got its name again.
    mirrored(runs, records(4), identity=identities[0])
    trials = records(2, seed=1)
    mirrored(runs, trials[:1], identity=identities[1], reason="signal")
    mirrored(runs, trials[1:], past=trials[:1], identity=identities[1], resumed=True)
    parents = Counter(r.data.tags.get("mlflow.parentRunId", "study") for r in mlflow_runs(runs))
    assert sorted(parents.values()) == [2, 2, 4]  # two studies; their two and four trials


@pytest.mark.slow
def test_a_killed_writer_leaves_a_study_that_can_be_completed(runs):
    script = textwrap.dedent(f"""
        import sys, time
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        from tracked_studies import *
        from nas.events import Counts
        from nas.tracking import MlflowMirror
        listener = MlflowMirror(None, runs=Path({str(runs)!r}), study=NAME)
        listener.started(study_info(), [])
        for trial in records(40):
            listener.trial_started(record(trial.number, None))
            listener.trial_finished(trial, Counts())
        time.sleep(120)
    """)
    process = subprocess.Popen([sys.executable, "-c", script])
    wait_until(lambda: len(trial_runs(runs)) >= 3, seconds=60)
    process.kill()
    process.wait()
    assert parent_run(runs).info.status == "RUNNING"
    trials = records(40)
    mirrored(runs, trials[30:], past=[*trials[:29], record(29, None)], resumed=True)
    found = trial_runs(runs)
    assert "RUNNING" not in {run.info.status for n, run in found.items() if n != 29}
    assert found.keys() - {29} == {*range(29), *range(30, 40)}
    for number, run in found.items():
        if number != 29:
            assert run.data.metrics["latency_ms"] == trials[number].outcome.latency.ms
            assert steps(runs, run, "latency_ms") == [0]


class _Silent:
    """A port where connections are taken and never answered."""

    def __enter__(self) -> str:
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(50)
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self.socket.close()


@pytest.fixture
def short_timeout(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")


def test_a_server_that_does_not_answer_costs_a_study_its_timeout_once(runs, short_timeout):
    store.connect(store.resolve(None, runs), runs)  # so that the import is not counted
    with _Silent() as uri:
        began = time.monotonic()
        listener = MlflowMirror(uri, runs=runs, study=NAME)
        listener.started(study_info(), [])
        for trial in records(50):
            listener.trial_started(record(trial.number, None))
            listener.trial_finished(trial, Counts())
        told = time.monotonic() - began
        listener.stopped("finished", "", Counts())
        ended = time.monotonic() - began
    # 50 trials that each waited would take 50 timeouts of one second.
    assert told < 1
    assert ended < 6
    assert len(listener.problems) == 2  # it does not answer; 51 runs are to be written later
    assert uri in listener.problems[0]
    assert "51 runs" in listener.problems[1]
    assert f"nas track {NAME}" in listener.problems[1]


def test_a_folder_that_cannot_hold_the_store_is_told_and_does_not_stop_the_study(tmp_path):
    listener = mirrored(tmp_path / "what?", records(2))
    assert "got '?' in it" in listener.problems[0]


def test_a_server_that_refuses_is_told_once_and_without_its_password(runs):
    listener = mirrored(runs, records(5), uri="http://ann:pa55@127.0.0.1:9")
    assert len(listener.problems) == 2
    assert "pa55" not in " ".join(listener.problems)


def test_what_an_absent_server_missed_is_written_when_it_answers(runs, monkeypatch):
    uri = f"sqlite:///{runs}/absent/mlflow.db"
    (runs / "absent").write_text("a file where the folder should be")
    monkeypatch.setattr("nas.tracking.writer.PAUSE_SECONDS", 0.2)
    listener = mirrored(runs, records(4), uri=uri, reason=None)
    wait_until(lambda: listener.problems)
    (runs / "absent").unlink()
    (runs / "absent").mkdir()
    (runs / "mlflow.db").rename(runs / "absent" / "mlflow.db")
    wait_until(lambda: len(trial_runs(runs / "absent")) == 4)
    listener.stopped("finished", "", Counts())
    assert len(listener.problems) == 1


def test_one_run_that_is_refused_does_not_stop_the_others(runs):
    trials = records(6)
    mirrored(runs, trials[:2], reason="signal")
    run = trial_runs(runs)[1]
    listener = mirrored(runs, [], past=trials[:2], resumed=True, reason=None)
    wait_until(lambda: parent_run(runs).info.status == "RUNNING")
    client(runs).delete_run(run.info.run_id)  # by a person in the UI, while the study runs
    changed = record(1, outcome("failed"))
    listener.trial_finished(changed, Counts())
    for trial in trials[2:]:
        listener.trial_started(trial)
        listener.trial_finished(trial, Counts())
    listener.stopped("finished", "", Counts())
    assert set(trial_runs(runs)) >= {0, 2, 3, 4, 5}


def test_a_run_that_is_always_refused_is_told_once(runs, monkeypatch):
    monkeypatch.setattr("nas.tracking.writer.PAUSE_SECONDS", 0.1)
    listener = mirrored(runs, [record(0, outcome(), started=1e30)], reason=None)
    for number in range(1, 6):  # between two successes it is tried again, and again in vain
        listener.trial_finished(record(number, outcome()), Counts())
        wait_until(lambda n=number: n in trial_runs(runs))
        time.sleep(0.15)
    listener.stopped("finished", "", Counts())
    assert len(listener.problems) == 2
    assert "1 runs" in listener.problems[1]


def test_nothing_is_written_while_a_latency_is_measured(runs):
    listener = mirrored(runs, [], reason=None)
    wait_until(lambda: mlflow_runs(runs))
    listener.trial_started(record(0, None))
    listener.stage(0, "measuring")
    listener.trial_started(record(1, None))
    listener.trial_finished(record(1, outcome()), Counts())
    time.sleep(1.0)
    assert 1 not in trial_runs(runs)
    listener.stage(0, "training")
    wait_until(lambda: 1 in trial_runs(runs))
    listener.stopped("finished", "", Counts())


def test_the_winners_of_the_final_table_are_tagged_and_described(runs):
    trials = records(10)  # evaluated: 0, 4, 5, 9
    listener = mirrored(runs, trials)
    for winners in ((4, 0), (9, 4)):  # the second time, after a resume that found another
        found = [Finalist(f"trial {n}", n, trials[n].outcome, 0.875) for n in winners]
        listener.conclude(found, Finalist("shufflenet_v2_x0_5", None, outcome(), 0.75))
    assert listener.problems == []
    places = {n: run.data.tags.get("nas.winner") for n, run in trial_runs(runs).items()}
    assert {n: place for n, place in places.items() if place} == {9: "1", 4: "2"}
    note = parent_run(runs).data.tags["mlflow.note.content"]
    assert "**winner**" in note
    assert "87.5%" in note
    assert parent_run(runs).info.status == "FINISHED"


def test_what_was_certified_is_shown_with_the_winners_and_with_who_did_not_pass(runs):
    trials = records(10)  # evaluated: 0, 4, 5, 9
    listener = mirrored(runs, trials)

    def finalist(number, verdict):
        found = replace(trials[number].outcome, certificate=certificate(0.2, verdict))
        return Finalist(f"trial {number}", number, found, 0.875)

    reference = replace(outcome(), certificate=certificate(0.3))
    listener.conclude(
        [finalist(4, "kept"), finalist(0, "unresolved")],
        Finalist("shufflenet_v2_x0_5", None, reference, 0.75),
        broken=[finalist(9, "broken")],
    )
    assert listener.problems == []
    found = trial_runs(runs)
    verdicts = {n: run.data.tags["nas.certified"] for n, run in found.items()
                if "nas.certified" in run.data.tags}  # fmt: skip
    assert verdicts == {0: "unresolved", 4: "kept", 9: "broken"}
    assert "nas.winner" not in found[9].data.tags
    metrics = found[4].data.metrics
    assert metrics["certified/latency_ms"] == 0.2
    assert metrics["certified/p99_ms"] == pytest.approx(0.6)
    assert metrics["certified/cold_ms"] == pytest.approx(0.8)
    assert metrics["certified/sustained_ms"] == pytest.approx(0.22)
    assert metrics["latency_ms"] == trials[4].outcome.latency.ms  # that of the search stays
    assert len(steps(runs, found[4], "latency_ms")) == 1  # and is not written again
    assert steps(runs, found[4], "epoch/accuracy") == [0, 1, 2]
    parent = parent_run(runs)
    assert parent.data.metrics["best/certified/latency_ms"] == 0.2
    assert parent.data.metrics["reference/certified/p95_ms"] == pytest.approx(0.6)
    note = parent.data.tags["mlflow.note.content"]
    assert "0.200 ms (0.194 to 0.206)&nbsp;" in note
    assert "(limit unresolved)" in note


def test_of_a_run_that_is_done_no_more_is_kept_in_memory_than_finds_it_again(runs):
    from mlflow.tracking._tracking_service.utils import _artifact_repos_cache

    trials = records(6)
    listener = mirrored(runs, trials)
    for _ in range(2):
        known = [listener._runs._known[trial.number] for trial in trials]
        assert [(one.params, one.metrics, one.tags, one.steps) for one in known] == [
            ({}, {}, {}, None)
        ] * len(trials)
        assert not {one.id for one in known} & set(_artifact_repos_cache)
        listener._runs.open()  # as behind an outage


def test_the_report_is_kept_with_the_study_and_its_description_leads_there(runs, tmp_path):
    trials = records(10)
    listener = mirrored(runs, trials)
    page = tmp_path / "report.html"
    page.write_text("<p>the report</p>")
    (tmp_path / "front.png").write_bytes(b"picture")
    listener.conclude([Finalist("trial 4", 4, trials[4].outcome, 0.875)], None, report=page)
    assert listener.problems == []
    parent = parent_run(runs)
    kept = {file.path for file in client(runs).list_artifacts(parent.info.run_id, "report")}
    assert kept == {"report/report.html", "report/front.png"}
    address = f"/runs/{parent.info.run_id}/artifacts/report/report.html"
    assert address in parent.data.tags["mlflow.note.content"]


def test_the_study_has_a_saved_view_and_its_description_leads_there(runs):
    mirrored(runs, records(3))
    parent = parent_run(runs)
    experiment = client(runs).get_experiment(parent.info.experiment_id)
    key = f"mlflow.sharedViewState.nas-{parent.info.run_id}"
    assert json.loads(experiment.tags[key])["name"] == NAME
    assert f"viewStateShareKey=nas-{parent.info.run_id}" in parent.data.tags["mlflow.note.content"]


def test_in_an_untried_version_of_mlflow_there_is_no_saved_view(runs, monkeypatch):
    monkeypatch.setattr(view, "TRIED", ("0.1",))
    listener = mirrored(runs, records(3))
    assert listener.problems == []
    parent = parent_run(runs)
    experiment = client(runs).get_experiment(parent.info.experiment_id)
    assert not [key for key in experiment.tags if "sharedViewState" in key]
    assert "searchFilter=" in parent.data.tags["mlflow.note.content"]


def test_the_images_are_an_input_of_the_study_and_of_what_was_trained_on_them(runs):
    mirrored(runs, records(3))
    used = {
        number: [(one.dataset.name, one.dataset.digest) for one in run.inputs.dataset_inputs]
        for number, run in {**trial_runs(runs), -1: parent_run(runs)}.items()
    }
    digits = [("digits", "0123456789abcdef")]
    assert used == {-1: digits, 0: digits, 1: [], 2: []}  # 1 was refused, 2 a repeat


def test_the_study_tells_with_what_it_ran(runs, tmp_path):
    mirrored(runs, [])
    path = client(runs).download_artifacts(parent_run(runs).info.run_id, "origin.json", tmp_path)
    origin = json.loads(Path(path).read_text())
    assert origin["command"] == "nas search study.trials=20"
    assert {"python", "packages", "system", "processor", "cores"} <= origin.keys()
    assert origin["packages"]["mlflow"] == mlflow.__version__


# From a source archive the product finds no revision either.
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="the code runs from no clone")
def test_the_study_tells_the_git_revision_also_where_the_ui_looks_for_it(runs, tmp_path):
    mirrored(runs, [])
    parent = parent_run(runs)
    path = client(runs).download_artifacts(parent.info.run_id, "origin.json", tmp_path)
    told = json.loads(Path(path).read_text())["git"]
    words = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    head = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    assert told["commit"] == parent.data.tags["mlflow.source.git.commit"] == head


def test_counts_come_from_the_trials_even_if_an_error_ended_the_study(runs):
    listener = mirrored(runs, records(5), reason=None)
    listener.stopped("error", "no room", Counts())
    metrics = parent_run(runs).data.metrics
    assert (metrics["trials/evaluated"], metrics["trials/failed"]) == (2, 1)


def test_gene_names_that_mlflow_refuses_are_made_legal(runs):
    trial = record(0, outcome(), genes={"stage@1 (kind)": "a", "stage@1 <kind>": "b" * 7000})
    listener = mirrored(runs, [trial])
    assert listener.problems == []
    params = trial_runs(runs)[0].data.params
    assert params["stage_1 _kind_"] == "a"
    assert params["stage_1 _kind_-2"].endswith("(cut)")


def test_a_thousand_epochs_and_many_genes_go_in_several_batches(runs):
    genes = {f"gene{n}": n for n in range(230)}
    result = outcome()
    object.__setattr__(result, "evaluation", evaluation(epochs=700))
    listener = mirrored(runs, [], past=[record(0, result, genes=genes)], resumed=True)
    assert listener.problems == []
    run = trial_runs(runs)[0]
    assert len(run.data.params) == 231
    assert steps(runs, run, "epoch/loss") == list(range(700))


@pytest.mark.parametrize("folder", ["with space", "50%", "hash#tag", "ünïcode"])
def test_any_folder_name_can_hold_the_store(tmp_path, template, folder):
    runs = tmp_path / folder
    runs.mkdir()
    (runs / "mlflow.db").write_bytes(template.read_bytes())
    listener = mirrored(runs, records(1))
    assert listener.problems == []
    assert 0 in trial_runs(runs)
    assert list(runs.glob("mlartifacts/digits-mixed/*/artifacts/architecture.json"))


@pytest.mark.slow
def test_a_new_store_is_made_where_none_was(tmp_path):
    listener = mirrored(tmp_path / "new" / "100% runs", records(1))
    assert listener.problems == []
    assert 0 in trial_runs(tmp_path / "new" / "100% runs")
