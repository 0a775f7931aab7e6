import math

import pytest
from tiny import CONSTRAINED, PARETO, Tiny, size

from nas.errors import ArchitectureError
from nas.examining import table_latency
from nas.objective import Limit, Objective
from nas.outcome import Costs
from nas.study.foreknown import known_of

GENES = {
    "width1": 24, "depth1": 1, "width2": 48, "depth2": 2, "width3": 96, "depth3": 1, "idle": "a",
}  # fmt: skip


def count(architecture, genes):
    return Costs(size(architecture), 7, 0)


def test_what_is_known_by_hand():
    # 24 + 2 x 2 x 48 + 4 x 96 = 600 against limits of 500 and 700.
    known = known_of(Tiny(), count, PARETO)
    assert known.values(GENES) == [None, 600.0]
    assert known.violation(GENES) == pytest.approx(math.log(600 / 700))
    assert known.features(GENES) == pytest.approx([math.log(600), math.log(7)])
    one = known_of(Tiny(), count, CONSTRAINED)
    assert one.violation(GENES) == pytest.approx(math.log(600 / 500))
    assert one.values is None
    assert one.features is None


def test_a_gene_without_effect_makes_no_other_network():
    known = known_of(Tiny(), count, CONSTRAINED)
    assert known.identity(GENES) == known.identity({**GENES, "idle": "b"})
    assert known.identity(GENES) != known.identity({**GENES, "depth1": 2})


def test_what_cannot_be_counted_is_never_within_the_limits():
    def broken(architecture, genes):
        raise ArchitectureError("a unit of a user's own that does not build")

    known = known_of(Tiny(), broken, PARETO)
    assert known.violation(GENES) == math.inf
    assert len(known.features(GENES)) == 2


def test_a_network_that_is_clearly_too_slow_beforehand_breaks_a_limit_before_it_is_proposed():
    slow = table_latency(3.0, "")
    objective = Objective("constrained", limits=(Limit("latency", 2.0),))
    known = known_of(
        Tiny(), count, objective, over=lambda network: slow if len(network.units) > 4 else None
    )
    assert known.violation(GENES) == 0
    assert known.violation({**GENES, "depth1": 2}) == pytest.approx(math.log(3 / 2))
