"""An exported folder: what is in it, and how it is read back; nothing in it is ever unpickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.architecture import Architecture
from nas.errors import ArchitectureError, ExportError, SettingsError
from nas.export.own_files import placed
from nas.outcome import Certificate, Latency
from nas.settings import DataSettings

if TYPE_CHECKING:
    from torch import nn

MANIFEST = "model.json"
ARCHITECTURE = "architecture.json"
LABELS = "labels.txt"
PREPROCESS = "preprocess.json"
GOLDEN = "golden.npz"
CARD = "README.md"
FORMAT = 1


@dataclass(frozen=True)
class Preprocess:
    """How an image becomes an input.

    It is resized (bilinear) to cover height x width, cut to them around the middle, its channels
    come in `channel_order`; pixels 0..255 are divided by 255, less `mean`, over `std`. With
    `inside` that last step is part of the exported graphs, which then take pixels as float32.
    """

    height: int
    width: int
    channels: int
    channel_order: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    inside: bool = False
    resize: str = "bilinear, shorter side first, then cut around the middle"
    layout: str = "NCHW"
    dtype: str = "float32"

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Preprocess:
        """The way back from `asdict`."""
        found = {name: value[name] for name in cls.__dataclass_fields__ if name in value}
        return cls(**{**found, "mean": tuple(value["mean"]), "std": tuple(value["std"])})


@dataclass(frozen=True)
class Manifest:
    """What an exported folder says of itself.

    `differences` are those of each file from eager torch, `latencies` of each file that a runtime
    loads, measured on `target` beside the published network `reference`; `files` holds the SHA-256
    of each file; `seed_tests` what each seed's training had on the test images by `metric`, where
    there was more than this one; `certificate` what its study certified of the network. Accuracies
    are shares; the interval of the test accuracy is Wilson's, 95 %.
    """

    name: str
    source: str
    fingerprint: str
    text: str
    data: DataSettings
    data_name: str
    data_hash: str
    test_images: int
    test_accuracy: float
    test_low: float
    test_high: float
    validation_accuracy: float | None
    seed_tests: tuple[float, ...]
    epochs: int | None
    costs: dict[str, Any]
    target: dict[str, Any]
    target_settings: dict[str, Any]
    reference: str
    latencies: dict[str, Latency]
    differences: dict[str, float]
    preprocess: Preprocess
    command: str
    versions: dict[str, str]
    study: str = ""
    trial: int | None = None
    metric: str = "accuracy"
    certificate: Certificate | None = None
    files: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            **plain,
            "format": FORMAT,
            "data": asdict(self.data),
            "preprocess": asdict(self.preprocess),
            "latencies": {name: one.to_json() for name, one in self.latencies.items()},
            "certificate": self.certificate and self.certificate.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Manifest:
        """The way back from `to_json`."""
        found = {name: value[name] for name in cls.__dataclass_fields__ if name in value}
        found["seed_tests"] = tuple(value["seed_tests"])
        found["data"] = DataSettings(**value["data"])
        found["preprocess"] = Preprocess.from_json(value["preprocess"])
        found["latencies"] = {n: Latency.from_json(v) for n, v in value["latencies"].items()}
        certificate = value.get("certificate")
        found["certificate"] = certificate and Certificate.from_json(certificate)
        return cls(**found)


def read(folder: Path) -> Manifest:
    """What an exported folder says of itself.

    Raises:
        ExportError: it is no exported folder, or its description is damaged.
    """
    try:
        value = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if value["format"] != FORMAT:
            raise ValueError(f"format {value['format']}, this version reads {FORMAT}")
        return Manifest.from_json(value)
    except FileNotFoundError:
        raise ExportError(
            f"{folder}: must be a folder that nas export wrote; got one without {MANIFEST}; "
            "allowed: nas export NETWORK --to DIR"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, SettingsError) as error:
        raise ExportError(
            f"{folder / MANIFEST}: must be as nas export wrote it; got {type(error).__name__}: "
            f"{error}; allowed: export it again"
        ) from error


def architecture_of(folder: Path) -> Architecture:
    """The network of an exported folder.

    Raises:
        ExportError: its description is missing or damaged.
    """
    path = folder / ARCHITECTURE
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return Architecture.from_json(placed(value, folder))
    except (OSError, ValueError, KeyError, TypeError, ArchitectureError) as error:
        raise ExportError(
            f"{path}: must be as nas export wrote it; got {error}; allowed: export it again"
        ) from error


def load(folder: str | Path) -> nn.Module:
    """The module of an exported folder, with its weights, in evaluation mode.

    It takes images as `preprocess.json` describes them, normalised also where the exported graphs
    do that themselves. No pickle is read. What is in the folder cannot run code, but for the files
    in `own/`, which a network with units of the user's own has and needs.

    Raises:
        ExportError: the folder is not whole, or its weights are of another network.
    """
    from nas.errors import DataError
    from nas.export.forms import TENSORS
    from nas.weights import load as weights

    folder = Path(folder)
    read(folder)
    try:
        return weights(architecture_of(folder), folder / TENSORS)
    except DataError as error:
        raise ExportError(str(error)) from error


def sha256(path: Path) -> str:
    """Of a file.

    Raises:
        ExportError: it is missing.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ExportError(
            f"{path}: must be there; got {error.strerror}; allowed: the whole exported folder"
        ) from error
