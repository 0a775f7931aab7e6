"""The rounding of widths, on numbers derived by hand."""

import pytest

from nas.architecture import UnitSpec
from search_spaces import Mixed
from search_spaces.stages import Stage, lay_out, rounded


def v1(width, *, groups=1, expansion=4, stride=2):
    return UnitSpec("shuffle_v1", width, stride, groups, expansion)


def v2(width):
    return UnitSpec("shuffle_v2", width, 2)


def sandglass(width):
    return UnitSpec("sandglass", width, 2, expansion=6)


@pytest.mark.parametrize(
    ("unit", "in_channels", "following", "expected"),
    [
        # out / 4 in 3 groups: multiples of 12; 240 is one.
        (v1(240, groups=3), 24, None, 240),
        (v1(241, groups=3), 24, None, 252),
        # Behind 24 channels the concatenation leaves its branch one step at least: 24 + 12.
        (v1(24, groups=3), 24, None, 36),
        # The next unit's 8 groups divide its input: lcm(12, 8) = 24, so 24 + 24.
        (v1(24, groups=3), 24, v1(480, groups=8), 48),
        # out / 6 in 8 groups: multiples of 48.
        (v1(100, groups=8, expansion=6), 24, None, 144),
        # Halves, and more than the input.
        (v2(117), 24, None, 118),
        (v2(48), 244, None, 246),
        (v2(48), 24, v1(480, groups=3), 48),
        # A sandglass takes any width, narrower than its input too, but for the next unit's groups.
        (sandglass(17), 24, None, 17),
        (sandglass(17), 24, v1(96, groups=8), 24),
    ],
)
def test_a_width_goes_to_the_next_that_fits(unit, in_channels, following, expected):
    assert rounded(unit, in_channels, following) == expected


@pytest.mark.parametrize(("groups", "stem"), [(1, 24), (5, 25), (7, 28), (16, 32)])
def test_the_stem_goes_to_a_multiple_of_the_first_groups(groups, stem):
    found, _ = lay_out([Stage(v1(240, groups=groups), 1)], 24, {})
    assert found == stem


def test_groups_that_no_paper_has_decode_too():
    space = Mixed(kinds=["shuffle_v1"], groups=[5, 7, 11], expansions=[1.5, 3], widths=[10])
    for gene in ("stage1_groups", "stage2_groups", "stage3_groups"):
        for groups in (5, 7, 11):
            genes = {g.name: g.options[0] for g in space.genes} | {gene: groups}
            architecture = space.decode(genes)
            assert space.decode(space.encode(architecture)) == architecture
