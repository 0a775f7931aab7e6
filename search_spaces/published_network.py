"""One published network: what is printed of it, where, and how it is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nas.architecture import Architecture
from nas.errors import SpaceError
from search_spaces.frame import Size

if TYPE_CHECKING:
    from torch import nn

PUBLISHED = "published"
RECONSTRUCTED = "reconstructed"
NOT_BUILDABLE = "not_buildable"
STATUSES = (PUBLISHED, RECONSTRUCTED, NOT_BUILDABLE)

IMAGENET: Size = (3, 224, 224)
IMAGENET_CLASSES = 1000


@dataclass(frozen=True)
class PrintedSpeed:
    """A time or a rate that a source prints: `unit` is ms, images/s or batches/s."""

    value: float
    unit: str
    device: str
    source: str
    input: Size = IMAGENET


@dataclass(frozen=True)
class PublishedNetwork:
    """A network some paper or its authors' code names, with what they print of it.

    `multiply_adds`, `parameters` and `top1_error` (percent, ImageNet) are the printed ones, at
    224x224 and 1,000 classes, None where nothing is printed. `classifier_counted` is the counting
    rule of the printed multiply-adds: whether they hold the classifier. `status` tells what was
    guessed: "published" is built as given, "reconstructed" needed a choice that no source gives
    and "not_buildable" cannot be built as printed; `reason` says why. `deviation` says why count
    and print differ by more than 1 % where they do. References (AlexNet and the like) are plain
    modules: `reference` is the name of their builder, and they have no architecture.
    """

    name: str
    source: str
    make: Callable[..., Architecture] | None = None
    reference: str = ""
    multiply_adds: int | None = None
    parameters: int | None = None
    top1_error: float | None = None
    classifier_counted: bool = True
    speeds: tuple[PrintedSpeed, ...] = ()
    status: str = PUBLISHED
    reason: str = ""
    deviation: str = ""
    note: str = field(default="")

    def architecture(
        self, *, input: Size = IMAGENET, classes: int = IMAGENET_CLASSES
    ) -> Architecture:
        """The network for this input and number of classes.

        Raises:
            SpaceError: it is not buildable, or a plain module; or the input is below 8x8.
        """
        if self.reference:
            raise SpaceError(
                f"published network {self.name}: must be one with an architecture; got a plain "
                "module for counting and timing; allowed: its PublishedNetwork.module()"
            )
        if self.make is None:
            raise SpaceError(
                f"published network {self.name}: must be one that can be built; got "
                f"{self.status}: {self.reason}; allowed: one that nas networks gives costs of"
            )
        return self.make(input=input, classes=classes)

    def module(self, *, input: Size = IMAGENET, classes: int = IMAGENET_CLASSES) -> nn.Module:
        """The torch module of a reference.

        Raises:
            SpaceError: it is no reference: build its architecture instead.
        """
        if not self.reference:
            raise SpaceError(
                f"published network {self.name}: must be a reference without an architecture; got "
                f"{self.status}; allowed: nas.build(network.architecture())"
            )
        from search_spaces.references import REFERENCES

        return REFERENCES[self.reference](channels=input[0], classes=classes)

    def comparable(self, multiply_adds: int) -> int:
        """A count at 224x224 and 1,000 classes by the rule of the printed number."""
        if self.classifier_counted:
            return multiply_adds
        architecture = self.architecture()
        features = architecture.head.out_channels or architecture.units[-1].out_channels
        return multiply_adds - features * architecture.classes

    def difference(self, multiply_adds: int) -> float | None:
        """Percent by which a count at 224x224 and 1,000 classes is above the printed number."""
        if self.multiply_adds is None:
            return None
        return 100 * (self.comparable(multiply_adds) / self.multiply_adds - 1)


def times(width: float) -> str:
    """A width as a name has it: 0.5 -> x0_5."""
    return f"x{float(width)}".replace(".", "_")
