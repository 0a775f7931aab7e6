"""A network as a frozen value: complete in itself, free of torch.

`Architecture` holds everything its module is built from. It has a JSON form, a text form of one
word that is safe in a shell, in Hydra and in MLflow, and a fingerprint that is equal for two
architectures exactly when the layers and the wiring they build are equal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from nas.errors import ArchitectureError, nearest
from nas.unit_rules import OptionValue, Plan, plans, rule_of

FORMAT = 1
KERNEL_SIZES = (3, 5, 7)
ACTIVATIONS = ("relu", "relu6")


def _positive(where: str, value: object, least: int = 1) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ArchitectureError(
            f"{where}: must be a whole number; got {value!r}; allowed from {least} on"
        )


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _one_of(where: str, value: object, allowed: Sequence[object]) -> None:
    if value not in allowed:
        raise ArchitectureError(
            f"{where}: must be one of the allowed values; got {value!r}; "
            f"allowed: {', '.join(map(str, allowed))}"
        )


@dataclass(frozen=True)
class UnitSpec:
    """One building block.

    `expansion` is the ratio between the widest and the narrowest tensor inside the unit: shuffle_v1
    out/bottleneck (published 4), shuffle_v2 1, sandglass in/hidden (6), inverted residual hidden/in
    (6). `options` are the further choices of the kind as sorted (name, value) pairs, those at their
    default left out.
    """

    kind: str
    out_channels: int
    stride: int = 1
    groups: int = 1
    expansion: float = 1.0
    kernel_size: int = 3
    options: tuple[tuple[str, OptionValue], ...] = ()

    def __post_init__(self) -> None:
        where = f"unit {self.kind}:{self.out_channels}"
        if not isinstance(self.kind, str):
            raise ArchitectureError(f"{where}, kind: must be text; got {self.kind!r}; allowed: vgg")
        _positive(f"{where}, out_channels", self.out_channels)
        _positive(f"{where}, stride", self.stride)
        _one_of(f"{where}, stride", self.stride, (1, 2))
        _positive(f"{where}, groups", self.groups)
        _positive(f"{where}, kernel_size", self.kernel_size)
        _one_of(f"{where}, kernel_size", self.kernel_size, KERNEL_SIZES)
        if not _number(self.expansion) or not 1 <= self.expansion < float("inf"):
            raise ArchitectureError(
                f"{where}, expansion: must be a ratio; got {self.expansion!r}; allowed from 1 on"
            )
        rule = rule_of(self.kind)
        kept = {}
        for name, value in sorted(self.options):
            if name not in rule.options:
                raise ArchitectureError(
                    f"{where}, options: unknown option; got {name!r}; "
                    f"allowed: {nearest(name, rule.options) or 'none'}"
                )
            allowed = rule.options[name]
            if value not in allowed:
                _one_of(f"{where}, {name}", value, allowed)
            if value != allowed[0]:
                kept[name] = allowed[allowed.index(value)]  # 1 for true becomes true
        object.__setattr__(self, "options", tuple(kept.items()))
        object.__setattr__(self, "expansion", float(self.expansion))

    def option(self, name: str, allowed: Mapping[str, tuple[OptionValue, ...]]) -> Any:
        """The value of a further option, or its default (the first allowed value)."""
        return dict(self.options).get(name, allowed[name][0])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `options` as an object."""
        return {**asdict(self), "options": dict(self.options)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> UnitSpec:
        """The way back from `to_json`."""
        fields = dict(value)
        options = tuple(sorted(dict(fields.pop("options", {})).items()))
        return cls(**fields, options=options)


@dataclass(frozen=True)
class StemSpec:
    """The first convolution (3x3 with normalisation and activation), then max-pooling if `pool`.

    `before` holds the channels of further such convolutions in front of it; the first of all has
    the stride.
    """

    out_channels: int = 24
    stride: int = 2
    pool: bool = True
    activation: str = "relu"
    before: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _positive("stem, out_channels", self.out_channels)
        _positive("stem, stride", self.stride)
        _one_of("stem, stride", self.stride, (1, 2))
        _one_of("stem, pool", self.pool, (True, False))
        _one_of("stem, activation", self.activation, ACTIVATIONS)
        object.__setattr__(self, "before", tuple(self.before))
        for channels in self.before:
            _positive("stem, before", channels)


@dataclass(frozen=True)
class HeadSpec:
    """A last 1x1 convolution (none if out_channels is 0), global pooling, dropout, classifier."""

    out_channels: int = 0
    activation: str = "relu"
    dropout: float = 0.0
    bias: bool = False

    def __post_init__(self) -> None:
        _positive("head, out_channels", self.out_channels, least=0)
        _one_of("head, activation", self.activation, ACTIVATIONS)
        _one_of("head, bias", self.bias, (True, False))
        if not _number(self.dropout) or not 0 <= self.dropout < 1:
            raise ArchitectureError(
                f"head, dropout: must be a probability; got {self.dropout!r}; allowed: 0 <= p < 1"
            )


@dataclass(frozen=True)
class Architecture:
    """A whole network.

    Shape:
        input: (channels, height, width) of one image; `classes`: outputs of the classifier.

    Raises:
        ArchitectureError: a unit's channel rule is broken, or the input is too small for the
            strides.
    """

    input: tuple[int, int, int]
    stem: StemSpec
    units: tuple[UnitSpec, ...]
    head: HeadSpec
    classes: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "input", tuple(self.input))
        object.__setattr__(self, "units", tuple(self.units))
        if len(self.input) != 3:
            raise ArchitectureError(
                f"architecture, input: must be (channels, height, width); got {self.input}; "
                "allowed: three whole numbers"
            )
        for name, side in zip(("channels", "height", "width"), self.input, strict=True):
            _positive(f"architecture, input {name}", side)
        _positive("architecture, classes", self.classes)
        if not self.units:
            raise ArchitectureError(
                "architecture, units: must hold at least one unit; got none; allowed: one or more"
            )
        _ = self.sizes, self.plans  # a network that cannot be built is never a value

    @cached_property
    def plans(self) -> tuple[Plan, ...]:
        """One plan a unit: what is built, fields without effect dropped."""
        return tuple(plans(self.units, self.stem.out_channels, first=True))

    @cached_property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """(height, width) after the stem and after each unit."""
        size = (self.input[1], self.input[2])
        steps = [("stem", self.stem.stride), ("pooling", 2 if self.stem.pool else 1)]
        steps += [(f"unit {n} ({u.kind})", u.stride) for n, u in enumerate(self.units)]
        sizes = []
        for name, stride in steps:
            if stride == 2:
                if min(size) < 2:
                    raise ArchitectureError(
                        f"architecture, {name}: stride 2 needs at least 2x2 pixels; got "
                        f"{size[0]}x{size[1]} from an input of {self.input[1]}x{self.input[2]}; "
                        "allowed: a larger input or fewer strides"
                    )
                # Kernel k with padding k // 2 at stride 2 gives ceil(n / 2) for every odd k.
                size = (-(-size[0] // 2), -(-size[1] // 2))
            sizes.append(size)
        return tuple(sizes[1:])

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits over what is built: equal exactly when layers and wiring are equal."""
        # vars: asdict copies deeply, and this is asked of hundreds of candidates a proposal.
        head = dict(vars(self.head))
        if not self.head.out_channels:
            head.pop("activation")
        built = {
            "input": self.input,
            "stem": vars(self.stem),
            "units": [_identity(plan) for plan in self.plans],
            "head": head,
            "classes": self.classes,
        }
        text = json.dumps(built, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def text(self) -> str:
        """The text form: one word of [A-Za-z0-9_.:/+-]; see `nas.architecture_text`."""
        from nas.architecture_text import write

        return write(self)

    @classmethod
    def from_text(cls, text: str) -> Architecture:
        """The architecture a text form names.

        Raises:
            ArchitectureError: the text is damaged; which word, and what was expected.
        """
        from nas.architecture_text import read

        return read(text)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, with the number of the format."""
        return {
            "format": FORMAT,
            "input": list(self.input),
            "stem": asdict(self.stem),
            "units": [unit.to_json() for unit in self.units],
            "head": asdict(self.head),
            "classes": self.classes,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Architecture:
        """The way back from `to_json`.

        Raises:
            ArchitectureError: the format is newer than this version, or the value is damaged.
        """
        if not isinstance(value, Mapping) or "format" not in value:
            raise ArchitectureError(
                "architecture JSON: must be an object with a format number; got "
                f"{str(value)[:60]!r}"
            )
        if value["format"] != FORMAT:
            raise ArchitectureError(
                f"architecture JSON, format: this version reads {FORMAT}; got {value['format']!r}; "
                f"allowed: {FORMAT}, or upgrade to read what a newer latency-nas wrote"
            )
        try:
            return cls(
                input=tuple(value["input"]),
                stem=StemSpec(**value["stem"]),
                units=tuple(UnitSpec.from_json(unit) for unit in value["units"]),
                head=HeadSpec(**value["head"]),
                classes=value["classes"],
            )
        except ArchitectureError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ArchitectureError(
                f"architecture JSON: damaged or incomplete; got {type(error).__name__}: {error}; "
                "allowed: what `Architecture.to_json` gives"
            ) from error


def _identity(plan: Plan) -> Plan:
    """What is built, of a unit of the user's own without the place of its file."""
    if "source" not in plan:
        return plan
    return {**plan, "unit": str(plan["unit"]).rpartition(":")[2]}
