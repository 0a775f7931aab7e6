import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from nas.architecture import Architecture
from nas.data import DataSet, Split
from nas.data.augmentation import normalise
from nas.errors import SettingsError, TrainingError
from nas.latency.lease import exclusive
from nas.network import build
from nas.settings import DataSettings, TrainingSettings
from nas.training import accuracy, resolve, train
from nas.training.inputs import class_weights

SMALL = "in1x8x8+stem8-s1+sandglass:16-s2+sandglass:24-s2+head0+out10"
NETWORK = Architecture.from_text(SMALL)
QUICK = TrainingSettings(epochs=2, device="cpu", threads=1)


def few(data: DataSet, count: int) -> DataSet:
    """The data set with only so many training images."""
    split = Split(data.train.images[:count], data.train.labels[:count])
    return replace(data, train=split)


@pytest.fixture(scope="module")
def digits():
    from nas.data import load

    return load(DataSettings())


@pytest.fixture(scope="module")
def trained(digits):
    reports = []
    settings = replace(QUICK, epochs=4, learning_rate=0.15)
    result = train(NETWORK, digits, settings, seed=1, report=lambda *value: reports.append(value))
    return result, reports


def test_a_small_network_learns_digits_in_four_epochs(trained):
    result, _ = trained
    # Chance is 0.1; a loss of ln 10 = 2.3 is ignorance.
    assert result.evaluation.accuracy > 0.8
    assert result.evaluation.loss < 1


def test_every_epoch_is_reported_as_it_ends_with_the_number_there_will_be(trained):
    result, reports = trained
    assert [(epoch.epoch, of) for epoch, of in reports] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert tuple(epoch for epoch, _ in reports) == result.evaluation.epochs
    assert result.evaluation.accuracy == reports[-1][0].accuracy
    assert result.evaluation.seconds == pytest.approx(sum(epoch.seconds for epoch, _ in reports))


def test_accuracy_is_the_share_of_right_labels(trained, digits):
    module = trained[0].module
    images = normalise(digits.validation.images, mean=digits.mean, std=digits.std)
    right = (module(images).argmax(1) == digits.validation.labels).float().mean()
    share = accuracy(module, digits.validation, data=digits, settings=resolve(QUICK))
    assert share == pytest.approx(float(right))
    assert share == trained[0].evaluation.accuracy


def test_what_ran_is_recorded(trained):
    conditions = trained[0].evaluation.conditions
    assert conditions["device"] == "cpu"
    assert conditions["threads"] == 1
    assert conditions["torch"] == torch.__version__


PRINT_WEIGHTS = f"""
from nas.architecture import Architecture
from nas.data import load
from nas.settings import DataSettings, TrainingSettings
from nas.training import train
settings = TrainingSettings(epochs=1, device="cpu", threads={{threads}})
trained = train(Architecture.from_text("{SMALL}"), load(DataSettings()), settings, seed=3)
for value in trained.module.state_dict().values():
    print(value.flatten().tolist())
"""


@pytest.mark.parametrize("threads", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_weights_are_equal_to_the_bit_between_processes(digits, threads):
    code = PRINT_WEIGHTS.format(threads=threads)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = train(NETWORK, digits, replace(QUICK, epochs=1, threads=threads), seed=3).module
    lines = [str(value.flatten().tolist()) for value in here.state_dict().values()]
    assert ran.stdout.splitlines() == lines


def test_another_seed_gives_other_weights(digits):
    data = few(digits, 64)
    first, again, other = (train(NETWORK, data, QUICK, seed=seed).module for seed in (1, 1, 2))
    assert torch.equal(first.head.classifier.weight, again.head.classifier.weight)
    assert not torch.equal(first.head.classifier.weight, other.head.classifier.weight)


def test_a_training_of_few_steps_is_judged_by_statistics_of_its_images(digits):
    # 64 images in batches of 32, two epochs: four steps, of which torch's 0.1 would leave 66 %.
    settings = replace(QUICK, batch_size=32)
    module = train(NETWORK, few(digits, 64), settings, seed=1).module
    momenta = [norm.momentum for norm in module.modules() if isinstance(norm, nn.BatchNorm2d)]
    assert min(momenta) == max(momenta) == pytest.approx(1 - 0.01 ** (1 / 4))


def test_the_callers_random_numbers_and_threads_are_left_alone(digits):
    torch.manual_seed(5)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    train(NETWORK, few(digits, 64), replace(QUICK, threads=threads + 1), seed=1)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads


def test_a_loss_that_is_not_finite_fails_the_training(digits):
    with pytest.raises(TrainingError, match=r"loss must stay finite; got .*learning_rate=1e\+30"):
        train(NETWORK, few(digits, 128), replace(QUICK, learning_rate=1e30), seed=0)


@pytest.mark.parametrize("count", [65, 129, 3])
def test_a_last_image_over_is_trained_with_the_others(digits, count):
    # Down to one pixel, where batch normalisation refuses a batch of one image.
    network = Architecture.from_text(
        "in1x8x8+stem8-s2+sandglass:8-s2+sandglass:8-s2+sandglass:8-s1+head0+out10"
    )
    settings = replace(QUICK, batch_size=2 if count == 3 else 64, learning_rate=0.01)
    assert train(network, few(digits, count), settings, seed=0).evaluation.loss > 0


def test_every_image_is_in_one_batch_of_an_epoch_and_batches_are_even():
    from nas.training.inputs import batched

    generator = torch.Generator().manual_seed(0)
    batches = batched(1000, replace(QUICK, batch_size=64), generator)
    assert sorted(torch.cat(batches).tolist()) == list(range(1000))
    assert {len(batch) for batch in batches} == {62, 63}


def test_a_batch_larger_than_the_training_split_is_refused(digits):
    with pytest.raises(SettingsError, match=r"training\.batch_size.*got 64; allowed up to 63"):
        train(NETWORK, few(digits, 63), QUICK, seed=0)


def test_a_network_for_other_images_or_classes_is_refused(digits):
    with pytest.raises(SettingsError, match=r"must fit; got .*\(3, 8, 8\)"):
        train(replace(NETWORK, input=(3, 8, 8)), digits, QUICK, seed=0)
    with pytest.raises(SettingsError, match="12 classes"):
        train(replace(NETWORK, classes=12), digits, QUICK, seed=0)


def test_automatic_settings_are_resolved_to_what_is_used():
    resolved = resolve(TrainingSettings())
    assert resolved.device == ("cuda" if torch.cuda.is_available() else "cpu")
    assert resolved.threads in (1, 2)
    assert resolve(TrainingSettings(threads=5)).threads == 5


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SettingsError, match=r"training\.device.*got 'cuda'"):
        resolve(TrainingSettings(device="cuda"))


def test_batch_norm_and_biases_have_no_weight_decay(digits):
    # With a learning rate of next to nothing and a huge decay only decayed weights move.
    settings = replace(
        QUICK, epochs=1, learning_rate=1e-6, weight_decay=1e4, momentum=0, warmup_share=0
    )
    module = train(NETWORK, few(digits, 64), settings, seed=0).module
    torch.manual_seed(0)
    from nas.network import build

    for (name, after), before in zip(
        module.named_parameters(), build(NETWORK).parameters(), strict=True
    ):
        moved = float((after - before).detach().norm() / before.detach().norm().clamp(min=1e-3))
        assert (moved > 1e-3) == (after.ndim > 1), name


def test_training_lets_a_measurement_have_the_machine(digits):
    # The measurement is taken while an epoch is reported, between batches.
    waited = []

    def measure(*_):
        with exclusive("cpu") as seconds:
            waited.append(seconds)

    train(NETWORK, few(digits, 64), QUICK, seed=0, report=measure)
    assert len(waited) == 2


def test_a_batch_waits_for_a_measurement(digits):
    from concurrent.futures import ThreadPoolExecutor
    from concurrent.futures import TimeoutError as NotYet

    with ThreadPoolExecutor(1) as pool:
        with exclusive("cpu"):
            future = pool.submit(train, NETWORK, few(digits, 64), QUICK, seed=0)
            with pytest.raises(NotYet):
                future.result(timeout=1.5)
        assert future.result(timeout=120).evaluation.epochs


def test_normalised_training_images_have_mean_zero_and_deviation_one(digits):
    images = normalise(digits.train.images, mean=digits.mean, std=digits.std)
    assert float(images.mean()) == pytest.approx(0, abs=1e-5)
    assert float(images.std()) == pytest.approx(1, abs=1e-3)


def test_the_gradient_is_clipped_to_the_largest_norm(digits):
    # Without momentum and decay, one step moves all weights together by rate x norm at most.
    settings = replace(
        QUICK, epochs=1, batch_size=64, learning_rate=0.1, momentum=0, weight_decay=0,
        warmup_share=0, clip=0.01,
    )  # fmt: skip
    before = train(NETWORK, few(digits, 64), replace(settings, learning_rate=1e-12), seed=0).module
    after = train(NETWORK, few(digits, 64), settings, seed=0).module
    moved = sum(
        float((a - b).detach().square().sum())
        for a, b in zip(after.parameters(), before.parameters(), strict=True)
    )
    assert moved**0.5 == pytest.approx(0.1 * 0.01, rel=1e-2)


def test_label_smoothing_gives_a_share_of_each_label_to_all_classes(digits):
    # With a learning rate of next to nothing the loss is that of the weights that were drawn.
    settings = replace(
        QUICK, epochs=1, batch_size=64, learning_rate=1e-12, shift=0, label_smoothing=0.2
    )
    data = few(digits, 64)
    (found,) = train(NETWORK, data, settings, seed=0).evaluation.epochs
    torch.manual_seed(0)
    images = normalise(data.train.images, mean=data.mean, std=data.std)
    with torch.no_grad():
        surprise = -build(NETWORK)(images).log_softmax(1)
    own = surprise.gather(1, data.train.labels[:, None]).mean()
    assert found.loss == pytest.approx(float(0.8 * own + 0.2 * surprise.mean()), rel=1e-4)


def test_averaged_weights_are_those_that_are_judged_and_kept(digits):
    settings = replace(QUICK, average=0.999)
    averaged = train(NETWORK, few(digits, 128), settings, seed=0)
    plain = train(NETWORK, few(digits, 128), QUICK, seed=0)
    name = "head.classifier.weight"
    assert not torch.equal(averaged.module.state_dict()[name], plain.module.state_dict()[name])
    share = accuracy(averaged.module, digits.validation, data=digits, settings=resolve(QUICK))
    assert share == averaged.evaluation.accuracy


def test_mixed_precision_trains_and_is_recorded(digits):
    settings = replace(QUICK, precision="bfloat16")
    evaluation = train(NETWORK, few(digits, 128), settings, seed=0).evaluation
    exact = train(NETWORK, few(digits, 128), QUICK, seed=0).evaluation
    assert evaluation.conditions["precision"] == "bfloat16"
    assert evaluation.loss != exact.loss
    assert evaluation.loss == pytest.approx(exact.loss, rel=0.2)


def test_all_augmentations_together_train_to_the_same_bits_twice(digits):
    settings = replace(
        QUICK, flip=True, crop=0.5, jitter=0.3, erase=0.3, mixup=0.2, cutmix=1.0, epochs=3
    )
    first, second = (train(NETWORK, few(digits, 256), settings, seed=4) for _ in range(2))
    assert first.evaluation.epochs[-1].loss < first.evaluation.epochs[0].loss
    for one, other in zip(first.module.parameters(), second.module.parameters(), strict=True):
        assert torch.equal(one, other)
    plain = train(NETWORK, few(digits, 256), replace(QUICK, epochs=3), seed=4)
    assert plain.evaluation.loss < first.evaluation.loss


def test_balanced_weights_let_each_class_count_alike(digits):
    labels = torch.tensor([0] * 6 + [1] * 2 + list(range(2, 10)))
    rare = replace(digits, train=Split(digits.train.images[:16], labels))
    weights = class_weights(rare, replace(QUICK, class_weights="balanced"))
    # 16 images of 10 classes: 16 / (10 x 6), 16 / (10 x 2), 16 / 10 for the others.
    expected = [16 / 60, 16 / 20, *[1.6] * 8]
    assert weights.tolist() == pytest.approx(expected)
    assert float(weights[labels].sum()) == pytest.approx(16)
    assert class_weights(rare, QUICK) is None


def test_class_weights_change_what_is_learnt(digits):
    kept = (digits.train.labels != 3) | (torch.arange(len(digits.train)) % 10 == 0)
    rare = replace(digits, train=Split(digits.train.images[kept], digits.train.labels[kept]))
    plain, balanced = (
        train(NETWORK, rare, replace(QUICK, class_weights=name), seed=1)
        for name in ("none", "balanced")
    )
    assert plain.evaluation.loss != balanced.evaluation.loss
