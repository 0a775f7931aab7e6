"""Which images."""

from __future__ import annotations

from dataclasses import dataclass

from nas.settings.checks import at_least, fail, one_of, share

DATA_SETS = ("digits", "arrays", "folder")


@dataclass(frozen=True)
class DataSettings:
    """Which images. `path` is a file for `arrays`, a folder of class folders for `folder`.

    Shares are of all images. Of a `folder`, `height`, `width` and `channels` null are those the
    images have; images that differ are resized and cut to them. `on_damaged` says what becomes of a
    file that cannot be read: `fail` or `skip`. A set of more than `memory_gb` is streamed from
    `workers` processes (0: one a core, at most four) rather than kept in memory.
    """

    name: str = "digits"
    path: str | None = None
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
            if self.name != "folder" and value is not None:
                raise fail(
                    f"data.{name}",
                    f"images of data={self.name} are taken as they are",
                    value,
                    "null, or data=folder, which brings images of different sizes to one",
                )
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
