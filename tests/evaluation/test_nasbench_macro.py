import itertools
import json
import random
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nas.costs import count
from nas.errors import SpaceError
from nas.evaluation.table import Table
from nas.network import build
from nas.study.storage import StudyStorage
from nas.user_file import load

FILE = Path(__file__).parents[2] / "benchmarks" / "nasbench_macro.py"
TABLE = FILE.parent / "data" / "nasbench_macro.json"


@pytest.fixture(scope="module")
def space():
    return load(f"{FILE}:NasBenchMacro")()


@pytest.fixture(scope="module")
def table():
    return Table.load(TABLE)


def named(space, code):
    return dict(zip((gene.name for gene in space.genes), code, strict=True))


def test_every_code_has_a_row_of_its_own(table):
    codes = {"/".join(code) for code in itertools.product("012", repeat=8)}
    assert table.rows.keys() == codes


def test_costs_of_the_networks_are_those_of_the_table(space, table):
    # The table's figures come from the authors' own counter.
    random_numbers = random.Random(1)
    for code in [(0,) * 8, (2,) * 8, *(random_numbers.choices(range(3), k=8) for _ in range(8))]:
        genes = named(space, code)
        architecture = space.decode(genes)
        row = table.row(genes, architecture.fingerprint)
        costs = count(architecture)
        assert (costs.multiply_adds, costs.parameters) == (row.multiply_adds, row.parameters)


def test_a_published_row_is_kept_as_it_was(space, table):
    # nas-bench-macro_cifar10.json, "02012100": mean_acc 89.19666544596355.
    row = table.row(named(space, (0, 2, 0, 1, 2, 1, 0, 0)), "")
    assert row.accuracy == pytest.approx(0.8919667, abs=1e-6)
    assert (row.parameters, row.multiply_adds) == (890666, 47327744)


def test_codes_are_as_many_networks_as_counted_by_hand(space):
    # A stage of two layers: 3 x 3. Of three: 3 first layers, and of the 9 pairs behind them
    # (0, x) and (x, 0) are one network for x = 1 and x = 2: 7. 9 x 21 x 21 = 3969.
    codes = itertools.product(range(3), repeat=8)
    assert len({space.decode(named(space, code)).fingerprint for code in codes}) == 3969


def test_encode_is_the_way_back(space):
    random_numbers = random.Random(2)
    for _ in range(200):
        architecture = space.decode(space.sample(random_numbers))
        assert space.decode(space.encode(architecture)) == architecture


def test_a_network_of_another_space_is_refused(space):
    other = space.decode(named(space, (1,) * 8))
    narrow = type(other).from_text(other.text.replace("stem32", "stem16"))
    with pytest.raises(SpaceError, match="must hold the network"):
        space.encode(narrow)


def test_the_smallest_network_builds_and_runs(space):
    network = build(space.decode(named(space, (0,) * 8))).eval()
    with torch.no_grad():
        assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def command():
    """The command that the example's docstring names, as words."""
    text = FILE.read_text().split('"""')[1]
    found = re.search(r"    nas (search .*?)\n\n", text, re.DOTALL)
    return shlex.split(found[1].replace("\\\n", " "))


@pytest.mark.slow
@pytest.mark.parametrize(
    "objective",
    [
        (),
        ("objective=weighted", "objective.multiply_adds=47.7e6"),
        ("objective=pareto", "objective.quantities=[accuracy,multiply_adds]", "sampler=nsga2"),
    ],
    ids=["constrained", "weighted", "pareto"],
)
def test_the_example_is_searched_without_a_latency(tmp_path, objective, table):
    words = [*command(), *objective, "study.trials=30", f"study.folder={tmp_path}", "tracking=none"]
    ended = subprocess.run(
        [sys.executable, "-m", "nas.cli", *words, "--json"],
        cwd=FILE.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["counts"]["evaluated"] == 30
    outcomes = [winner["outcome"] for winner in found["winners"]]
    for outcome in outcomes:
        assert outcome["latency"] is None
        assert outcome["costs"]["memory_access"] is None
        assert outcome["costs"]["multiply_adds"] <= 47.7e6 or objective
    storage = StudyStorage.open(tmp_path / found["study"])
    seen = [
        (outcome.evaluation.accuracy, outcome.costs.multiply_adds)
        for outcome in (trial.outcome for trial in storage.records())
        if outcome.kind == "evaluated"
    ]
    storage.close()
    winners = [(o["evaluation"]["accuracy"], o["costs"]["multiply_adds"]) for o in outcomes]
    if "objective=pareto" in objective:
        beaten = {
            one for one in seen if any(o[0] >= one[0] and o[1] <= one[1] and o != one for o in seen)
        }
        assert set(winners) == set(seen) - beaten
    elif objective:
        # MnasNet's exponent, -0.07, where the limit is weighed.
        assert max(seen, key=lambda one: one[0] * (one[1] / 47.7e6) ** -0.07) == winners[0]
    else:
        assert winners[0][0] == max(accuracy for accuracy, _ in seen)
