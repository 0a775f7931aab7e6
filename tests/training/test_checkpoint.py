import resource
from dataclasses import replace

import pytest
import torch

from nas.architecture import Architecture
from nas.data import DataSet, Split, load
from nas.errors import DataError, StudyError
from nas.network import build
from nas.outcome import EpochResult
from nas.settings import DataSettings, TrainingSettings
from nas.training import train
from nas.training.checkpoint import Running, read, write

# Dropout draws from torch's global generator, shifts from the training's own.
NETWORK = Architecture.from_text(
    "in1x8x8+stem8-s1+shuffle_v2:24-s2-n2+sandglass:24-s2-n2+head32-drop0.2+out10"
)
SGD = TrainingSettings(epochs=3, device="cpu", threads=1, average=0.9)
ADAMW = replace(SGD, optimizer="adamw", learning_rate=0.005, average=0.0, clip=1.0)


class StoppedError(Exception):
    """Stands for a kill behind an epoch."""


@pytest.fixture(scope="module")
def digits() -> DataSet:
    data = load(DataSettings())
    few = Split(data.train.images[:128], data.train.labels[:128])
    return replace(data, train=few)


def stopped(folder, data, settings, *, behind, network=NETWORK, seed=1):
    def report(result, of):
        if result.epoch == behind:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(network, data, settings, seed=seed, report=report, folder=folder)


HALF = replace(SGD, precision="float16", clip=1.0)


@pytest.mark.parametrize(
    "settings",
    [SGD, ADAMW, pytest.param(HALF, marks=pytest.mark.slow)],
    ids=["sgd", "adamw", "float16"],
)
@pytest.mark.parametrize("behind", [1, 2])
def test_a_stopped_training_goes_on_to_the_same_bits(tmp_path, digits, settings, behind):
    whole = train(NETWORK, digits, settings, seed=1)
    stopped(tmp_path, digits, settings, behind=behind)
    reports = []
    torch.rand(7)  # what the process did in between must not matter
    resumed = train(
        NETWORK, digits, settings, seed=1, folder=tmp_path,
        report=lambda result, of: reports.append(result.epoch),
    )  # fmt: skip
    assert reports == list(range(behind + 1, 4))
    expected = whole.module.state_dict()
    for name, value in resumed.module.state_dict().items():
        assert torch.equal(value, expected[name]), name
    assert [e.loss for e in resumed.evaluation.epochs] == [e.loss for e in whole.evaluation.epochs]
    assert resumed.evaluation.accuracy == whole.evaluation.accuracy


def test_a_finished_training_is_only_read(tmp_path, digits):
    settings = replace(SGD, epochs=1)
    first = train(NETWORK, digits, settings, seed=1, folder=tmp_path)
    again = train(NETWORK, digits, settings, seed=1, folder=tmp_path)
    assert again.evaluation == first.evaluation
    assert torch.equal(again.module.head.classifier.weight, first.module.head.classifier.weight)


def test_only_the_last_epoch_is_kept(tmp_path, digits):
    stopped(tmp_path, digits, SGD, behind=2)
    assert {path.name for path in tmp_path.iterdir()} == {"state.json", "epoch-2.safetensors"}


def test_a_checkpoint_of_another_training_is_refused_naming_what_differs(tmp_path, digits):
    stopped(tmp_path, digits, SGD, behind=1)

    def refused(what, *, network=NETWORK, data=digits, settings=SGD, seed=1):
        with pytest.raises(DataError, match=f"of the same training; got {what}"):
            train(network, data, settings, seed=seed, folder=tmp_path)

    refused("seed 1", seed=2)
    refused("settings", settings=replace(SGD, epochs=4))
    refused("data", data=replace(digits, hash="0"))
    other = Architecture.from_text(NETWORK.text.replace("head32", "head40"))
    refused("fingerprint", network=other)


@pytest.mark.parametrize("name", ["state.json", "epoch-1.safetensors"])
@pytest.mark.parametrize("keep", [0, 0.5])
def test_a_checkpoint_cut_in_half_is_told(tmp_path, digits, name, keep):
    stopped(tmp_path, digits, SGD, behind=1)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(DataError, match="damaged"):
        train(NETWORK, digits, SGD, seed=1, folder=tmp_path)


@pytest.mark.parametrize("room", [0, 20_000])
def test_a_full_disk_is_one_message_and_leaves_the_earlier_checkpoint(tmp_path, digits, room):
    stopped(tmp_path, digits, SGD, behind=1)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert max(map(len, before.values())) > room
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # As a full disk does, it fails in the middle of the file.
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(StudyError, match=r"must be written to .* on a disk with room"):
            train(NETWORK, digits, SGD, seed=1, folder=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    resumed = train(NETWORK, digits, SGD, seed=1, folder=tmp_path)  # there is room again
    whole = train(NETWORK, digits, SGD, seed=1)
    assert [one.loss for one in resumed.evaluation.epochs] == [
        one.loss for one in whole.evaluation.epochs
    ]


def test_the_scale_of_float16_gradients_goes_on_where_it_was(tmp_path):
    def running(scale):
        module = build(NETWORK)
        return Running(
            module=module,
            optimizer=torch.optim.SGD(module.parameters(), lr=0.1),
            generator=torch.Generator(),
            average=None,
            scaler=torch.amp.GradScaler("cpu", init_scale=scale),
        )

    grown = running(2.0**11)
    # The scale a scaler starts with is made when it first scales something.
    grown.scaler.scale(torch.ones(()))
    result = EpochResult(epoch=1, accuracy=0.5, loss=1.0, seconds=1.0)
    write(tmp_path, grown, [result], identity={"a": 1})
    found = running(2.0**16)
    read(tmp_path, found, identity={"a": 1})
    assert found.scaler.get_scale() == 2.0**11
