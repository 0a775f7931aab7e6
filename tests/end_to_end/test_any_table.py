"""The gene sampler, from the command line, on tables and spaces it was not made with."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

from nas.cli import main
from nas.study.storage import StudyStorage

SPACE = """
from nas.architecture import Architecture, HeadSpec, StemSpec, UnitSpec
from nas.space import Gene, SearchSpace

OPTIONS = {options!r}


class Made(SearchSpace):
    name = "made"

    def __init__(self, *, input=(1, 8, 8), classes=10):
        super().__init__(input=input, classes=classes)

    @property
    def genes(self):
        return tuple(Gene(f"gene{{n}}", options) for n, options in enumerate(OPTIONS))

    def decode(self, genes):
        self.validate(genes)
        chosen = [options.index(genes[f"gene{{n}}"]) for n, options in enumerate(OPTIONS)]
        # Many genes, few networks: most combinations of them are one and the same network.
        chosen = [sum(chosen) % 12] if len(chosen) > 20 else chosen
        units = tuple(UnitSpec("sandglass", 24 + 24 * n, expansion=6) for n in chosen)
        stem = StemSpec(16, stride=1, pool=False)
        return Architecture(self.input, stem, units, HeadSpec(), self.classes)

    def encode(self, architecture):
        # Several genes make one network: there is no way back, and a table asks for none.
        raise NotImplementedError
"""

MIXED = (("a", "b", "c"), (0.25, 0.5, 1.0), (1, 2, 3, 4), (3, 5, 7), (6, 8, 10))


def accuracy_of(options: tuple[tuple[object, ...], ...], seed: int) -> np.ndarray:
    """Of every combination: each gene for itself, neighbours together, and noise."""
    rng = np.random.default_rng(seed)
    shape = tuple(map(len, options))
    found = rng.normal(0, 0.002, shape)
    for place, count in enumerate(shape):
        one = [1] * len(shape)
        one[place] = count
        found = found + rng.normal(0, 0.02, one)
        if place:
            one[place - 1] = shape[place - 1]
            found = found + rng.normal(0, 0.01, one)
    return np.clip(0.8 + found, 0, 1)


def table_of(options: tuple[tuple[object, ...], ...], accuracy: np.ndarray) -> dict[str, object]:
    """Rows whose genes stand in another order than in the space."""
    order = list(reversed(range(len(options))))
    rows = {}
    for place in itertools.product(*map(range, map(len, options))):
        name = "/".join(str(options[n][place[n]]) for n in order)
        rows[name] = {
            "accuracy": float(accuracy[place]),
            "latency_ms": 1 + sum(place) / 4,
            "multiply_adds": 1_000_000 * (1 + sum(place)),
            "parameters": 1000 * (1 + sum(place)),
        }
    return {"format": 1, "key": "genes", "genes": [f"gene{n}" for n in order], "rows": rows}


def search(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[tuple[object, ...], ...],
    table: dict[str, object],
    *more: str,
) -> dict[str, object]:
    (folder / "made.py").write_text(SPACE.format(options=options))
    (folder / "table.json").write_text(json.dumps(table))
    words = [
        "search", "sampler=hamming_gp", "evaluation=table", "tracking=none", "study.report=false",
        f"evaluation.path={folder / 'table.json'}", f"space.source={folder / 'made.py'}:Made",
        f"study.folder={folder}", "study.name=one", "sampler.startup_trials=8", "--json", *more,
    ]  # fmt: skip
    assert main(words) == 0
    return json.loads(capsys.readouterr().out)


def evaluated(folder: Path) -> list[tuple[object, ...]]:
    """Genes of the trials that a table answered."""
    storage = StudyStorage.open(folder / "one")
    try:
        records = storage.records()
    finally:
        storage.close()
    return [
        tuple(one.genes.values())
        for one in records
        if one.outcome and one.outcome.kind == "evaluated"
    ]


def test_the_best_of_a_table_within_its_limits_is_found(tmp_path, capsys):
    accuracy = accuracy_of(MIXED, 0)
    sums = np.indices(accuracy.shape).sum(axis=0)
    # Latency is looked up, and learned beforehand; multiply-adds are known.
    limits = ("objective.latency_ms=2.6", "objective.multiply_adds=7.5e6")
    found = search(tmp_path, capsys, MIXED, table_of(MIXED, accuracy), *limits, "study.trials=40")
    assert found["reason"] == "finished"
    within = np.sort(accuracy[sums <= 6])[::-1]
    places = [
        tuple(options.index(gene) for options, gene in zip(MIXED, genes, strict=True))
        for genes in evaluated(tmp_path)
    ]
    assert all(sum(place) <= 6 for place in places)
    # 40 of about 200: a random choice has one of the best two in a third of cases.
    assert max(accuracy[place] for place in places) >= within[1]


def test_a_front_of_a_table_is_searched_without_a_network_twice(tmp_path, capsys):
    table = table_of(MIXED, accuracy_of(MIXED, 3))
    found = search(tmp_path, capsys, MIXED, table, "objective=pareto", "study.trials=16")
    assert found["reason"] == "finished"
    genes = evaluated(tmp_path)
    assert len(genes) == len(set(genes)) == 16


@pytest.mark.parametrize(
    ("options", "trials", "reason", "evaluations"),
    [
        (((1, 2, 3, 4, 5),), 9, "exhausted", 5),
        ((("a",), (2,), (0.5,)), 3, "exhausted", 1),
        (((1, 2), (3,), (1, 2, 3)), 9, "exhausted", 6),
    ],
    ids=["one gene", "one option a gene", "one gene without a choice"],
)
@pytest.mark.parametrize("objective", ["constrained", "pareto"])
def test_a_small_space_is_searched_to_its_end_which_is_told(
    tmp_path, capsys, objective, options, trials, reason, evaluations
):
    shape = tuple(map(len, options))
    table = table_of(options, np.linspace(0.5, 0.9, math.prod(shape)).reshape(shape))
    found = search(
        tmp_path, capsys, options, table, f"objective={objective}", f"study.trials={trials}",
        *(["objective.multiply_adds=1e9"] if objective == "constrained" else []),
    )  # fmt: skip
    assert found["reason"] == reason
    assert len(set(evaluated(tmp_path))) == found["counts"]["evaluated"] == evaluations
    assert found["message"]


def test_of_two_hundred_genes_every_network_is_looked_up_once(tmp_path, capsys):
    from nas.names import load_object

    options = ((0, 1),) * 200
    (tmp_path / "made.py").write_text(SPACE.format(options=options))
    space = load_object(f"{tmp_path / 'made.py'}:Made")()
    rows = {}
    for number in range(12):
        genes = {f"gene{n}": int(n < number) for n in range(200)}
        rows[space.decode(genes).fingerprint] = {
            "accuracy": 0.5 + number / 50, "multiply_adds": number, "parameters": number,
        }  # fmt: skip
    table = {"format": 1, "key": "fingerprint", "rows": rows}
    limit = "objective.multiply_adds=8"
    found = search(tmp_path, capsys, options, table, limit, "study.trials=9")
    assert found["counts"]["evaluated"] == 9
    assert found["winners"][0]["outcome"]["evaluation"]["accuracy"] == pytest.approx(0.66)


def test_where_no_network_keeps_the_limit_the_search_ends_and_says_so(tmp_path, capsys):
    table = table_of(MIXED, accuracy_of(MIXED, 0))
    found = search(tmp_path, capsys, MIXED, table, "objective.multiply_adds=10", "study.trials=5")
    assert (found["reason"], found["counts"]["evaluated"]) == ("exhausted", 0)
    assert "within the limits" in found["message"]


def test_where_no_network_keeps_a_limit_that_is_learned_the_search_ends_and_says_so(
    tmp_path, capsys
):
    table = table_of(MIXED, accuracy_of(MIXED, 0))
    found = search(
        tmp_path, capsys, MIXED, table, "objective.latency_ms=0.5", "study.trials=2",
        "study.max_proposals=15",
    )  # fmt: skip
    assert (found["reason"], found["counts"]["evaluated"]) == ("proposals", 0)
    assert found["counts"]["refused"] == 15


def test_a_table_of_equal_accuracies_is_searched(tmp_path, capsys):
    table = table_of(MIXED, np.full(tuple(map(len, MIXED)), 0.5))
    limit = "objective.multiply_adds=1e9"
    found = search(tmp_path, capsys, MIXED, table, limit, "study.trials=14")
    assert found["counts"]["evaluated"] == 14
    assert len(set(evaluated(tmp_path))) == 14
