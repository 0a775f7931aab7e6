"""Sets through Hugging Face `datasets`, by its builders that need no network."""

import io
from dataclasses import replace

import datasets
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from PIL import Image

from nas.data import batches, load
from nas.errors import DataError, SettingsError
from nas.settings import DataSettings


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True, raising=False)
    datasets.disable_progress_bars()


def encoded(colour, size=(6, 4)):
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, "PNG")
    return stream.getvalue()


def folders(root, splits=("train",), count=10):
    """Red cats and blue dogs."""
    for split in splits:
        for number in range(count):
            for name, colour in (("cat", (100 + number, 0, 0)), ("dog", (0, 0, 100 + number))):
                path = root / split / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(encoded(colour))
    return DataSettings(name="hub", path="imagefolder", files=str(root), workers=1)


def table(path, images, **columns):
    """A parquet file as the hub keeps them, with the types of its columns."""
    kinds = {name: datasets.Value("int64") for name in columns}
    kinds |= {n: datasets.ClassLabel(names=["cat", "dog"]) for n in columns if "label" in n}
    features = datasets.Features({"img": datasets.Image(), **kinds})
    rows = {"img": [{"bytes": one, "path": None} for one in images], **columns}
    made = datasets.Dataset.from_dict(rows, features=features)
    made.to_parquet(str(path))
    return DataSettings(name="hub", path="parquet", files=str(path), workers=1)


def colours(count=20):
    return [encoded((100 + n, 0, 0) if n % 2 == 0 else (0, 0, 100 + n)) for n in range(count)]


def assert_red_is_class_0(data):
    for split in (data.train, data.validation, data.test):
        ((images, labels),) = batches(split, [torch.arange(len(split))])
        assert torch.equal(images[:, 0, 0, 0] == 0, labels == 1)


def test_a_folder_of_images_is_read_and_split(tmp_path):
    data = load(folders(tmp_path / "pets"))
    assert data.name == "pets"
    assert data.class_names == ("cat", "dog")
    assert data.input == (3, 4, 6)
    assert [len(s) for s in (data.train, data.validation, data.test)] == [12, 4, 4]
    assert_red_is_class_0(data)


def test_a_given_test_split_stays_one_and_validation_is_cut_from_training(tmp_path):
    data = load(folders(tmp_path / "pets", ("train", "test"), count=5))
    assert [len(s) for s in (data.train, data.validation, data.test)] == [8, 2, 10]
    assert_red_is_class_0(data)


def test_a_parquet_file_is_read_whatever_its_columns_are_called(tmp_path):
    labels = [n % 2 for n in range(20)]
    data = load(table(tmp_path / "pets.parquet", colours(), my_label=labels))
    assert data.class_names == ("cat", "dog")
    assert_red_is_class_0(data)


def test_in_memory_and_streamed_are_the_same_images(tmp_path):
    settings = table(tmp_path / "pets.parquet", colours(), label=[n % 2 for n in range(20)])
    kept, streamed = load(settings), load(replace(settings, memory_gb=0.0))
    assert "kept in memory" in kept.kept
    assert "more than data.memory_gb=0: streamed by 1 workers" in streamed.kept
    assert_red_is_class_0(streamed)
    assert (kept.mean, kept.std) == (streamed.mean, streamed.std)
    ((images, labels),) = batches(streamed.train, [torch.arange(len(streamed.train))])
    assert torch.equal(images, kept.train.images)
    assert torch.equal(labels, kept.train.labels)


def test_the_hash_is_that_of_the_images_and_their_split(tmp_path):
    labels = [n % 2 for n in range(20)]
    one = load(table(tmp_path / "one.parquet", colours(), label=labels)).hash
    same = load(table(tmp_path / "same.parquet", colours(), label=labels)).hash
    other = load(table(tmp_path / "other.parquet", colours()[::-1], label=labels)).hash
    assert one == same != other


def test_of_several_columns_of_labels_one_must_be_named(tmp_path):
    labels = [n % 2 for n in range(20)]
    settings = table(tmp_path / "two.parquet", colours(), fine_label=labels, coarse_label=labels)
    with pytest.raises(DataError, match=r"data\.labels: .+fine_label.+; allowed: fine_label, coar"):
        load(settings)
    assert load(replace(settings, labels="fine_label")).classes == 2


def test_a_damaged_image_is_named_by_its_row_or_left_out(tmp_path):
    images = colours()
    images[7] = images[7][:40]
    settings = table(tmp_path / "pets.parquet", images, label=[n % 2 for n in range(20)])
    with pytest.raises(DataError, match=r"got row 7 of all .+data\.on_damaged=skip"):
        load(settings)
    data = load(replace(settings, on_damaged="skip"))
    assert sum(map(len, (data.train, data.validation, data.test))) == 19


def test_what_is_no_set_of_labelled_images_is_told(tmp_path):
    numbers = pyarrow.table({"label": np.arange(6) % 2, "size": np.arange(6)})
    pyarrow.parquet.write_table(numbers, tmp_path / "numbers.parquet")
    settings = DataSettings(name="hub", path="parquet", files=str(tmp_path / "numbers.parquet"))
    with pytest.raises(DataError, match=r"must have a column of images; got label \(Value\), size"):
        load(settings)
    with pytest.raises(DataError, match=r"got 1 of 2, none of dog"):
        load(table(tmp_path / "cats.parquet", colours(), label=[0] * 20))
    unlabelled = [-1, *([0, 1] * 10)[1:]]
    with pytest.raises(DataError, match=r"a label is out of range; got -1; allowed: 0\.\.1"):
        load(table(tmp_path / "hidden.parquet", colours(), label=unlabelled))


def test_a_set_that_is_not_there_is_told_in_one_message(tmp_path):
    settings = DataSettings(name="hub", path="parquet", files=str(tmp_path / "none.parquet"))
    with pytest.raises(DataError, match=r"data\.path: the data set must be there; got 'parquet'"):
        load(settings)


@pytest.mark.parametrize(("path", "setting"), [(None, "path"), ("imagefolder", "files")])
def test_the_hub_needs_a_name_and_its_local_builders_files(path, setting):
    with pytest.raises(SettingsError, match=rf"^data\.{setting}: .+; got None; allowed: "):
        DataSettings(name="hub", path=path)
