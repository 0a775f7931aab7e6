from __future__ import annotations

import json
import re
import resource
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import nas
from nas.architecture import Architecture, UnitSpec
from nas.errors import DataError, ExportError, NasError, StudyError, TrackingError
from nas.export.card import card
from nas.export.folder import Manifest
from nas.export.forms import DYNAMIC, FORMS, PROGRAM, STATIC, TENSORS, contents, folded
from nas.export.source import Source, find
from nas.export.verify import compared, verify
from nas.export.write import export, wilson
from nas.network import build
from nas.outcome import Certificate, Latency
from nas.settings import DataSettings, Settings
from nas.weights import initialise, save

OWN_SPACE = Path(__file__).parents[2] / "docs" / "own_space.md"
TEXT = "in1x8x8+stem8-s1+shuffle_v1:24-s2-n2-g2+shuffle_v2:48-s2-n2+sandglass:48+head0+out10"
NETWORK = Architecture.from_text(TEXT)


def weights_file(folder: Path, *, seed: int = 3) -> Path:
    """Weights with normalisation that does something: statistics of digits, scales not 1."""
    torch.manual_seed(seed)
    module = build(NETWORK)
    for _ in range(3):
        module(torch.randn(32, 1, 8, 8))
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.weight.uniform_(0.5, 2)
                part.bias.uniform_(-0.5, 0.5)
    path = folder / "weights.safetensors"
    save(module, path, architecture=NETWORK)
    return path


def source_of(path: Path) -> Source:
    return Source("mine", TEXT, NETWORK, path, Settings())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    path = weights_file(folder)
    return export(source_of(path), folder / "out", latency=False, command="nas export mine")


@pytest.fixture
def copied(made, tmp_path):
    shutil.copytree(made.folder, tmp_path / "copy")
    return tmp_path / "copy"


def module_of(made_folder: Path) -> torch.nn.Module:
    module = build(NETWORK)
    from safetensors.torch import load_file

    module.load_state_dict(load_file(made_folder / TENSORS))
    return module.eval()


def test_everything_that_is_promised_is_in_the_folder(made):
    assert {path.name for path in made.folder.iterdir()} == {
        *FORMS, "architecture.json", "labels.txt", "preprocess.json", "golden.npz", "model.json",
        "README.md",
    }  # fmt: skip
    assert (made.folder / "labels.txt").read_text().split() == list("0123456789")
    assert not list(made.folder.parent.glob(".out-*"))


def test_every_form_gives_eagers_outputs(made):
    images = torch.randn(5, 1, 8, 8)
    with torch.no_grad():
        expected = module_of(made.folder)(images)
    import onnxruntime

    static = onnxruntime.InferenceSession(str(made.folder / STATIC))
    dynamic = onnxruntime.InferenceSession(str(made.folder / DYNAMIC))
    program = torch.export.load(made.folder / PROGRAM).module()
    one = [static.run(None, {"image": images[n : n + 1].numpy()})[0] for n in range(5)]
    for given in (
        np.concatenate(one),
        dynamic.run(None, {"image": images.numpy()})[0],
        program(images).detach().numpy(),
        nas.load(made.folder)(images).detach().numpy(),
    ):
        np.testing.assert_allclose(given, expected, atol=1e-4)
    assert set(made.manifest.differences) == set(FORMS)
    assert all(0 <= value <= 1e-4 for value in made.manifest.differences.values())


def test_normalisation_is_folded_and_the_static_graph_has_constant_shapes(made):
    static = onnx.load(str(made.folder / STATIC)).graph
    kinds = {node.op_type for node in static.node}
    assert "BatchNormalization" not in kinds
    # What a mobile converter cannot fuse: shapes that are computed while the network runs.
    assert kinds.isdisjoint({"Shape", "Gather", "Unsqueeze", "ConstantOfShape"})
    assert [d.dim_value for d in static.input[0].type.tensor_type.shape.dim] == [1, 1, 8, 8]
    (batch, *_) = onnx.load(str(made.folder / DYNAMIC)).graph.input[0].type.tensor_type.shape.dim
    assert batch.dim_param == "batch"


def test_the_golden_input_is_a_test_image_normalised_as_the_description_says(made):
    golden = np.load(made.folder / "golden.npz", allow_pickle=False)
    inputs = json.loads((made.folder / "preprocess.json").read_text())
    assert (inputs["height"], inputs["width"], inputs["channel_order"]) == (8, 8, "grey")
    from nas.data import load

    images = load(Settings().data).test.images[:8]
    np.testing.assert_array_equal(golden["images"], images)
    by_hand = (images.double().numpy() / 255 - inputs["mean"][0]) / inputs["std"][0]
    np.testing.assert_allclose(golden["inputs"], by_hand, atol=1e-6)
    with torch.no_grad():
        outputs = module_of(made.folder)(torch.from_numpy(golden["inputs"]))
    np.testing.assert_allclose(golden["outputs"], outputs, atol=1e-6)


def test_with_the_normalisation_inside_graphs_take_pixels(tmp_path):
    path = weights_file(tmp_path)
    made = export(source_of(path), tmp_path / "out", latency=False, inside=True)
    golden = np.load(made.folder / "golden.npz")
    np.testing.assert_array_equal(golden["inputs"], golden["images"].astype(np.float32))
    assert made.manifest.preprocess.inside
    # The bare network on normalised images gives the very same.
    plain = export(source_of(path), tmp_path / "plain", latency=False)
    np.testing.assert_allclose(
        golden["outputs"], np.load(plain.folder / "golden.npz")["outputs"], atol=1e-4
    )
    assert not [check for check in verify(made.folder, latency=False) if not check.agrees]


def test_an_exported_folder_agrees_with_itself(made):
    checks = {check.what: check.agrees for check in verify(made.folder)}
    assert checks == {
        "files": True, "accuracy": True, **{f"outputs of {name}": True for name in FORMS}
    }  # fmt: skip


def test_a_file_that_was_changed_or_lost_disagrees_by_name(copied):
    (copied / "labels.txt").unlink()
    (check,) = verify(copied)
    assert (check.agrees, check.told.partition(":")[0]) == (False, "labels.txt")
    (copied / STATIC).write_bytes((copied / STATIC).read_bytes()[:1000])
    (check,) = verify(copied)
    assert check.agrees is False
    assert "labels.txt, model.onnx" in check.told


def test_other_weights_under_the_same_name_disagree_by_how_much(copied, tmp_path):
    torch.manual_seed(8)
    (copied / STATIC).write_bytes(
        contents(folded(build(NETWORK).eval()), input=NETWORK.input)[STATIC]
    )
    manifest = json.loads((copied / "model.json").read_text())
    from nas.export.folder import sha256

    manifest["files"][STATIC] = sha256(copied / STATIC)
    (copied / "model.json").write_text(json.dumps(manifest))
    checks = {check.what: check for check in verify(copied)}
    assert checks["files"].agrees
    assert checks[f"outputs of {STATIC}"].agrees is False
    assert checks[f"outputs of {DYNAMIC}"].agrees


def test_accuracy_is_that_of_the_file_on_the_images_named(copied, tmp_path):
    from nas.data import load

    digits = load(Settings().data)
    images = np.concatenate([s.images.numpy() for s in (digits.train, digits.test)])[:, 0]
    labels = np.concatenate([s.labels.numpy() for s in (digits.train, digits.test)])
    np.savez(tmp_path / "mine.npz", images=images, labels=labels)
    checks = {check.what: check for check in verify(copied, data=tmp_path / "mine.npz")}
    # Of other images it is told, and not compared.
    assert checks["accuracy"].agrees is None
    assert "of other images" in checks["accuracy"].told
    with pytest.raises(DataError):
        list(verify(copied, data=tmp_path / "nothing.npz"))


def test_accuracy_agrees_on_the_same_images_at_another_place(tmp_path):
    from nas.data import load

    digits = load(Settings().data).test
    here, there = tmp_path / "here.npz", tmp_path / "there.npz"
    np.savez(here, images=digits.images[:, 0].numpy(), labels=digits.labels.numpy())
    settings = replace(Settings(), data=DataSettings(name="arrays", path=str(here)))
    source = replace(source_of(weights_file(tmp_path)), settings=settings)
    made = export(source, tmp_path / "out", latency=False)
    here.rename(there)
    checks = {check.what: check for check in verify(made.folder, data=there, latency=False)}
    assert checks["accuracy"].agrees is True


def test_another_accuracy_than_was_promised_disagrees_and_is_an_exit_status(copied):
    from nas.cli import main

    manifest = json.loads((copied / "model.json").read_text())
    manifest["test_accuracy"] += 0.1
    (copied / "model.json").write_text(json.dumps(manifest))
    checks = {check.what: check for check in verify(copied, latency=False)}
    assert checks["accuracy"].agrees is False
    assert "-10.00 points" in checks["accuracy"].told
    assert main(["verify", str(copied), "--no-latency"]) == 1


def test_accuracy_without_images_is_not_compared_and_says_how_to_name_them(copied):
    manifest = json.loads((copied / "model.json").read_text())
    manifest["data"].update(name="arrays", path="gone.npz")
    (copied / "model.json").write_text(json.dumps(manifest))
    checks = {check.what: check for check in verify(copied)}
    assert checks["accuracy"].agrees is None
    assert "--data PATH names the images" in checks["accuracy"].told


def test_a_form_that_gives_other_outputs_fails_the_export_and_leaves_nothing(tmp_path):
    # Logits of a million: rounding in another order is more than 1e-4 of them.
    path = weights_file(tmp_path)
    module = build(NETWORK)
    initialise(module, path)
    with torch.no_grad():
        module.head.classifier.weight *= 1e7
    save(module, path, architecture=NETWORK)
    with pytest.raises(ExportError, match=r"model\.\w+: must give eager torch's outputs; got"):
        export(source_of(path), tmp_path / "out", latency=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["weights.safetensors"]


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(ExportError, match="new or an empty folder"):
        export(source_of(weights_file(tmp_path)), tmp_path / "out", latency=False)
    assert (tmp_path / "out" / "thesis.txt").read_text() == "mine"


def test_a_full_disk_is_one_message_and_nothing_is_left_behind(tmp_path):
    path = weights_file(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # As a full disk does, it fails in the middle of the first file that is larger.
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(NasError, match="disk with room"):
            export(source_of(path), tmp_path / "out", latency=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["weights.safetensors"]


def test_loading_gives_the_module_and_never_unpickles(copied):
    module = nas.load(copied)
    assert not module.training
    (copied / TENSORS).write_bytes(b"cos\nsystem\n(S'touch hacked'\ntR.")
    with pytest.raises(ExportError, match=r"model\.safetensors"):
        nas.load(copied)
    with pytest.raises(ExportError, match=r"without model\.json"):
        nas.load(copied.parent)


def test_units_of_the_users_own_travel_with_the_network(tmp_path):
    (block,) = re.findall(r"```python\n(.*?)```", OWN_SPACE.read_text(), re.DOTALL)
    file = tmp_path / "here" / "my_space.py"
    file.parent.mkdir()
    file.write_text(block)
    network = replace(NETWORK, units=(UnitSpec(f"{file}:Smooth", 24, stride=2), *NETWORK.units[2:]))
    torch.manual_seed(4)
    save(build(network), tmp_path / "w.safetensors", architecture=network)
    source = replace(source_of(tmp_path / "w.safetensors"), architecture=network)
    made = export(source, tmp_path / "out", latency=False)
    images = torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        expected = nas.load(tmp_path / "out")(images)
    there = tmp_path / "elsewhere"
    shutil.move(tmp_path / "out", there)
    shutil.rmtree(file.parent)
    with torch.no_grad():
        assert torch.equal(nas.load(there)(images), expected)
    assert all(check.agrees is not False for check in verify(there))
    (own,) = (there / "own").iterdir()
    assert f"| `own/{own.name}` |" in (there / "README.md").read_text()
    assert f"own/{own.name}" in made.manifest.files


def test_the_models_readme_tells_what_other_seeds_had(made):
    several = replace(made.manifest, seed_tests=(0.98, 0.96, 0.97))
    text = card(several, labels=("a", "b"))
    assert "with 3 seeds, of which this is the first, had 97.00 +- 1.00 %" in text
    assert "One training with one seed" in card(made.manifest, labels=("a", "b"))


def test_the_models_readme_tells_what_was_certified_and_where(made):
    certificate = Certificate(
        name="1", latency=latency(0.5, 0.01, target="board/onnxruntime/cpu"), p50_ms=0.51,
        p95_ms=0.6, p99_ms=0.7, cold_ms=2.5, sustained_ms=0.55, sustained_ratio=0.5,
        verdict="kept", sustained_seconds=60,
    )  # fmt: skip
    found = replace(made.manifest, study="digits-mixed-001", certificate=certificate)
    text = card(Manifest.from_json(json.loads(json.dumps(found.to_json()))), labels=("a", "b"))
    assert "end of the study digits-mixed-001, in fresh processes on `board/onnx" in text
    assert "0.5 (0.49-0.51) ms, 0.500 of shufflenet_v2_x0_5" in text
    assert "95 % 0.6, 99 % 0.7, the first in a fresh process 2.5." in text
    assert "After 60 s of load a call took 0.55 ms. Its limit: kept." in text
    hot = replace(found, certificate=replace(certificate, sustained_within=False))
    assert "a call took 0.55 ms, over its limit. Its limit: kept." in card(hot, labels=("a", "b"))
    assert "ertified" not in card(made.manifest, labels=("a", "b"))


def test_weights_of_another_network_are_refused(tmp_path):
    other = Architecture.from_text(TEXT.replace("sandglass:48", "sandglass:32"))
    save(build(other), tmp_path / "other.safetensors", architecture=other)
    with pytest.raises(DataError, match=r"other\.safetensors must hold all weights"):
        export(source_of(tmp_path / "other.safetensors"), tmp_path / "out", latency=False)


def test_images_that_are_not_those_of_the_training_are_refused(tmp_path):
    source = replace(source_of(weights_file(tmp_path)), data_hash="0" * 16)
    with pytest.raises(DataError, match="images the network was trained on"):
        export(source, tmp_path / "out", latency=False)


def test_a_network_without_trained_weights_says_how_to_get_them(tmp_path):
    with pytest.raises(StudyError, match=r"nas train shufflenet_v2_x0_5 first, --weights FILE"):
        find("shufflenet_v2_x0_5", folder=tmp_path)


def test_the_interval_of_an_accuracy_is_wilsons():
    # Brown, Cai and DasGupta 2001, Interval Estimation, sec. 3.1.1, at n = 10 and p = 0: 0.278.
    low, high = wilson(0.0, 10)
    assert low == 0
    assert high == pytest.approx(0.2775, abs=1e-3)


def latency(ratio: float, half: float, target: str = "here") -> Latency:
    return Latency(
        ms=ratio, low=ratio - half, high=ratio + half, ratio=ratio, ratio_low=ratio - half,
        ratio_high=ratio + half, statistic="median", clock="wall", status="RESOLVED",
        target=target, reference="r", reference_ms=1.0, rounds=8, processes=1, seconds=1.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("now", "then", "agrees"),
    [
        (latency(1.00, 0.01), latency(1.01, 0.01), True),
        (latency(1.00, 0.01), latency(1.20, 0.01), False),
        (latency(1.20, 0.01), latency(1.00, 0.01), False),
        # Copies of one network differ by 2.5 %: 1.00 to 1.04 is no difference.
        (latency(1.00, 0.01), latency(1.04, 0.01), True),
        (latency(1.00, 0.01), latency(1.20, 0.01, target="there"), None),
    ],
)
def test_latencies_agree_where_their_intervals_meet_on_one_target(now, then, agrees):
    assert compared("model.onnx", now, then, reference="r").agrees is agrees


@pytest.mark.slow
def test_a_registered_model_is_loaded_by_its_alias_with_equal_outputs(made, tmp_path):
    from nas.tracking import register

    golden = np.load(made.folder / "golden.npz")
    common = {
        "name": "mine", "alias": "candidate", "uri": None, "runs": tmp_path / "runs",
        "tags": {}, "metrics": {"test_accuracy": 0.5}, "files": made.folder, "tolerance": 1e-4,
    }  # fmt: skip
    import mlflow

    # A program around us has a registry of its own, and keeps it.
    elsewhere = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    mlflow.set_registry_uri(elsewhere)
    entry = register(
        made.folder / DYNAMIC, inputs=golden["inputs"], outputs=golden["outputs"], **common
    )
    assert mlflow.get_registry_uri() == elsewhere
    assert (entry.version, entry.uri) == ("1", "models:/mine@candidate")
    mlflow.set_tracking_uri(entry.store)
    mlflow.set_registry_uri(entry.store)
    model = mlflow.pyfunc.load_model(entry.uri)
    given = model.predict({"image": golden["inputs"]})["output"]
    np.testing.assert_allclose(given, golden["outputs"], atol=1e-4)
    assert model.metadata.signature.inputs.input_names() == ["image"]
    # Outputs that are others get a version, but never the alias.
    with pytest.raises(TrackingError, match="alias was not set"):
        register(
            made.folder / DYNAMIC, inputs=golden["inputs"], outputs=golden["outputs"] + 1, **common
        )
    found = mlflow.MlflowClient().get_model_version_by_alias("mine", "candidate")
    assert str(found.version) == "1"
