from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from reported import study
from safetensors.torch import load_file

from nas.architecture import Architecture
from nas.cli import main
from nas.errors import DataError, SettingsError, StudyError, TrainingError
from nas.evaluation.to_end import train_to_end
from nas.execution import StoppedError
from nas.full_training import plan, train_task
from nas.network import build
from nas.settings.compose import compose
from nas.study.storage import StudyStorage
from nas.trained import latest, names, read
from nas.weights import save

TEXT = "in1x8x8+stem8-s1+sandglass:16-s2+sandglass:24-s2+head0+out10"
NETWORK = Architecture.from_text(TEXT)
QUICK = ["training.epochs=2", "training.batch_size=64", "tracking=none"]


def weights_of(text: str, path: Path) -> Path:
    architecture = Architecture.from_text(text)
    torch.manual_seed(5)
    module = build(architecture)
    if path.suffix == ".pth":
        torch.save(module.state_dict(), path)
    else:
        save(module, path, architecture=architecture)
    return path


def test_a_network_without_a_study_is_trained_by_the_full_recipe(tmp_path):
    task = plan(TEXT, folder=tmp_path)
    assert (task.record.training.epochs, task.record.training.batch_size) == (30, 32)
    assert plan(TEXT, ["training=quick"], folder=tmp_path).record.training.epochs == 6
    assert plan(TEXT, ["training.epochs=3"], folder=tmp_path).record.training.batch_size == 32


def test_the_winner_of_a_study_is_trained_three_times_as_long_by_the_recipe_of_the_study(tmp_path):
    recipe = ["training.epochs=4", "training.learning_rate=0.03", "training.batch_size=50"]
    study(tmp_path / "one", proposals=2, settings=compose(recipe))
    storage = StudyStorage.open(tmp_path / "one")
    storage.set("nas.best", [1, 0])
    storage.close()
    record = plan("one", folder=tmp_path).record
    training = record.training
    assert (training.epochs, training.learning_rate, training.batch_size) == (3 * 4, 0.03, 50)
    assert (record.source, record.trial) == ("one:1", 1)
    assert plan("one", ["training.epochs=5"], folder=tmp_path).record.training.epochs == 5


def test_the_papers_recipe_is_the_papers(tmp_path):
    # 3e5 iterations of 1,024 of 1,281,167 images are 240 epochs.
    training = plan(TEXT, ["training=imagenet", "training.batch_size=1000"], folder=tmp_path)
    recipe = training.record.training
    assert recipe.epochs == round(3e5 * 1024 / 1_281_167)
    assert (recipe.learning_rate, recipe.weight_decay, recipe.schedule) == (0.5, 4e-5, "linear")


def test_a_batch_larger_than_the_set_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(SettingsError, match=r"training\.batch_size.*got 1001; allowed up to 1000"):
        plan(TEXT, ["training.batch_size=1001"], folder=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_network_for_other_images_is_refused_and_other_sizes_are_told(tmp_path):
    with pytest.raises(SettingsError, match="channels of the images; got 3; allowed: 1"):
        plan(TEXT.replace("in1x", "in3x"), folder=tmp_path)
    with pytest.raises(SettingsError, match=r"12 classes; allowed: 10.*--weights FILE"):
        plan(TEXT.replace("out10", "out12"), folder=tmp_path)
    (note,) = plan(TEXT.replace("8x8", "16x16"), folder=tmp_path).record.notes
    assert note == "images are resized from 8x8 to the network's 16x16"


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_weights_for_another_number_of_classes_lend_all_but_the_head(tmp_path, suffix):
    path = weights_of(TEXT.replace("out10", "out3"), tmp_path / f"given.{suffix}")
    quick = [*QUICK, "training.learning_rate=1e-12", "training.epochs=1", "training.average=0"]
    task = plan(TEXT, quick, folder=tmp_path, weights=path)
    record = task.record
    found = train_to_end(
        record.architecture, data=record.data, training=record.training, seed=1,
        weights=tmp_path / "out.safetensors", checkpoint=tmp_path / "checkpoint",
    )  # fmt: skip
    assert found.evaluation.conditions["loaded"] == ["stem", "units"]
    assert found.evaluation.conditions["left"] == ["head"]
    given = weights_of(TEXT.replace("out10", "out3"), tmp_path / "again.safetensors")
    name = "stem.conv.conv.weight"
    trained = load_file(tmp_path / "out.safetensors")
    torch.testing.assert_close(trained[name], load_file(given)[name])
    assert trained["head.classifier.weight"].shape == (10, 24)
    assert not (tmp_path / "checkpoint").exists()


def test_a_network_of_other_classes_gets_a_new_head_where_weights_are_given(tmp_path):
    other = TEXT.replace("out10", "out3")
    path = weights_of(other, tmp_path / "given.safetensors")
    record = plan(other, folder=tmp_path, weights=path).record
    assert record.architecture == NETWORK
    assert record.notes == ("the head for 3 classes is replaced by one for 10",)


def test_weights_of_another_architecture_are_refused_with_what_is_missing(tmp_path):
    path = weights_of(TEXT.replace("sandglass:24", "sandglass:32"), tmp_path / "o.safetensors")
    with pytest.raises(DataError, match=r"--weights: .*o\.safetensors.*tensors.*units\.1.*init="):
        plan(TEXT, folder=tmp_path, weights=path)
    # What matches can be taken all the same, by asking for it.
    assert plan(TEXT, [f"training.init={path}"], folder=tmp_path).record.training.init == str(path)


def test_weights_that_were_cut_in_half_are_refused_by_name(tmp_path):
    for suffix in ("safetensors", "pth"):
        path = weights_of(TEXT, tmp_path / f"half.{suffix}")
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(DataError, match=rf"half\.{suffix}"):
            plan(TEXT, folder=tmp_path, weights=path)


def test_two_files_to_start_from_are_one_too_many(tmp_path):
    path = weights_of(TEXT, tmp_path / "a.pth")
    with pytest.raises(SettingsError, match="one of them"):
        plan(TEXT, [f"training.init={path}"], folder=tmp_path, weights=path)


@pytest.mark.slow
def test_the_same_training_goes_on_and_another_gets_a_folder_of_its_own(tmp_path):
    runs = tmp_path / "runs"
    seen = []
    for overrides in ([], [], ["study.seed=1"]):
        task = plan(TEXT, [*QUICK, "training.epochs=1", *overrides], folder=runs)
        epochs = []
        record, path = train_task(task, report=lambda result, of, to=epochs: to.append(of))
        seen.append((path.name, len(epochs)))
        assert read(path) == record
    stem = f"{NETWORK.fingerprint[:12]}-digits"
    assert seen == [(f"{stem}-001", 1), (f"{stem}-001", 0), (f"{stem}-002", 1)]
    assert names(runs) == [f"{stem}-001", f"{stem}-002"]
    assert latest(runs, fingerprint=NETWORK.fingerprint) == runs / "trained" / f"{stem}-002"
    assert latest(runs, fingerprint="another") is None


def test_a_record_that_was_damaged_is_named(tmp_path):
    folder = tmp_path / "trained" / "mine"
    folder.mkdir(parents=True)
    (folder / "trained.json").write_text('{"format": 1, "name":')
    with pytest.raises(StudyError, match=r"trained\.json: must be as nas train wrote it"):
        read(folder)
    with pytest.raises(StudyError, match=r"one of those in .*; allowed: mine"):
        read(tmp_path / "trained" / "mien")


def test_a_loss_that_is_not_a_number_is_one_message_and_loses_no_checkpoint(tmp_path):
    task = plan(TEXT, QUICK, folder=tmp_path)
    record, arguments = task.record, {}
    arguments["weights"] = tmp_path / "out.safetensors"
    kept = tmp_path / "checkpoint"

    class StoppedError(Exception):
        pass

    def stop(result, of):
        raise StoppedError

    common = {"data": record.data, "seed": 1, "checkpoint": kept, **arguments}
    with pytest.raises(StoppedError):
        train_to_end(record.architecture, training=record.training, report=stop, **common)
    before = {path.name: path.read_bytes() for path in kept.iterdir()}
    # The weights become infinite behind the first epoch, which is the last one kept.
    tensors = load_file(kept / "epoch-1.safetensors")
    from safetensors.torch import save_file

    tensors["module.stem.conv.conv.weight"].fill_(float("nan"))
    save_file(tensors, kept / "epoch-1.safetensors")
    before["epoch-1.safetensors"] = (kept / "epoch-1.safetensors").read_bytes()
    with pytest.raises(TrainingError, match="loss must stay finite; got nan in epoch 2"):
        train_to_end(record.architecture, training=record.training, **common)
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == before


WORDS = ["-m", "nas.cli", "train", TEXT, "training.epochs=60", "training.batch_size=64",
         "tracking=none"]  # fmt: skip


@pytest.mark.slow
def test_a_training_that_was_killed_goes_on_to_the_same_bits(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    subprocess.run([sys.executable, *WORDS], cwd=whole, check=True, timeout=300)
    started = subprocess.Popen(
        [sys.executable, "-u", *WORDS], cwd=killed, stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    for line in started.stdout:
        if line.startswith("epoch 3 "):
            os.kill(started.pid, signal.SIGKILL)
            break
    started.communicate()
    assert started.returncode == -signal.SIGKILL
    again = subprocess.run(
        [sys.executable, *WORDS], cwd=killed, check=True, timeout=300, capture_output=True,
        text=True,
    )  # fmt: skip
    assert "goes on where it stopped" in again.stdout
    assert "epoch 1 of" not in again.stdout
    (one,), (other,) = (list((f / "runs/trained").iterdir()) for f in (whole, killed))
    assert one.name == other.name
    first, second = (load_file(f / "model.safetensors") for f in (one, other))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert read(one).test_accuracy == read(other).test_accuracy


@pytest.mark.slow
def test_a_signal_stops_a_training_and_tells_how_it_goes_on(tmp_path):
    # So many epochs that it cannot end before the signal comes.
    words = [*WORDS, "training.epochs=1000"]
    started = subprocess.Popen(
        [sys.executable, "-u", *words], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    for line in started.stdout:
        if line.startswith("epoch 2 "):
            started.send_signal(signal.SIGTERM)
            break
    rest = started.communicate(timeout=60)[0]
    assert started.returncode == 128 + signal.SIGTERM
    assert "stopped by a signal; go on with: nas train" in rest


@pytest.mark.slow
def test_the_verb_prints_json_and_nothing_else(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", TEXT, *QUICK, "training.epochs=1", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["evaluation"]["accuracy"] > 0
    assert (tmp_path / shown["folder"] / "model.safetensors").exists()
    assert main(["train"]) == 2
    assert "takes one network; got none" in capsys.readouterr().err


@pytest.mark.slow
def test_two_processes_train_one_network_and_go_on_after_a_stop(tmp_path):
    words = [*QUICK, "training.epochs=3", "training.average=0"]
    whole = plan(TEXT, words, folder=tmp_path / "whole", processes=2)
    record, path = train_task(whole)
    assert record.processes == 2
    assert record.test_accuracy is not None
    # Stopped behind its first epoch, it goes on to the same bits.
    seen = []
    task = plan(TEXT, words, folder=tmp_path / "cut", processes=2)
    with pytest.raises(StoppedError):
        train_task(task, report=lambda result, of: seen.append(of), stop=lambda: bool(seen))
    again, other = train_task(task)
    first, second = (load_file(p / "model.safetensors") for p in (path, other))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert again.test_accuracy == record.test_accuracy
