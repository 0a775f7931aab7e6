"""Which images."""

from __future__ import annotations

from dataclasses import dataclass

from nas.settings.checks import at_least, fail, one_of, share

DATA_SETS = ("digits", "arrays", "folder", "hub")

LOCAL_BUILDERS = ("imagefolder", "parquet")


@dataclass(frozen=True)
class DataSettings:
    """Which images.

    `path` is a file for `arrays`, a folder of class folders for `folder`, for `hub` the name of a
    data set of the Hugging Face hub, or `imagefolder` or `parquet` with `files`. `labels` is the
    file of labels beside `arrays` of a .npy file, or the column of labels of `hub`; `subset` the
    configuration of a data set of the hub that has several.

    Shares are of all images. Of `folder` and `hub`, `height`, `width` and `channels` null are those
    the images have; images that differ are resized and cut to them. `on_damaged` says what becomes
    of a file that cannot be read: `fail` or `skip`. A set of more than `memory_gb` is streamed from
    `workers` processes (0: one a core, at most four) rather than kept in memory.
    """

    name: str = "digits"
    path: str | None = None
    labels: str | None = None
    files: str | None = None
    subset: str | None = None
    validation_share: float = 0.2
    test_share: float = 0.2
    seed: int = 0
    height: int | None = None
    width: int | None = None
    channels: int | None = None
    on_damaged: str = "fail"
    memory_gb: float = 2.0
    workers: int = 0

    def __post_init__(self) -> None:
        one_of("data.name", self.name, DATA_SETS)
        share("data.validation_share", self.validation_share)
        share("data.test_share", self.test_share)
        if self.validation_share + self.test_share >= 1:
            raise fail(
                "data.test_share", "must leave images to train on", self.test_share,
                f"below {1 - self.validation_share:g}",
            )  # fmt: skip
        if self.name == "arrays" and not self.path:
            raise fail("data.path", "data=arrays reads a file", self.path, "data.path=images.npz")
        if self.name == "folder" and not self.path:
            raise fail("data.path", "data=folder reads a folder", self.path, "data.path=images")
        for name in ("height", "width", "channels"):
            value = getattr(self, name)
            if self.name not in ("folder", "hub") and value is not None:
                raise fail(
                    f"data.{name}",
                    f"images of data={self.name} are taken as they are",
                    value,
                    "null, or data=folder, which brings images of different sizes to one",
                )
        if self.name == "hub":
            self._check_hub()
        at_least("data.height", self.height, 1)
        at_least("data.width", self.width, 1)
        if (self.height is None) != (self.width is None):
            raise fail(
                "data.width", "goes with data.height", self.width, "both numbers, or both null"
            )
        if self.channels not in (None, 1, 3):
            raise fail("data.channels", "must be grey or colour", self.channels, "1, 3, null")
        one_of("data.on_damaged", self.on_damaged, ("fail", "skip"))
        at_least("data.memory_gb", self.memory_gb, 0)
        at_least("data.workers", self.workers, 0)

    def _check_hub(self) -> None:
        if not self.path:
            raise fail(
                "data.path", "data=hub reads a named data set", self.path,
                "data.path=uoft-cs/cifar10, or imagefolder or parquet with data.files",
            )  # fmt: skip
        if self.path in LOCAL_BUILDERS and not self.files:
            raise fail(
                "data.files", f"data.path={self.path} reads your own files", self.files,
                "a folder, or a file",
            )  # fmt: skip
