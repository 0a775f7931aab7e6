"""The text form of an architecture: one word, one token per group of equal units.

    in3x224x224+stem24-s2-pool+shuffle_v2:116-s2-n4+shuffle_v2:232-s2-n8+head1024+out1000

Tokens are joined by `+`. A unit token is `KIND:WIDTH` and, behind `-`, what differs from the
kind's published default: `s` stride of its first unit, `n` number of units (the others have
stride 1), `g` groups, `e` expansion, `k` kernel size, and further options as `name.value`. A stem
of several convolutions has their widths joined by dots: `stem64.64.128-s2-pool`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

from nas.architecture import Architecture, HeadSpec, StemSpec, UnitSpec
from nas.errors import ArchitectureError
from nas.unit_rules import OptionValue, rule_of

_SAFE = re.compile(r"[A-Za-z0-9_.:/+-]+")
_OPTION = re.compile(r"([a-z_][a-z0-9_]*)\.(.+)")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_MOST = 1000
_EXAMPLE = "shuffle_v1:240-s2-n4-g3"

Options = tuple[tuple[str, OptionValue], ...]
"""Names and values, as `UnitSpec.options` has them."""


def write(architecture: Architecture) -> str:
    """The text form.

    Raises:
        ArchitectureError: the name of a unit of the user's own holds other characters.
    """
    channels, height, width = architecture.input
    stem, head = architecture.stem, architecture.head
    tokens = [f"in{channels}x{height}x{width}"]
    tokens.append(
        "stem"
        + ".".join(map(str, (*stem.before, stem.out_channels)))
        + f"-s{stem.stride}"
        + "-pool" * stem.pool
        + f"-{stem.activation}" * (stem.activation != "relu")
    )
    tokens += [_write_group(group) for group in _groups(architecture.units)]
    tokens.append(
        f"head{head.out_channels}"
        + f"-{head.activation}" * (head.activation != "relu")
        + f"-drop{_decimal(head.dropout)}" * bool(head.dropout)
        + "-bias" * head.bias
    )
    tokens.append(f"out{architecture.classes}")
    text = "+".join(tokens)
    if not _SAFE.fullmatch(text) or len(tokens) != text.count("+") + 1:
        raise ArchitectureError(
            "text form: names of units may hold letters, digits and _ . : / - only; got "
            f"{text!r}; use the JSON form instead"
        )
    return text


def _groups(units: tuple[UnitSpec, ...]) -> list[list[UnitSpec]]:
    groups = [[units[0]]]
    for before, unit in pairwise(units):
        if unit.stride == 1 and replace(before, stride=1) == unit:
            groups[-1].append(unit)
        else:
            groups.append([unit])
    return groups


def _write_group(group: list[UnitSpec]) -> str:
    unit = group[0]
    parts = [f"{unit.kind}:{unit.out_channels}"]
    parts += [f"s{unit.stride}"] * (unit.stride != 1)
    parts += [f"n{len(group)}"] * (len(group) != 1)
    parts += [f"g{unit.groups}"] * (unit.groups != 1)
    parts += [f"e{_decimal(unit.expansion)}"] * (unit.expansion != rule_of(unit.kind).expansion)
    parts += [f"k{unit.kernel_size}"] * (unit.kernel_size != 3)
    return "-".join(parts + _option_words(unit.options))


def _option_words(options: Options) -> list[str]:
    return [f"{name}.{_write_value(value)}" for name, value in options]


def write_block(kind: str, options: Options) -> str:
    """A kind of unit with options as one word: `shuffle_v2-se.true`, `sandglass-identity.2`."""
    return "-".join([kind, *_option_words(options)])


def read_block(text: str) -> tuple[str, Options]:
    """A kind of unit and its options, as `write_block` writes them.

    Raises:
        ArchitectureError: a word behind the kind is no option.
    """
    # A file of the user's own may have - in its path: my-units/unit.py:Name-act.silu.
    path, colon, name = text.rpartition(":")
    kind, *words = name.split("-")
    options: dict[str, OptionValue] = {}
    for word in words:
        named = _OPTION.fullmatch(word)
        if named is None or named[1] in options:
            raise ArchitectureError(
                f"block {text!r}: must be a kind and its options; got {word!r}; "
                "allowed: like shuffle_v2-se.true"
            )
        options[named[1]] = _read_value(named[2])
    return path + colon + kind, tuple(options.items())


def _write_value(value: OptionValue) -> str:
    if isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else _decimal(value)


def _decimal(value: float) -> str:
    """Every digit, without an exponent: 6, 2.5, 0.00001."""
    return f"{Decimal(repr(value)):f}".removesuffix(".0")


def read(text: str) -> Architecture:
    """The architecture a text form names.

    Raises:
        ArchitectureError: the text is damaged; which token, and what was expected.
    """
    if not isinstance(text, str):
        raise ArchitectureError(f"text form: must be text; got {text!r}; allowed: in...+out...")
    tokens = text.strip().split("+")
    if len(tokens) < 5:
        raise ArchitectureError(
            f"text form: must have five words or more; got {text!r}; "
            "allowed: in...+stem...+UNITS+head...+out..."
        )
    size = _match(r"in(\d{1,9})x(\d{1,9})x(\d{1,9})", tokens[0], "in3x224x224").groups()
    classes = _match(r"out(\d{1,9})", tokens[-1], "out1000").group(1)
    units: list[UnitSpec] = []
    for token in tokens[2:-2]:
        units += _read_group(token)
    return Architecture(
        input=(int(size[0]), int(size[1]), int(size[2])),
        stem=_read_stem(tokens[1]),
        units=tuple(units),
        head=_read_head(tokens[-2]),
        classes=int(classes),
    )


def _match(pattern: str, token: str, example: str) -> re.Match[str]:
    match = re.fullmatch(pattern, token)
    if match is None:
        raise ArchitectureError(
            f"text form: must be made of words that this version knows; got {token!r}; "
            f"allowed: like {example}"
        )
    return match


def _read_stem(token: str) -> StemSpec:
    found = _match(r"stem([\d.]*\d)-s([12])(-pool)?(-relu6)?", token, "stem24-s2-pool")
    *before, channels = (_whole(part, token) for part in found[1].split("."))
    return StemSpec(
        out_channels=channels,
        stride=int(found[2]),
        pool=found[3] is not None,
        activation="relu6" if found[4] else "relu",
        before=tuple(before),
    )


def _read_head(token: str) -> HeadSpec:
    found = _match(
        r"head(\d{1,9})(-relu6)?(?:-drop(\d+(?:\.\d+)?))?(-bias)?", token, "head1024-drop0.2"
    )
    return HeadSpec(
        out_channels=int(found[1]),
        activation="relu6" if found[2] else "relu",
        dropout=float(found[3] or 0),
        bias=found[4] is not None,
    )


def _read_group(token: str) -> list[UnitSpec]:
    kind, _, rest = token.rpartition(":")
    width, *words = rest.split("-")
    if not kind:
        raise ArchitectureError(
            f"text form: a unit has a kind and a width; got {token!r}; allowed: like {_EXAMPLE}"
        )
    short: dict[str, str] = {}
    options: dict[str, OptionValue] = {}
    for word in words:
        number = re.fullmatch(r"([snkge])(\d+(?:\.\d+)?)", word)
        named = _OPTION.fullmatch(word)
        if number and number[1] not in short:
            short[number[1]] = number[2]
        elif named and not number and named[1] not in options:
            options[named[1]] = _read_value(named[2])
        else:
            raise ArchitectureError(
                f"text form, {token!r}: must be words that this version knows, each once; got "
                f"{word!r}; allowed: like {_EXAMPLE}"
            )
    count = _whole(short.get("n", "1"), token)
    if not 1 <= count <= _MOST:
        raise ArchitectureError(
            f"text form, {token!r}: n must be a number of units; got {count}; "
            f"allowed from 1 to {_MOST}"
        )
    unit = UnitSpec(
        kind=kind,
        out_channels=_whole(width, token),
        stride=_whole(short.get("s", "1"), token),
        groups=_whole(short.get("g", "1"), token),
        expansion=float(short.get("e", rule_of(kind).expansion)),
        kernel_size=_whole(short.get("k", "3"), token),
        options=tuple(options.items()),
    )
    return [unit] + [replace(unit, stride=1)] * (count - 1)


def _whole(word: str, token: str) -> int:
    if not re.fullmatch(r"\d{1,9}", word):
        raise ArchitectureError(
            f"text form, {token!r}: must be a whole number; got {word!r}; allowed: up to 9 digits"
        )
    return int(word)


def _read_value(word: str) -> OptionValue:
    if word in ("true", "false"):
        return word == "true"
    if _NUMBER.fullmatch(word):
        return float(word) if "." in word else int(word)
    return word
