from dataclasses import replace

import pytest
import torch

from nas.architecture import Architecture
from nas.errors import DataError
from nas.network import build
from nas.weights import check_some, initialise, save

TEXT = "in1x8x8+stem8-s1+sandglass:16-s2+sandglass:24-s2+head0+out10"
NETWORK = Architecture.from_text(TEXT)
FIVE_CLASSES = Architecture.from_text(TEXT.replace("out10", "out5"))


class Code:
    """Runs when it is unpickled."""

    def __reduce__(self):
        return exec, ("raise SystemExit('code of a weights file was run')",)


@pytest.fixture
def trained():
    torch.manual_seed(1)
    return build(NETWORK)


def drawn(architecture):
    torch.manual_seed(2)
    return build(architecture)


@pytest.mark.parametrize("suffix", ["safetensors", "pth", "wrapped.pth", "parallel.pth"])
def test_every_weight_of_the_same_network_is_taken(tmp_path, trained, suffix):
    path, state = tmp_path / f"weights.{suffix}", trained.state_dict()
    if suffix == "safetensors":
        save(trained, path, architecture=NETWORK)
    elif suffix == "wrapped.pth":
        torch.save({"epoch": 3, "state_dict": state}, path)
    elif suffix == "parallel.pth":
        torch.save({f"module.{name}": value for name, value in state.items()}, path)
    else:
        torch.save(state, path)
    module = drawn(NETWORK)
    found = initialise(module, path)
    assert found.left == ()
    assert set(found.loaded) == state.keys()
    assert found.parts_loaded == ["stem", "units", "head"]
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())


def test_the_head_for_other_classes_keeps_its_own_weights(tmp_path, trained):
    path = tmp_path / "weights.safetensors"
    save(trained, path, architecture=NETWORK)
    module = drawn(FIVE_CLASSES)
    before = module.head.classifier.weight.clone()
    found = initialise(module, path)
    assert found.left == ("head.classifier.weight",)
    assert torch.equal(module.head.classifier.weight, before)
    assert torch.equal(module.stem.conv.conv.weight, trained.stem.conv.conv.weight)


def test_what_was_taken_is_told_module_by_module(tmp_path, trained):
    path = tmp_path / "weights.pth"
    state = trained.state_dict()
    # Of the second unit one tensor is missing; files of other tools may lack what is counted.
    lost = next(n for n in state if n.startswith("units.1.") and state[n].ndim == 4)
    torch.save({n: v for n, v in state.items() if n != lost and "batches" not in n}, path)
    found = initialise(drawn(NETWORK), path)
    assert found.missing == [lost]
    assert found.parts_left == [lost.removesuffix(".weight")]
    assert {"stem", "units.0", "head"} <= set(found.parts_loaded)
    assert not {"units", "units.1", lost} & set(found.parts_loaded)


def test_weights_that_no_network_can_start_from_are_refused(tmp_path, trained):
    torch.save({"layer.weight": torch.zeros(3, 3)}, tmp_path / "other.pth")
    with pytest.raises(DataError, match=r"other\.pth must hold weights .*layer\.weight"):
        check_some([NETWORK, FIVE_CLASSES], tmp_path / "other.pth")
    save(trained, tmp_path / "own.safetensors", architecture=NETWORK)
    check_some([replace(NETWORK, units=NETWORK.units[:1]), NETWORK], tmp_path / "own.safetensors")


def test_normalisation_alone_is_no_start(tmp_path, trained):
    state = {name: one for name, one in trained.state_dict().items() if one.ndim < 2}
    torch.save(state, tmp_path / "norms.pth")
    module = drawn(NETWORK)
    before = {name: one.clone() for name, one in module.state_dict().items()}
    found = initialise(module, tmp_path / "norms.pth")
    assert found.loaded == ()
    assert set(found.left) == before.keys()
    assert all(torch.equal(one, before[name]) for name, one in module.state_dict().items())


def test_code_in_a_weights_file_is_never_run(tmp_path):
    torch.save({"x": Code()}, tmp_path / "code.pth")
    with pytest.raises(DataError, match="holds code"):
        initialise(drawn(NETWORK), tmp_path / "code.pth")


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_missing_and_damaged_files_are_named(tmp_path, trained, suffix):
    path = tmp_path / f"half.{suffix}"
    with pytest.raises(DataError, match="no such file"):
        initialise(drawn(NETWORK), path)
    if suffix == "pth":
        torch.save(trained.state_dict(), path)
    else:
        save(trained, path, architecture=NETWORK)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=rf"half\.{suffix}"):
        initialise(drawn(NETWORK), path)


def test_training_starts_from_the_weights_that_are_named(tmp_path, trained):
    from nas.data import load
    from nas.settings import DataSettings, TrainingSettings
    from nas.training import train

    path = tmp_path / "weights.safetensors"
    save(trained, path, architecture=NETWORK)
    # With a learning rate of next to nothing the weights stay where they started.
    settings = TrainingSettings(epochs=1, device="cpu", learning_rate=1e-12, init=str(path))
    module = train(NETWORK, load(DataSettings()), settings, seed=9).module
    torch.testing.assert_close(module.head.classifier.weight, trained.head.classifier.weight)
    torch.testing.assert_close(module.stem.conv.conv.weight, trained.stem.conv.conv.weight)
