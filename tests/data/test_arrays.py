import numpy as np
import pytest

from nas.data import load
from nas.errors import DataError
from nas.settings import DataSettings


def images_of(count=30, channels=3, size=(4, 6)):
    random = np.random.default_rng(0)
    shape = (count, *size, channels) if channels else (count, *size)
    return random.integers(0, 256, shape, dtype=np.uint8)


def settings_of(folder, **arrays):
    path = folder / "images.npz"
    np.savez(path, **arrays)
    return DataSettings(name="arrays", path=str(path))


def labels_of(count=30, classes=3):
    return np.arange(count) % classes


def test_colour_images_are_read_channels_first(tmp_path):
    images = images_of()
    data = load(settings_of(tmp_path, images=images, labels=labels_of()))
    assert data.input == (3, 4, 6)
    assert data.classes == 3
    assert data.name == "images"
    assert [len(s) for s in (data.train, data.validation, data.test)] == [18, 6, 6]
    # The training images come in file order; each is found in the file with its label.
    first = data.train.images[0].permute(1, 2, 0).numpy()
    index = int(np.flatnonzero((images == first).all((1, 2, 3)))[0])
    assert int(data.train.labels[0]) == index % 3


def test_grey_images_have_one_channel(tmp_path):
    data = load(settings_of(tmp_path, images=images_of(channels=0), labels=labels_of()))
    assert data.input == (1, 4, 6)


def test_statistics_are_per_channel(tmp_path):
    images = images_of()
    images[..., 1] = 51
    data = load(settings_of(tmp_path, images=images, labels=labels_of()))
    assert data.mean[1] == pytest.approx(0.2)
    # One grey level stands for the deviation of a constant channel.
    assert data.std[1] == pytest.approx(1 / 255)
    assert data.std[0] > 0.2


def test_a_class_of_three_images_has_one_in_each_split(tmp_path):
    labels = np.array([0] * 27 + [1] * 3)
    data = load(settings_of(tmp_path, images=images_of(), labels=labels))
    assert data.counts == (17, 1)
    assert (
        data.told == "2 classes of 1 to 17 training images, kept in memory: arrays are read whole"
    )
    assert [int(s.labels.sum()) for s in (data.train, data.validation, data.test)] == [1, 1, 1]


def test_names_of_classes_are_kept(tmp_path):
    arrays = {
        "images": images_of(),
        "labels": labels_of(),
        "class_names": np.array(["a", "b", "c"]),
    }
    assert load(settings_of(tmp_path, **arrays)).class_names == ("a", "b", "c")


def test_the_hash_changes_with_a_pixel_a_label_the_shares_and_the_seed(tmp_path):
    images, labels = images_of(), labels_of()
    settings = settings_of(tmp_path, images=images, labels=labels)
    path = settings.path
    hashes = [load(settings).hash]
    hashes.append(load(DataSettings(name="arrays", path=path, seed=1)).hash)
    hashes.append(load(DataSettings(name="arrays", path=path, test_share=0.3)).hash)
    images[0, 0, 0, 0] ^= 1
    hashes.append(load(settings_of(tmp_path, images=images, labels=labels)).hash)
    labels = labels.copy()
    labels[:3] = [1, 0, 2]
    hashes.append(load(settings_of(tmp_path, images=images, labels=labels)).hash)
    assert len(set(hashes)) == 5


def test_the_hash_is_equal_for_equal_files_of_other_names(tmp_path):
    (tmp_path / "a").mkdir()
    first = settings_of(tmp_path, images=images_of(), labels=labels_of())
    second = settings_of(tmp_path / "a", images=images_of(), labels=labels_of())
    assert load(first).hash == load(second).hash


BAD = {
    "no array 'labels'": {"labels": None},
    "must be uint8": {"images": images_of().astype(np.float32)},
    "must have the shape": {"images": images_of()[:, 0, 0]},
    "channels come last": {"images": images_of(size=(3, 8), channels=8)},
    "one whole number an image": {"labels": labels_of().astype(float)},
    "20 labels for 30 images": {"labels": labels_of(20)},
    "there must be some; got none": {"images": images_of(0), "labels": labels_of(0)},
    "label is out of range; got -1; allowed: 0..1": {"labels": labels_of() - 1},
    "label is out of range; got 2; allowed: 0..1": {"class_names": np.array(["a", "b"])},
    "two classes or more; got one": {"labels": np.zeros(30, int)},
    "none of class 1": {"labels": labels_of() * 2},
    "got 1 of class 1": {"labels": np.array([0] * 29 + [1])},
    "every split needs at least one image; got 2": {
        "images": images_of(2),
        "labels": labels_of(2),
    },
}


@pytest.mark.parametrize("message", BAD)
def test_arrays_that_are_no_labelled_images_are_told(tmp_path, message):
    arrays = {"images": images_of(), "labels": labels_of(), **BAD[message]}
    arrays = {name: array for name, array in arrays.items() if array is not None}
    with pytest.raises(DataError) as error:
        load(settings_of(tmp_path, **arrays))
    assert message in str(error.value)
    assert "images.npz" in str(error.value)


def test_a_missing_file_is_named():
    with pytest.raises(DataError, match=r"no such file; got 'nowhere\.npz'"):
        load(DataSettings(name="arrays", path="nowhere.npz"))


def test_a_file_cut_in_half_is_told(tmp_path):
    settings = settings_of(tmp_path, images=images_of(), labels=labels_of())
    whole = (tmp_path / "images.npz").read_bytes()
    for length in (len(whole) // 2, 10, 0):
        (tmp_path / "images.npz").write_bytes(whole[:length])
        with pytest.raises(DataError, match="damaged"):
            load(settings)


def test_a_changed_byte_is_told(tmp_path):
    settings = settings_of(tmp_path, images=images_of(), labels=labels_of())
    whole = bytearray((tmp_path / "images.npz").read_bytes())
    whole[600] ^= 255
    (tmp_path / "images.npz").write_bytes(bytes(whole))
    with pytest.raises(DataError, match="damaged"):
        load(settings)


def test_pickled_objects_are_not_opened(tmp_path):
    labels = np.array([object()] * 30)
    with pytest.raises(DataError, match="damaged or something else"):
        load(settings_of(tmp_path, images=images_of(), labels=labels))


def pair(folder, images, labels, name="labels.npy"):
    np.save(folder / "images.npy", images)
    np.save(folder / name, labels)
    return DataSettings(name="arrays", path=str(folder / "images.npy"))


def test_a_pair_of_npy_files_is_the_same_set_as_their_archive(tmp_path):
    images, labels = images_of(), labels_of()
    whole = load(settings_of(tmp_path, images=images, labels=labels))
    assert load(pair(tmp_path, images, labels)).hash == whole.hash
    settings = pair(tmp_path, images, labels, name="classes.npy")
    named = DataSettings(name="arrays", path=settings.path, labels=str(tmp_path / "classes.npy"))
    assert load(named).hash == whole.hash


def test_half_a_pair_or_a_damaged_one_is_told(tmp_path):
    settings = pair(tmp_path, images_of(), labels_of(), name="other.npy")
    with pytest.raises(
        DataError, match=r"^data\.labels: no such file; got '.*labels\.npy'; allowed"
    ):
        load(settings)
    (tmp_path / "labels.npy").write_bytes((tmp_path / "other.npy").read_bytes()[:90])
    with pytest.raises(DataError, match=r"^data\.labels: .*labels\.npy cannot be read as \.npy"):
        load(settings)
