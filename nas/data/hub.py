"""Image-classification sets through Hugging Face `datasets`: of the hub, or local files.

data.path=uoft-cs/cifar10                         downloaded once, kept by `datasets`
data.path=imagefolder data.files=FOLDER           no network
data.path=parquet data.files=FOLDER/*.parquet     no network
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas.data.dataset import DataSet
from nas.data.decoded import from_files
from nas.errors import DataError
from nas.settings import DataSettings
from nas.settings.data import LOCAL_BUILDERS

VALIDATION_NAMES = ("validation", "valid", "val", "dev")


@dataclass(frozen=True)
class TableRow:
    """One image of a table of `datasets`, still encoded."""

    table: Any
    column: str
    part: str
    index: int

    def __str__(self) -> str:
        return f"row {self.index} of {self.part}"

    def read(self) -> bytes:
        """The encoded image."""
        found = self.table[self.index][self.column]
        if found["bytes"] is not None:
            return bytes(found["bytes"])
        return Path(found["path"]).read_bytes()


def load_hub(settings: DataSettings) -> DataSet:
    """The data set that `settings.path` names.

    Raises:
        DataError: it is not there, has no column of images or labels, or an image is damaged.
    """
    tables = _parts(settings, _tables(settings))
    first = next(iter(tables.values()))
    image = _image_column(settings, first)
    label = _label_column(settings, first)
    labels = [np.asarray(table.with_format("numpy")[label][:]) for table in tables.values()]
    names = _class_names(settings, first, label, np.concatenate(labels))
    encoded = {name: _encoded(table, image) for name, table in tables.items()}
    rows = tuple(
        TableRow(table, image, name, index)
        for name, table in encoded.items()
        for index in range(len(table))
    )
    return from_files(
        settings,
        name=_name(settings),
        paths=rows,
        labels=np.concatenate(labels).astype(np.int64),
        class_names=names,
        counts={name: len(table) for name, table in tables.items()},
        identity=lambda n: f"{tables[rows[n].part]._fingerprint} {rows[n].index}",
    )


def _name(settings: DataSettings) -> str:
    if settings.path in LOCAL_BUILDERS:
        return Path(str(settings.files)).resolve().stem
    return str(settings.path).rpartition("/")[2]


def _tables(settings: DataSettings) -> Mapping[str, Any]:
    """The splits by their names."""
    try:
        import datasets
    except ImportError as error:
        raise DataError(
            f"data=hub: needs the package datasets; got {error}; allowed: "
            "pip install 'latency-nas[data]'"
        ) from error
    where: dict[str, Any] = {}
    if settings.files is not None:
        folder = Path(settings.files).is_dir()
        where = {"data_dir" if folder else "data_files": str(Path(settings.files).resolve())}
    try:
        found = datasets.load_dataset(str(settings.path), settings.subset, **where)
    except Exception as error:  # builders raise errors of many packages
        raise DataError(
            f"data.path: the data set must be there; got {settings.path!r}"
            f"{f', data.files={settings.files}' if settings.files else ''} "
            f"({type(error).__name__}: {' '.join(str(error).split())[:300]}); allowed: a name on "
            "huggingface.co/datasets (with a network the first time), or imagefolder or parquet "
            "with data.files"
        ) from error
    return dict(found)


def _parts(settings: DataSettings, tables: Mapping[str, Any]) -> dict[str, Any]:
    """Training, validation and test as given; a single split is cut by share.

    As for folders: without a test split the validation split is what the winner is judged by.
    """
    if len(tables) == 1:
        return {"all": next(iter(tables.values()))}
    if "train" not in tables:
        raise DataError(
            f"data {settings.path}: must have a split train; got {', '.join(tables)}; allowed: "
            "another data.subset, or a single split"
        )
    parts = {"train": tables["train"]}
    validation = next((tables[n] for n in VALIDATION_NAMES if n in tables), None)
    test = tables.get("test")
    if test is not None:
        parts["test"] = test
        if validation is not None:
            parts["validation"] = validation
    elif validation is not None:
        parts["test"] = validation
    return parts if len(parts) > 1 else {"all": tables["train"]}


def _image_column(settings: DataSettings, table: Any) -> str:
    import datasets

    found = [n for n, kind in table.features.items() if isinstance(kind, datasets.Image)]
    if not found:
        raise DataError(
            f"data {settings.path}: must have a column of images; got {_columns(table)}; allowed: "
            "a data set for image classification"
        )
    return str(found[0])


def _label_column(settings: DataSettings, table: Any) -> str:
    import datasets

    kinds = table.features
    named = [n for n, kind in kinds.items() if isinstance(kind, datasets.ClassLabel)]
    plain = [n for n in ("label", "labels") if n in kinds and n not in named]
    if settings.labels is not None:
        if settings.labels in kinds:
            return settings.labels
    elif len(named or plain) == 1:
        return str((named or plain)[0])
    raise DataError(
        f"data.labels: must name the column of labels; got {settings.labels!r} of "
        f"{_columns(table)}; allowed: {', '.join(named or kinds)}"
    )


def _class_names(
    settings: DataSettings, table: Any, column: str, labels: np.ndarray
) -> tuple[str, ...]:
    kind = table.features[column]
    if not np.issubdtype(labels.dtype, np.integer):
        raise DataError(
            f"data {settings.path}, {column}: labels must be whole numbers; got {labels.dtype}; "
            "allowed: a column of class labels"
        )
    names = tuple(kind.names) if hasattr(kind, "names") else ()
    names = names or tuple(map(str, range(int(labels.max()) + 1)))
    if labels.min() < 0 or labels.max() >= len(names):
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise DataError(
            f"data {settings.path}, {column}: a label is out of range; got {wrong}; allowed: "
            f"0..{len(names) - 1} (a test split of the hub may have no labels)"
        )
    present = set(np.unique(labels).tolist())
    if len(names) < 2 or len(present) < len(names):
        missing = [name for n, name in enumerate(names) if n not in present]
        raise DataError(
            f"data {settings.path}, {column}: there must be two classes or more, each with images; "
            f"got {len(present)} of {len(names)}, none of {', '.join(missing[:3]) or 'a second'}"
        )
    return names


def _encoded(table: Any, column: str) -> Any:
    import datasets

    return table.select_columns([column]).cast_column(column, datasets.Image(decode=False))


def _columns(table: Any) -> str:
    return ", ".join(f"{name} ({type(kind).__name__})" for name, kind in table.features.items())
