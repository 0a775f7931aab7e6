import itertools
import math
import statistics

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState

from nas.errors import SpaceExhaustedError
from nas.samplers.acquisition import Acquisition
from nas.samplers.hamming_gp import HammingGPSampler
from nas.samplers.history import Coding, History
from nas.samplers.known import Known, KnownCodes

optuna.logging.set_verbosity(optuna.logging.ERROR)


def space_of(*options):
    return {f"g{i}": CategoricalDistribution(range(n)) for i, n in enumerate(options)}


def cost(genes):
    return float(sum((1 + i) * value for i, value in enumerate(genes.values())))


def error(genes):
    """Falls with cost; a preference of the second gene hides from it."""
    return math.exp(-cost(genes) / 10) + 0.2 * (genes.get("g1", 0) == 1)


def search(space, trials, *, directions=("minimize",), answer=None, seed=0, study=None, **more):
    """A study of its own sampler; `answer` tells (values, violation or None) of genes."""
    sampler = HammingGPSampler(search_space=space, n_startup_trials=5, seed=seed, **more)
    study = study or optuna.create_study(directions=directions)
    study.sampler = sampler
    for _ in range(trials):
        trial = study.ask(fixed_distributions=space)
        values, violation = (error(trial.params), None) if answer is None else answer(trial.params)
        if violation is not None:
            trial.set_constraint("limits", violation)
        if values is None:
            study.tell(trial, state=TrialState.FAIL)
        else:
            study.tell(trial, values)
    return study


def rows(study):
    return [tuple(trial.params.values()) for trial in study.trials]


@pytest.mark.parametrize("directions", [("minimize",), ("minimize", "minimize")])
def test_no_candidate_is_proposed_twice_and_better_ones_are_found(directions):
    space = space_of(3, 3, 3, 3, 3)

    def answer(genes):
        return (error(genes) if len(directions) == 1 else (error(genes), cost(genes))), None

    study = search(space, 40, directions=directions, answer=answer)
    assert len(set(rows(study))) == 40
    best = min(t.values[0] for t in study.trials)
    everything = [dict(zip(space, p, strict=True)) for p in itertools.product(range(3), repeat=5)]
    # One objective: the optimum. Two: the front is wide, its end among the best four.
    assert best <= sorted(map(error, everything))[0 if len(directions) == 1 else 3]


def test_proposals_depend_on_trials_seed_and_number_alone():
    space = space_of(3, 4, 3, 2)
    whole = search(space, 20)
    parts = search(space, 3)
    for trials in (4, 6, 7):
        search(space, trials, study=parts)
    assert rows(parts) == rows(whole)
    assert rows(search(space, 20, seed=1)) != rows(whole)


def test_known_limits_are_kept_and_known_candidates_left():
    space = space_of(3, 3, 3, 3)
    known = Known(
        identity=lambda genes: (genes["g0"], genes["g1"], genes["g2"]),  # g3 has no effect
        violation=lambda genes: cost(genes) - 9.5,
    )
    study = search(space, 15, known=known)
    assert all(cost(t.params) <= 9.5 for t in study.trials)
    assert len({row[:3] for row in rows(study)}) == 15


def test_limits_that_are_not_known_are_learned():
    space = space_of(4, 4, 4, 4)

    def answer(genes):
        return error(genes), cost(genes) / 15 - 1

    study = search(space, 40, answer=answer)
    late = [t.constraints["limits"] <= 0 for t in study.trials[20:]]
    # By chance: half of all combinations cost at most 15, by symmetry around the mean of 15.
    assert sum(late) >= 16


def test_of_few_looked_at_beforehand_the_limits_are_kept_all_the_same():
    asked = []

    def violation(genes):
        asked.append(1)
        return cost(genes) - 15

    space = space_of(4, 4, 4, 4)
    study = search(space, 12, known=Known(violation=violation))
    unbounded = len(asked)
    asked.clear()
    study = search(space, 12, known=Known(violation=violation, most=10))
    assert all(cost(t.params) <= 15 for t in study.trials)
    assert len(asked) < unbounded / 5


def test_where_the_best_looking_break_a_limit_those_looked_at_next_keep_it():
    space = space_of(*(4,) * 5)

    def size(genes):
        """A logarithm of products: widths of 1 to 4."""
        return sum(math.log((1 + gene) * (1 + 0.3 * i)) for i, gene in enumerate(genes.values()))

    everything = itertools.product(range(4), repeat=5)
    sizes = sorted(size(dict(zip(space, genes, strict=True))) for genes in everything)
    limit = sizes[len(sizes) // 4]
    known = Known(violation=lambda genes: size(genes) - limit, most=24)

    def answer(genes):
        return 0.3 * (genes["g1"] == 2) - size(genes), None

    study = search(space, 30, known=known, answer=answer)
    room = [limit - size(trial.params) for trial in study.trials[10:]]
    assert min(room) >= 0
    # Random ones within the limit leave room for 0.64; three seeds of this left 0.24 to 0.28, and
    # 0.50 to 0.79 when all 24 were those that look best.
    assert statistics.mean(room) <= 0.4


def test_what_is_known_is_asked_once_a_candidate():
    asked = []

    def violation(genes):
        asked.append(tuple(genes.values()))
        return cost(genes) - 15

    search(space_of(4, 4, 4, 4), 12, known=Known(violation=violation))
    assert len(asked) == len(set(asked))


def test_a_front_may_grow_beyond_the_greatest_cost_of_all_trials():
    coding = Coding(space_of(*(3,) * 8))
    known = Known(values=lambda genes: (None, float(sum(genes.values()))))
    codes = np.random.default_rng(0).integers(0, 2, size=(10, 8))  # costs of at most 8 of 16
    spent = codes.sum(axis=1).astype(float)
    past = History(codes, np.column_stack((-(spent**2), spent)), np.zeros(10))
    worth = Acquisition(past, coding, known, np.array([-1.0, 1.0]), start=10)
    assert (worth(np.array([[2, 2, 2, 2, 1, 1, 1, 1], [2] * 8])) > 0).all()


def test_a_learned_cost_keeps_its_scale_and_the_accuracy_follows_it():
    coding = Coding(space_of(*(3,) * 8))
    codes = np.random.default_rng(0).integers(0, 3, size=(60, 8))
    spent = codes @ np.arange(1.0, 9)
    seen, unseen = slice(0, 25), codes[25:]  # 8 x 2 + 1 terms are free
    past = History(codes[seen], np.column_stack((-spent, spent))[seen], np.zeros(25))
    acquisition = Acquisition(past, coding, Known(), np.array([-1.0, 1.0]), start=10)
    means, _ = acquisition.predict(unseen)
    scaled = (spent[25:] - spent[seen].mean()) / spent[seen].std()
    assert means[:, 1] == pytest.approx(scaled, abs=0.2)
    # Rank scores of normal sums are about the sums, and negative ones: more is better.
    assert np.corrcoef(means[:, 0], spent[25:])[0, 1] < -0.95


@pytest.mark.parametrize(
    ("told", "most"),
    [(False, None), (True, None), (True, 10)],
    ids=["cost learned", "cost known", "cost known of ten"],
)
def test_an_error_is_sought_as_an_accuracy_is_and_a_cost_may_be_maximised_when_negative(told, most):
    def found(signs):
        def values(genes):
            return (None, signs[1] * cost(genes))

        return search(
            space_of(3, 4, 3, 2, 3),
            16,
            directions=["minimize" if sign > 0 else "maximize" for sign in signs],
            answer=lambda genes: ((signs[0] * error(genes), values(genes)[1]), None),
            known=Known(values=values if told else None, most=most),
        )

    usual = rows(found((-1, 1)))
    assert rows(found((1, 1))) == usual
    assert rows(found((-1, -1))) == usual


def test_who_is_counted_is_chosen_by_the_error_where_a_known_cost_comes_first():
    def found(sign):
        return search(
            space_of(3, 4, 3, 2, 3),
            20,
            directions=["minimize", "minimize" if sign > 0 else "maximize"],
            answer=lambda genes: ((cost(genes), sign * error(genes)), None),
            known=Known(values=lambda genes: (cost(genes), None), most=10),
        )

    assert rows(found(1)) == rows(found(-1))


def test_of_objectives_that_go_one_way_the_first_that_is_learned_is_no_cost_unless_said():
    coding, signs = Coding(space_of(3, 3)), np.ones(2)
    codes = np.zeros((4, 2), dtype=np.int64)
    for known, costs in (
        (Known(), [False, True]),
        (Known(values=lambda genes: (cost(genes), None)), [True, False]),
        (Known(values=lambda genes: (cost(genes), None), costs=(True, True)), [True, True]),
    ):
        of = KnownCodes(known, coding, signs)
        assert of.costs(of.values(codes)).tolist() == costs


def test_a_front_may_grow_beyond_all_trials_where_the_cost_is_learned_too():
    coding = Coding(space_of(*(3,) * 8))
    codes = np.random.default_rng(0).integers(0, 3, size=(200, 8))
    spent = codes @ np.arange(1.0, 9)
    cheap = spent <= 40  # of at most 72
    past = History(codes[cheap], np.column_stack((-spent, spent))[cheap], np.zeros(cheap.sum()))
    worth = Acquisition(past, coding, Known(), np.array([-1.0, 1.0]), start=10)
    assert (worth(np.array([[2] * 8, [2, 2, 2, 2, 2, 2, 1, 1]])) > 0).all()


def test_what_the_greatest_learned_cost_is_does_not_change_who_is_counted():
    coding = Coding(space_of(*(3,) * 8))
    asked = set()

    def features(genes):
        asked.add(tuple(genes.values()))
        return (float(sum(genes.values())),)

    codes = np.random.default_rng(0).integers(0, 3, size=(40, 8))
    for sign in (1.0, -1.0):
        spent = codes @ (sign * np.arange(1.0, 9))
        past = History(codes, np.column_stack((-spent, spent)), np.zeros(40))
        Acquisition(past, coding, Known(features=features), np.array([-1.0, 1.0]), start=10)
        # The trials, and three options of eight genes, of which one is there already but once.
        assert len(asked) <= 40 + 8 * 2 + 1


def test_an_exhausted_space_ends_in_words():
    space = space_of(2, 2)
    study = search(space, 4)
    assert len(set(rows(study))) == 4
    with pytest.raises(SpaceExhaustedError, match="all 4 combinations"):
        search(space, 1, study=study)


def test_when_all_within_the_known_limits_were_proposed_it_ends_in_words():
    space = space_of(3, 3)
    known = Known(violation=lambda genes: cost(genes) - 1.5)  # (0, 0) and (1, 0)
    study = search(space, 2, known=known)
    with pytest.raises(SpaceExhaustedError, match="2 candidates were proposed"):
        search(space, 1, known=known, study=study)


@pytest.mark.parametrize(
    "options",
    [(7,), (1, 1, 9), (2,) * 200],
    ids=["one gene", "one option", "200 genes"],
)
@pytest.mark.parametrize("directions", [("minimize",), ("minimize",) * 3])
def test_odd_spaces_are_searched(options, directions):
    space = space_of(*options)

    def answer(genes):
        return [error(genes), cost(genes), cost(genes) ** 2][: len(directions)], None

    study = search(space, 7, directions=directions, answer=answer)
    assert len(set(rows(study))) == 7


@pytest.mark.parametrize(
    "answer",
    [
        lambda genes: (0.5, 1.0),
        lambda genes: (0.5, None),
        lambda genes: (None, None),
        lambda genes: (math.inf, None),
        lambda genes: (math.nan, None),
        lambda genes: (None if genes["g0"] == 0 else 0.5, 1.0 if genes["g1"] == 0 else -1.0),
    ],
    ids=["all infeasible", "all equal", "all failed", "all infinite", "all NaN", "mixed"],
)
@pytest.mark.parametrize("objectives", [1, 2])
def test_odd_answers_are_no_crash(answer, objectives):
    def told(genes):
        value, violation = answer(genes)
        return (None if value is None else [value] * objectives), violation

    study = search(space_of(3, 3, 3), 15, directions=("minimize",) * objectives, answer=told)
    assert len(set(rows(study))) == 15


def test_what_fails_is_avoided():
    def answer(genes):
        return (None if genes["g0"] == 0 else error(genes)), None

    study = search(space_of(3, 3, 3, 3, 3, 3), 30, answer=answer)
    failed = [t.state == TrialState.FAIL for t in study.trials[15:]]
    # A third of random proposals fails: 5 of 15.
    assert sum(failed) <= 3


def test_open_trials_are_not_proposed_again_and_count_as_expected():
    space = space_of(4, 4, 4)
    study = search(space, 10)
    opened = [study.ask(fixed_distributions=space) for _ in range(8)]
    proposed = [tuple(trial.params.values()) for trial in opened]
    assert len({*proposed, *rows(study)[:10]}) == 18


def test_genes_are_found_by_themselves_and_other_parameters_are_drawn():
    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        gene = trial.suggest_categorical("gene", [1, 1.0, True, "1", None, 2, 3])
        other = trial.suggest_categorical("other", "abc")
        return x + (gene == "1") + (other == "b")

    study = optuna.create_study(sampler=HammingGPSampler(seed=1, n_startup_trials=4))
    study.optimize(objective, n_trials=12)
    assert len({t.params["x"] for t in study.trials}) == 12


def test_beyond_a_thousand_trials_a_subset_is_seen():
    space = space_of(*(4,) * 6)
    study = optuna.create_study()
    rng = np.random.default_rng(0)
    for _ in range(1300):
        params = {name: int(rng.integers(4)) for name in space}
        study.add_trial(
            optuna.trial.create_trial(params=params, distributions=space, value=error(params))
        )
    search(space, 1, study=study)
    assert error(study.trials[-1].params) < np.quantile([t.value for t in study.trials], 0.05)
