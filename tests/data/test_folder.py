import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from nas.data import batches, load
from nas.data.files import Files
from nas.errors import DataError
from nas.settings import DataSettings

WORKERS = 1


def write(path, colour, size=(6, 4), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


def class_folders(root, count=10, size=(6, 4)):
    """Red cats and blue dogs, each image of a brightness of its own."""
    for number in range(count):
        write(root / "cat" / f"{number}.png", (100 + number, 0, 0), size)
        write(root / "dog" / f"{number}.png", (0, 0, 100 + number), size)
    return DataSettings(name="folder", path=str(root), workers=WORKERS)


def red(split):
    return {int(image[0, 0, 0]) for image in split.images}


def test_folders_are_classes_and_all_the_rest_is_found_from_the_images(tmp_path):
    data = load(class_folders(tmp_path / "pets"))
    assert data.name == "pets"
    assert data.class_names == ("cat", "dog")
    assert data.input == (3, 4, 6)
    assert [len(s) for s in (data.train, data.validation, data.test)] == [12, 4, 4]
    for split in (data.train, data.validation, data.test):
        # Cats are red: channel 0 is lit in images of class 0 only.
        assert torch.equal(split.images[:, 0, 0, 0] == 0, split.labels == 1)
        assert int((split.labels == 0).sum()) == len(split) // 2


@pytest.mark.parametrize("memory_gb", [2.0, 0.0])
def test_the_current_folder_gives_the_set_its_name(tmp_path, monkeypatch, memory_gb):
    class_folders(tmp_path / "pets")
    monkeypatch.chdir(tmp_path / "pets")
    settings = DataSettings(name="folder", path=".", workers=WORKERS, memory_gb=memory_gb)
    assert load(settings).name == "pets"


def test_grey_images_have_one_channel_unless_told(tmp_path):
    for number in range(5):
        for name in ("a", "b"):
            write(tmp_path / name / f"{number}.png", number, mode="L")
    settings = DataSettings(name="folder", path=str(tmp_path), workers=WORKERS)
    assert load(settings).input == (1, 4, 6)
    assert load(replace(settings, channels=3)).input == (3, 4, 6)


def test_images_of_different_sizes_are_refused_naming_two_of_them(tmp_path):
    settings = class_folders(tmp_path)
    write(tmp_path / "dog" / "large.png", (0, 0, 9), (12, 8))
    with pytest.raises(DataError, match=r"6x4 \(.*\) and 12x8 \(.*large\.png\)") as error:
        load(settings)
    assert "data.height" in str(error.value)


def test_images_are_resized_to_cover_and_cut_around_the_middle(tmp_path):
    settings = class_folders(tmp_path)
    # 24x8, left and right quarters white: covering 4x4 is 12x4, its middle 4x4 is all dark.
    image = Image.new("RGB", (24, 8), (255, 255, 255))
    image.paste((50, 60, 70), (6, 0, 18, 8))
    image.save(tmp_path / "dog" / "wide.png")
    data = load(replace(settings, height=4, width=4))
    assert data.input == (3, 4, 4)
    pixels = torch.cat([s.images for s in (data.train, data.validation, data.test)])
    wide = [image for image in pixels if int(image[1, 0, 0]) == 60]
    assert len(wide) == 1
    assert torch.equal(wide[0], torch.tensor([50, 60, 70]).view(3, 1, 1).expand(3, 4, 4).byte())


def test_a_given_validation_folder_is_the_test_split_where_there_is_no_other(tmp_path):
    class_folders(tmp_path / "train")
    for name, colour in (("cat", (7, 0, 0)), ("dog", (0, 0, 7))):
        write(tmp_path / "val" / name / "0.png", colour)
    data = load(DataSettings(name="folder", path=str(tmp_path), workers=WORKERS))
    assert len(data.test) == 2
    assert red(data.test) == {7, 0}
    # A fifth of the 20 training images.
    assert (len(data.train), len(data.validation)) == (16, 4)
    assert 7 not in red(data.train) | red(data.validation)


def test_three_given_parts_are_kept_as_they_are(tmp_path):
    for part, shade in (("train", 1), ("val", 2), ("test", 3)):
        for number in range(3):
            write(tmp_path / part / "cat" / f"{number}.png", (shade, 0, 0))
            write(tmp_path / part / "dog" / f"{number}.png", (shade, 0, 9))
    data = load(DataSettings(name="folder", path=str(tmp_path), workers=WORKERS))
    assert [red(s) for s in (data.train, data.validation, data.test)] == [{1}, {2}, {3}]


def test_a_streamed_set_gives_the_images_of_one_in_memory(tmp_path):
    settings = class_folders(tmp_path)
    kept, streamed = load(settings), load(replace(settings, memory_gb=0))
    assert isinstance(streamed.train.images, Files)
    assert streamed.mean == kept.mean
    assert streamed.std == kept.std
    chosen = [torch.tensor([5, 0, 3]), torch.tensor([11])]
    for (images, labels), (same, too) in zip(
        batches(streamed.train, chosen), batches(kept.train, chosen), strict=True
    ):
        assert torch.equal(images, same)
        assert torch.equal(labels, too)


def test_which_of_memory_and_stream_was_chosen_and_why_is_logged(tmp_path, caplog):
    settings = class_folders(tmp_path)
    with caplog.at_level(logging.INFO, "nas.data.decoded"):
        load(settings)
        load(replace(settings, memory_gb=0))
    assert "kept in memory" in caplog.messages[0]
    assert "more than data.memory_gb=0: streamed by 1 workers" in caplog.messages[1]


def test_the_hash_changes_with_an_image_and_with_the_split(tmp_path):
    settings = class_folders(tmp_path)
    first = load(settings).hash
    assert load(replace(settings, seed=1)).hash != first
    write(tmp_path / "dog" / "3.png", (9, 9, 9))
    assert load(replace(settings, workers=2)).hash != first


def damage(path):
    path.write_bytes(path.read_bytes()[:40])


def test_a_damaged_image_is_named(tmp_path):
    settings = class_folders(tmp_path)
    damage(tmp_path / "cat" / "4.png")
    with pytest.raises(DataError, match=r"cat/4\.png .*data\.on_damaged=skip"):
        load(settings)


def test_damaged_images_are_left_out_and_named_where_that_is_wanted(tmp_path, caplog):
    settings = replace(class_folders(tmp_path), on_damaged="skip")
    damage(tmp_path / "cat" / "4.png")
    (tmp_path / "dog" / "0.png").write_bytes(b"")
    data = load(settings)
    splits = (data.train, data.validation, data.test)
    assert sum(map(len, splits)) == 18
    assert not any(104 in red(split) for split in splits)
    assert sum("left out" in message for message in caplog.messages) == 2


def test_a_damaged_image_of_a_stream_is_named_or_left_out(tmp_path):
    settings = replace(class_folders(tmp_path), memory_gb=0)
    data = load(settings)
    damage(data.validation.images.paths[1])
    chosen = [torch.arange(4)]
    with pytest.raises(DataError, match="must be readable"):
        list(batches(data.validation, chosen))
    lenient = replace(data.validation.images, on_damaged="skip")
    [(images, labels)] = batches(replace(data.validation, images=lenient), chosen)
    assert len(images) == len(labels) == 3
    assert torch.equal(labels, data.validation.labels[[0, 2, 3]])


def test_folders_that_hold_no_classes_of_images_are_told(tmp_path):
    def refused(path, message):
        with pytest.raises(DataError, match=message):
            load(DataSettings(name="folder", path=str(path), workers=WORKERS))

    refused(tmp_path / "nowhere", "no such folder; got '.*nowhere'")
    refused(tmp_path, "each of two classes or more; got none")
    write(tmp_path / "one" / "cat" / "0.png", 0)
    refused(tmp_path / "one", "two classes or more; got cat")
    (tmp_path / "one" / "dog").mkdir()
    refused(tmp_path / "one", r"got none in .*dog")
    write(tmp_path / "one" / "dog" / "0.png", 0)
    refused(tmp_path / "one", "every")
    class_folders(tmp_path / "rare")
    write(tmp_path / "rare" / "fox" / "0.png", (1, 1, 1))
    refused(tmp_path / "rare", "every class needs an image in each of 3 splits; got 1 of class fox")


def test_a_class_of_the_test_images_that_is_not_trained_is_named(tmp_path):
    class_folders(tmp_path / "train")
    class_folders(tmp_path / "test")
    write(tmp_path / "test" / "fox" / "0.png", (1, 1, 1))
    with pytest.raises(DataError, match="got 'fox'"):
        load(DataSettings(name="folder", path=str(tmp_path), workers=WORKERS))


def test_a_streamed_set_trains(tmp_path):
    from nas.architecture import Architecture
    from nas.settings import TrainingSettings
    from nas.training import train

    settings = replace(class_folders(tmp_path, count=20, size=(8, 8)), memory_gb=0)
    network = Architecture.from_text("in3x8x8+stem8-s1+sandglass:16-s2+sandglass:24-s2+head0+out2")
    recipe = TrainingSettings(epochs=4, batch_size=8, device="cpu", shift=0, learning_rate=0.05)
    streamed = train(network, load(settings), recipe, seed=0).evaluation
    kept = train(network, load(replace(settings, memory_gb=1)), recipe, seed=0).evaluation
    assert streamed.loss == kept.loss
    assert streamed.accuracy == kept.accuracy


def test_settings_that_cannot_be_are_refused():
    from nas.errors import SettingsError

    for given, key in (
        ({"name": "folder"}, "data.path"),
        ({"name": "folder", "path": "x", "height": 8}, "data.width"),
        ({"name": "folder", "path": "x", "channels": 2}, "data.channels"),
        ({"height": 8, "width": 8}, "data.height: images of data=digits are taken as they are"),
        ({"name": "arrays", "path": "x", "channels": 1}, "data.channels: images of data=arrays"),
        ({"on_damaged": "ignore"}, "data.on_damaged"),
        ({"workers": -1}, "data.workers"),
        ({"memory_gb": -1.0}, "data.memory_gb"),
    ):
        with pytest.raises(SettingsError, match=key):
            DataSettings(**given)


def test_decoding_keeps_every_pixel_of_an_image_of_the_right_size(tmp_path):
    from nas.data.files import decode

    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    read = decode(tmp_path / "x.png", channels=3, height=5, width=7)
    assert np.array_equal(read, pixels)
