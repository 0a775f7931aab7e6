"""A limit that nothing in the space can keep is told before anything begins."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

import nas
from nas.composition import Parts, compose_parts
from nas.costs import count
from nas.errors import SettingsError
from nas.reach import check_reach
from nas.settings.compose import compose

SMALL = (
    "space=shufflenet_v2",
    "space.widths=[24,48]",
    "space.depths=[1,2]",
    "space.kernel_sizes=[3,5]",
    "space.start_from=[]",
)


def parts(*words: str) -> Parts:
    return compose_parts(compose([*SMALL, *words]))


@pytest.fixture(scope="module")
def least() -> int:
    """The fewest multiply-adds of any network of the space, by looking at all of them."""
    space = parts("objective.multiply_adds=1").space
    options = [[(gene.name, option) for option in gene.options] for gene in space.genes]
    every = [space.decode(dict(chosen)) for chosen in itertools.product(*options)]
    return min(count(one).multiply_adds for one in {a.fingerprint: a for a in every}.values())


def test_the_smallest_network_of_a_space_is_within_reach_and_anything_under_it_is_not(
    least: int,
) -> None:
    check_reach(parts(f"objective.multiply_adds={least}"))
    with pytest.raises(SettingsError) as told:
        check_reach(parts(f"objective.multiply_adds={least // 2}"))
    message = str(told.value)
    assert message.startswith("objective.multiply_adds: must not be under what the smallest")
    assert f"the nearest needs {least:,}, 2 times the limit" in message


@pytest.mark.slow
def test_a_latency_that_no_network_has_is_told_and_nothing_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        SettingsError,
        match=r"objective.latency_ms: .* got latency <= 0.0001 ms, and the nearest needs 0\.\d+ ms",
    ):
        nas.search(*SMALL, "objective.latency_ms=0.0001")
    assert not (tmp_path / "runs").exists()


def test_a_study_that_begins_with_the_network_of_its_limit_has_it_within_reach() -> None:
    found = compose_parts(compose([]))
    assert found.start
    check_reach(found)  # at once: neither counted nor measured
