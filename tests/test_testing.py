"""The contract suites: what ships keeps them, and what breaks one is told which."""

import re

import pytest

from nas.errors import ArchitectureError, SpaceError
from nas.testing import check_space, check_unit
from nas.unit_rules import UNIT_RULES
from nas.user_file import load
from search_spaces import SEARCH_SPACES


@pytest.mark.parametrize("name", SEARCH_SPACES)
def test_every_space_that_ships_keeps_the_contract(name):
    check_space(SEARCH_SPACES[name], draws=4)


def test_a_space_with_arguments_of_its_own_keeps_the_contract():
    check_space(SEARCH_SPACES["mixed"](input=(1, 9, 14), classes=2, kinds=("vgg",)), draws=4)


@pytest.mark.parametrize("kind", UNIT_RULES)
def test_every_unit_that_ships_keeps_the_contract(kind):
    check_unit(kind)


SPACE = """
import random
from nas import Architecture, Gene, SearchSpace, UnitSpec
from nas.architecture import HeadSpec, StemSpec
from nas.errors import SpaceError

class Space(SearchSpace):
    name = "mine"

    @property
    def genes(self):
        return (Gene("width", (16, 24)), Gene("depth", (1, 2)))

    def decode(self, genes):
        self.validate(genes)
        units = (UnitSpec("vgg", genes["width"], 2),) * genes["depth"]
        return Architecture(
            self.input, StemSpec(8, 1, pool=False), units, HeadSpec(), self.classes
        )

    def encode(self, architecture):
        genes = {"width": architecture.units[0].out_channels, "depth": len(architecture.units)}
        if self.decode(genes) != architecture:
            raise SpaceError("space mine: not in it")
        return genes
"""

BROKEN = {
    # what: (text, with what instead, the message)
    "not a space": ("(SearchSpace)", "", "must extend nas.SearchSpace"),
    "no name": ('name = "mine"', "pass", "name: must be a class attribute; got None"),
    "an unknown start": ('name = "mine"', 'name = "mine"; starts = ("vgg17",)',
                         "starts: must name published networks; got 'vgg17'"),
    "nothing to decode": ("def decode", "def decoder", "must define genes, decode and encode"),
    "an argument without default": ("    @property", "    def __init__(self, width): pass\n\n"
                                    "    @property", "have a default for every argument"),
    "no input": ("    @property", "    def __init__(self):\n        super().__init__()\n\n"
                 "    @property", "must take input and classes as keyword arguments"),
    "two genes of a name": ('"depth", (1', '"width", (1', "names of their own; got width more"),
    "nested options": ("(1, 2)", "((1, 2), (3, 4))", "gene depth: options must be flat"),
    "genes at random": ("(1, 2)", "(1, random.random())", "genes: must be the same each time"),
    "classes left aside": ("self.classes", "10", "keep the classes given; got 10 where 7"),
    "input left aside": ("self.input", "(3, 64, 64)",
                         r"keep the input given; got \(3, 64, 64\) where \(1, 64, 96\)"),
    "a width that fits no unit": ('"vgg"', '"shuffle_v2"',
                                  r"every combination .* ArchitectureError: .*'width': "),
    "not a network": ("return Architecture(", "return (", "give a nas.Architecture; got tuple"),
    "decoding at random": ("StemSpec(8,", "StemSpec(random.randint(1, 10**6),",
                           "decode: must give one network for one set of genes"),
    "nothing found again": ('if self.decode(genes) != architecture:', "if True:",
                            "encode: must find genes of every network that decode gives"),
    "another network found": ("len(architecture.units)", "1", "encode: must find genes"),
    "genes not looked at": ("self.validate(genes)", "pass", "must refuse genes without a gene"),
    "every network taken": (
        "if self.decode(genes) != architecture:", "if False:",
        "encode: must refuse a network that is not in the space",
    ),
}  # fmt: skip


def broken(tmp_path, source, name):
    (tmp_path / "broken.py").write_text(source)
    return f"{tmp_path}/broken.py:{name}"


def test_the_space_that_the_broken_ones_are_made_from_keeps_the_contract(tmp_path):
    check_space(load(broken(tmp_path, SPACE, "Space")), draws=4)


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_space_is_told_what_is_wrong(what, tmp_path):
    text, instead, message = BROKEN[what]
    assert text in SPACE
    space = load(broken(tmp_path, SPACE.replace(text, instead, 1), "Space"))
    with pytest.raises(SpaceError, match=f"^space Space.*{message}"):
        check_space(space, draws=8)


UNIT = """
from torch import nn
from nas.unit_rules import PlainRule

RULE = PlainRule(uses=frozenset({"kernel_size"}), options={"bias": (False, True)})

class Rule(PlainRule):
    pass

class Unit(nn.Module):
    rule = RULE

    def __init__(self, *, in_channels, out_channels, stride, kernel_size, bias):
        super().__init__()
        pad = kernel_size // 2
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, pad, bias=bias)

    def forward(self, x):
        return self.conv(x)
"""

BROKEN_UNITS = {
    "not a module": ("(nn.Module)", "", "must be a class of torch.nn.Module"),
    "an unknown field": ('{"kernel_size"}', '{"kernel"}', "uses: must name fields of a unit; got"),
    "one value for a list": ("(False, True)", "False", "option bias: must list its values"),
    "a value that is two words": (
        '"bias": (False, True)', '"bias": ("no", "if-need-be")',
        "option bias: must be a word of the text form; got the value 'if-need-be'",
    ),
    "a value that reads as another": ("(False, True)", "('true', 'no')", "got the value 'true'"),
    "a number below 0": ("(False, True)", "(0, -1)", "must be a word .*got the value -1; allowed"),
    "an argument the plan lacks": (
        ", bias)", ", bias, scale)", "must build from its plan.*'scale'",
    ),
    "an option not listed": (
        "    pass\n", "    def plan(self, unit, in_channels, *, first):\n"
        "        return {'se': unit.option('se', self.options)}\n",
        "plan: must give the module's arguments; got KeyError: 'se'",
    ),
    "a field that is not said": (
        "    pass\n", "    def plan(self, unit, in_channels, *, first):\n"
        "        plan = super().plan(unit, in_channels, first=first)\n"
        "        return {**plan, 'groups': unit.groups}\n",
        "uses: must list every field that changes the plan.*add 'groups'",
    ),
    "a width refused": (
        "    pass\n", "    def plan(self, unit, in_channels, *, first):\n"
        "        from nas.unit_rules import check_divides\n"
        "        check_divides(unit, 'out_channels', unit.out_channels, 7)\n"
        "        return super().plan(unit, in_channels, first=first)\n",
        "multiples of out_step and in_step must be allowed.*multiple of 7",
    ),
    "a width that does not build": ("bias=bias)", "bias=bias, groups=5)", "must build from its"),
    "the wrong size": ("stride, pad", "stride, pad + 1", r"got \(2, 48, 10, 10\) from"),
    "the input changed": ("self.conv(x)", "self.conv(x.mul_(2))", "must leave the tensor"),
    "no export": ("return", "return x[:] * 0 + x.sum() if x.sum() > 1e9 else", "must export for"),
}  # fmt: skip


def test_the_unit_that_the_broken_ones_are_made_from_keeps_the_contract(tmp_path):
    check_unit(broken(tmp_path, UNIT, "Unit"))


@pytest.mark.parametrize("what", BROKEN_UNITS)
def test_a_broken_unit_is_told_what_is_wrong(what, tmp_path):
    text, instead, message = BROKEN_UNITS[what]
    assert text in UNIT
    source = UNIT.replace(text, instead) if text != "return" else UNIT.replace(text, instead, 1)
    if "def plan" in instead:
        source = source.replace("RULE = PlainRule", "MAKE = dict").replace(
            "rule = RULE", "rule = Rule(**MAKE)"
        )
    kind = broken(tmp_path, source, "Unit")
    with pytest.raises(ArchitectureError, match=f"(?s)^unit {re.escape(kind)}.*{message}"):
        check_unit(kind)


def test_an_unknown_kind_gives_the_nearest():
    with pytest.raises(ArchitectureError, match="'shuffle_v3'; allowed: shuffle_v2"):
        check_unit("shuffle_v3")
