import random
import subprocess
import sys

import pytest

from nas.architecture import Architecture, HeadSpec, StemSpec, UnitSpec
from nas.errors import ArchitectureError
from nas.unit_rules import UNIT_RULES, divided, make_divisible, rule_of


def plan(unit, in_channels, *, first=False):
    return rule_of(unit.kind).plan(unit, in_channels, first=first)


def random_unit(rng, kind, width=8):
    rule = UNIT_RULES[kind]
    return UnitSpec(
        kind,
        width,
        stride=rng.choice((1, 2)),
        groups=rng.choice((1, 2, 3, 4, 8)),
        expansion=rng.choice((1.0, 1.5, 2.0, 3.0, 4.0, 6.0)),
        kernel_size=rng.choice((3, 5, 7)),
        options=tuple((name, rng.choice(values)) for name, values in rule.options.items()),
    )


@pytest.mark.parametrize("kind", UNIT_RULES)
def test_widths_rounded_to_the_steps_a_rule_names_always_have_a_plan(kind):
    # What the mixed space relies on: in a multiple of in_step, out the next multiple of out_step
    # that is also a multiple of the next unit's in_step, above in where the unit grows.
    rule = UNIT_RULES[kind]
    rng = random.Random(kind)
    planned = 0
    for _ in range(400):
        unit = random_unit(rng, kind)
        if dict(unit.options).get("depthwise") == "none" and unit.stride == 2:
            continue
        step = max(rule.out_step(unit), 1)
        into = rule.in_step(unit, first=False) * rng.randint(1, 40)
        out = (into // step + rng.randint(1, 9)) * step
        # The last convolution of a concatenating unit gives out - in: one more multiple.
        while rule.grows and (out - into) % rule.in_step(unit, first=False):
            out += step
        wide = UnitSpec(kind, out, unit.stride, unit.groups, unit.expansion, unit.kernel_size, unit.options)  # fmt: skip  # noqa: E501
        for first in (True, False):
            assert rule.plan(wide, into, first=first)["out_channels"] == out
        same = UnitSpec(kind, out, 1, unit.groups, unit.expansion, unit.kernel_size, unit.options)
        assert rule.plan(same, out, first=False)["in_channels"] == out
        planned += 1
    assert planned > 300


@pytest.mark.parametrize("kind", UNIT_RULES)
def test_a_plan_depends_on_no_field_a_rule_does_not_use(kind):
    rule = UNIT_RULES[kind]
    others = {"groups": 8, "expansion": 3.0, "kernel_size": 7}
    plain = {"groups": 1, "expansion": 4.0, "kernel_size": 3}
    changed = {n: others[n] if n not in rule.uses else v for n, v in plain.items()}
    one, other = UnitSpec(kind, 96, 2, **plain), UnitSpec(kind, 96, 2, **changed)
    assert plan(one, 48) == plan(other, 48)


@pytest.mark.parametrize("kind", UNIT_RULES)
def test_a_plan_depends_on_every_field_a_rule_uses(kind):
    rule = UNIT_RULES[kind]
    # Neither the expansion of an unchanged sandglass nor that of its floor hides the effect.
    plain = {"groups": 2, "expansion": 2.0, "kernel_size": 3}
    others = {"groups": 4, "expansion": 4.0, "kernel_size": 5}
    for name in rule.uses:
        changed = {**plain, name: others[name]}
        one, other = UnitSpec(kind, 96, **plain), UnitSpec(kind, 96, **changed)
        assert plan(one, 96) != plan(other, 96), name


@pytest.mark.parametrize("kind", UNIT_RULES)
def test_the_first_allowed_value_of_an_option_is_the_default(kind):
    rule = UNIT_RULES[kind]
    defaults = tuple((name, values[0]) for name, values in rule.options.items())
    assert UnitSpec(kind, 96, 2, options=defaults) == UnitSpec(kind, 96, 2)


def test_published_widths_need_no_rounding():
    for groups, widths in {1: (144, 288, 576), 2: (200, 400, 800), 3: (240, 480, 960),
                           4: (272, 544, 1088), 8: (384, 768, 1536)}.items():  # fmt: skip
        unit = UnitSpec("shuffle_v1", widths[0], 2, groups, 4.0)
        assert all(width % rule_of("shuffle_v1").out_step(unit) == 0 for width in widths)
        assert plan(unit, 24, first=True)["mid_channels"] == widths[0] // 4


# Trap 1 of the published definitions: what cannot be built as printed, and by which rule.
V1_WRONG = {
    "0.5x g=2": ((100, 2, 12, True), "bottleneck.*multiple of 2; got 25; next allowed value is 26"),
    "0.5x g=4": ((136, 4, 12, True), "bottleneck.*multiple of 4; got 34"),
    "0.25x g=8, stem 12": ((96, 8, 12, True), "last convolution.*multiple of 8; got 84"),
    "1.5x g=8, stem 36": ((576, 8, 36, True), "last convolution.*multiple of 8; got 540"),
    "v1-50": ((360, 3, 64, True), "last convolution.*multiple of 3; got 296"),
    "input": ((240, 3, 100, False), "in_channels must be a multiple of 3; got 100"),
    "no growth": ((240, 3, 240, False), r"out_channels > in_channels \(240\); got 240; .* 241 on"),
    "no whole bottleneck": ((242, 1, 24, True), r"expansion \(4\) must be whole; got 242; .* of 4"),
}


@pytest.mark.parametrize("name", V1_WRONG)
def test_a_v1_unit_that_cannot_be_built_is_refused_naming_rule_value_and_what_is_allowed(name):
    (width, groups, into, first), message = V1_WRONG[name]
    with pytest.raises(ArchitectureError, match=f"unit shuffle_v1:{width}: .*{message}"):
        plan(UnitSpec("shuffle_v1", width, 2, groups, 4.0), into, first=first)


WRONG = {
    "odd halves": (UnitSpec("shuffle_v2", 57), 57, "two halves.*multiple of 2; got 57"),
    "v2 without growth": (UnitSpec("shuffle_v2", 48, 2), 48, r"> in_channels \(48\); got 48"),
    "narrower v2": (UnitSpec("shuffle_v2", 24), 48, "allowed from 49 on"),
    "striding on nothing": (
        UnitSpec("sandglass", 48, 2, options=(("depthwise", "none"),)),
        48,
        "stride 2 needs a depthwise.*got depthwise none; allowed: auto, both, last, inside",
    ),
    "igcv3 input": (UnitSpec("inverted_residual", 24, 1, 2), 17, "in_channels.*of 2; got 17"),
    "igcv3 output": (UnitSpec("inverted_residual", 23, 1, 2), 16, "out_channels.*of 2; got 23"),
    "resnext": (UnitSpec("resnext", 48, 2, 16, 2.0), 24, "bottleneck.*of 16; got 24"),
    "bottleneck": (UnitSpec("bottleneck", 49, 2, 1, 4.0), 24, "must be whole; got 49; .* of 4"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_unit_that_cannot_be_built_is_refused_naming_rule_value_and_what_is_allowed(name):
    unit, into, message = WRONG[name]
    with pytest.raises(
        ArchitectureError, match=f"unit {unit.kind}:{unit.out_channels}: .*{message}"
    ):
        plan(unit, into)


def test_an_unknown_kind_gives_the_nearest():
    with pytest.raises(ArchitectureError, match="got 'sandglas'; allowed: sandglass"):
        rule_of("sandglas")


# make_divisible(ceil(out / 6), 16) where in / 6 is less: networks.md, 1.3.
@pytest.mark.parametrize(
    ("into", "out", "hidden"),
    [(96, 144, 32), (144, 192, 32), (192, 288, 48), (288, 384, 64), (384, 576, 96),
     (576, 960, 160), (960, 1280, 208), (192, 192, 32), (960, 960, 160)],
)  # fmt: skip
def test_the_authors_sandglass_has_a_bottleneck_of_at_least_a_sixth_of_its_output(
    into, out, hidden
):
    assert plan(UnitSpec("sandglass", out, expansion=6), into)["hidden_channels"] == hidden


def test_the_papers_sandglass_has_a_bottleneck_of_a_sixth_of_its_input():
    unit = UnitSpec("sandglass", 144, expansion=6, options=(("variant", "paper"),))
    assert plan(unit, 96)["hidden_channels"] == 16


@pytest.mark.parametrize(
    ("variant", "into", "stride", "expansion", "depthwise"),
    [
        ("authors", 96, 1, 6, "both"),
        ("authors", 96, 2, 6, "both"),
        ("authors", 48, 1, 6, "none"),
        ("authors", 48, 2, 6, "last"),
        ("authors", 48, 2, 2, "both"),
        ("paper", 48, 1, 6, "both"),
        ("paper", 48, 2, 6, "both"),
    ],
)
def test_which_depthwise_convolutions_a_sandglass_has(variant, into, stride, expansion, depthwise):
    unit = UnitSpec("sandglass", 96, stride, expansion=expansion, options=(("variant", variant),))
    assert plan(unit, into)["depthwise"] == depthwise


@pytest.mark.parametrize(("divisor", "kept"), [(1, 200), (2, 100), (3, 66), (4, 50), (0, 0)])
def test_the_identity_takes_a_whole_share_of_the_channels(divisor, kept):
    # C // div as the released code has it: 200 // 3 = 66, where rounding would give 67.
    unit = UnitSpec("sandglass", 200, expansion=6, options=(("identity", divisor),))
    assert plan(unit, 200)["identity_channels"] == kept


def test_make_divisible_never_goes_down_by_more_than_a_tenth():
    # 11 would go to 8, which is less than 9.9; MobileNeXt 0.35: 192 * 0.35 = 67.2 to 64.
    assert [make_divisible(v) for v in (11, 67.2, 33.6, 3, 100.8)] == [16, 64, 32, 8, 104]
    for value in range(8, 2000):
        assert make_divisible(value) % 8 == 0
        assert 0.9 * value <= make_divisible(value) <= value + 8


def test_divided_is_exact_with_fractions():
    assert divided(160, 16 / 7) == 70
    assert divided(161, 16 / 7) is None
    assert divided(3, 4) is None


# --- units of the user's own ---------------------------------------------------------------------

OWN = """
from torch import nn
from nas.unit_rules import PlainRule

class Halved(nn.Sequential):
    rule = PlainRule(uses=frozenset({"kernel_size"}), options={"bias": (False, True)})

    def __init__(self, *, in_channels, out_channels, stride, kernel_size, bias):
        super().__init__(nn.Conv2d(in_channels, out_channels, kernel_size, stride,
                                   kernel_size // 2, bias=bias), nn.BatchNorm2d(out_channels))

class Bare(nn.Identity):
    pass

class Half(nn.Identity):
    rule = object()
"""


@pytest.fixture
def own(tmp_path):
    file = tmp_path / "unit.py"
    file.write_text(OWN)
    return f"{file}:Halved"


def own_network(kind, **fields):
    units = (UnitSpec(kind, 16, 2, **fields), UnitSpec("shuffle_v2", 24, 2))
    return Architecture((3, 16, 16), StemSpec(8, 1, False), units, HeadSpec(), 5)


def test_a_unit_of_the_users_own_is_counted_and_built(own):
    import torch

    from nas.costs import count
    from nas.network import build

    architecture = own_network(own, kernel_size=5, options=(("bias", True),))
    network = build(architecture)
    assert network(torch.zeros(2, 3, 16, 16)).shape == (2, 5)
    assert network.units[0][0].kernel_size == (5, 5)
    assert network.units[0][0].bias is not None
    assert count(architecture).parameters == sum(p.numel() for p in network.parameters())


def test_a_unit_of_the_users_own_has_a_json_and_a_text_form(own):
    architecture = own_network(own, options=(("bias", True),))
    assert Architecture.from_json(architecture.to_json()) == architecture
    assert Architecture.from_text(architecture.text) == architecture


def test_two_files_of_one_name_do_not_clash(tmp_path):
    kinds = []
    for width in (3, 5):
        folder = tmp_path / str(width)
        folder.mkdir()
        (folder / "unit.py").write_text(OWN.replace("kernel_size // 2", f"{width} // 2")
                                        .replace("kernel_size, stride", f"{width}, stride"))  # fmt: skip  # noqa: E501
        kinds.append(f"{folder}/unit.py:Halved")
    from nas.network import build

    sizes = [build(own_network(kind)).units[0][0].kernel_size for kind in kinds]
    assert sizes == [(3, 3), (5, 5)]
    assert own_network(kinds[0]).fingerprint != own_network(kinds[1]).fingerprint


def test_the_fingerprint_follows_the_file_s_content_not_its_place(tmp_path, own):
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "other.py").write_text(OWN)
    copy = f"{tmp_path}/copy/other.py:Halved"
    before = own_network(own).fingerprint
    assert own_network(copy).fingerprint == before
    (tmp_path / "unit.py").write_text(OWN + "\n# changed\n")
    assert own_network(own).fingerprint != before


OWN_WRONG = {
    "no file": ("/nowhere/unit.py:Halved", "must name a Python file that can be read; got No such"),
    "no name": ("{file}:Halves", "got 'Halves'; allowed: Halved"),
    "no rule": ("{file}:Bare", "must have an attribute `rule`, a unit rule; got none"),
    "half a rule": ("{file}:Half", "got one without expansion"),
}


@pytest.mark.parametrize("name", OWN_WRONG)
def test_a_wrong_unit_of_the_users_own_is_refused_in_one_message(name, own):
    kind, message = OWN_WRONG[name]
    with pytest.raises(ArchitectureError, match=message):
        rule_of(kind.format(file=own.rpartition(":")[0]))


def test_a_file_that_does_not_run_is_refused_with_its_error(tmp_path):
    (tmp_path / "broken.py").write_text("1 / 0")
    with pytest.raises(ArchitectureError, match="run without an error; got ZeroDivisionError"):
        rule_of(f"{tmp_path}/broken.py:Unit")


def test_importing_the_rules_needs_no_torch():
    code = "import sys, nas.unit_rules; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
