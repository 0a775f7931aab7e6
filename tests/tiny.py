"""A small space whose candidates are answered by formula, so that the loop runs in seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from nas.architecture import Architecture, HeadSpec, StemSpec, UnitSpec
from nas.errors import SpaceError
from nas.objective import Limit, Objective
from nas.outcome import Costs, Evaluation, Latency, Outcome
from nas.settings import EvaluationSettings, SamplerSettings
from nas.space import Gene, Genes, Option, SearchSpace
from nas.study.budget import Budget, Stopped
from nas.study.candidates import Examiner
from nas.study.foreknown import known_of
from nas.study.ladder import Ladder
from nas.study.loop import StudyLoop
from nas.study.proposals import Proposer
from nas.study.storage import StudyStorage

WIDTHS = (24, 32, 48, 64, 96)
DEPTHS = (1, 2, 3)


class Tiny(SearchSpace):
    """Three stages of ShuffleNet v2 units; `idle` is a gene without effect."""

    name = "tiny"

    def __init__(self, *, input: tuple[int, int, int] = (1, 8, 8), classes: int = 10) -> None:
        super().__init__(input=input, classes=classes)

    @property
    def genes(self) -> tuple[Gene, ...]:
        stages = [
            gene
            for n in (1, 2, 3)
            for gene in (Gene(f"width{n}", WIDTHS), Gene(f"depth{n}", DEPTHS))
        ]
        return (*stages, Gene("idle", ("a", "b")))

    def decode(self, genes: Mapping[str, Option]) -> Architecture:
        self.validate(genes)
        units: list[UnitSpec] = []
        for n in (1, 2, 3):
            width = int(genes[f"width{n}"]) * 2 ** (n - 1)
            units += [UnitSpec("sandglass", width, expansion=6)] * int(genes[f"depth{n}"])
        return Architecture(
            self.input, StemSpec(16, stride=1, pool=False), tuple(units), HeadSpec(), self.classes
        )

    def encode(self, architecture: Architecture) -> Genes:
        raise SpaceError("space tiny: nothing is encoded")


def size(architecture: Architecture) -> int:
    """Grows with width and depth: stands for multiply-adds."""
    return sum(unit.out_channels for unit in architecture.units)


def formula(architecture: Architecture) -> float:
    """An accuracy that rewards size, with a preference for depth in the last stage."""
    deep = len(architecture.units)
    return 0.5 + 0.4 * (1 - 200 / (200 + size(architecture))) + 0.01 * deep


EPOCHS = 9


def examiner(
    objective: Objective,
    storage: StudyStorage | None = None,
    train: Callable[[Architecture, int], Evaluation] | None = None,
    measure: Callable[[Architecture], Latency | None] = lambda architecture: None,
) -> Examiner:
    """Costs and accuracy by formula; latency is not asked for, unless by `measure`.

    With `train`, which is given the epochs, candidates climb rungs of 1, 3 and 9 epochs.
    """
    climb = None
    if train is not None:
        assert storage is not None  # rungs are written there
        rungs = EvaluationSettings(name="rungs")
        ladder = Ladder(
            storage, objective=objective, settings=rungs, epochs=EPOCHS, chance=0.1, images=400
        )

        def climb(known: Outcome, report: object) -> Evaluation:
            return ladder.climb(known, lambda rung, epochs: train(known.architecture, epochs))

    return Examiner(
        climb=climb,
        objective=objective,
        count=lambda a, g: Costs(size(a), size(a), 0),
        measure=lambda a, g: measure(a),
        evaluate=lambda a, g, report: Evaluation(formula(a), 0.0, 0.0, 0),
    )


CONSTRAINED = Objective("constrained", limits=(Limit("multiply_adds", 500.0),))
PARETO = Objective(
    "pareto",
    limits=(Limit("multiply_adds", 700.0),),
    quantities=("accuracy", "multiply_adds"),
)


def run(
    path: Path,
    *,
    proposals: int,
    sampler: str = "tpe",
    objective: Objective = CONSTRAINED,
    trials: int = 10_000,
    seed: int = 3,
    **more: object,
) -> Stopped:
    """Create or re-open the study in a folder and run it until so many proposals are made.

    `made` is given the loop before it runs.
    """
    space = Tiny()
    formulas = {name: more.pop(name) for name in ("train", "measure") if name in more}
    made = more.pop("made", None)
    if (path / "study.db").exists():
        storage = StudyStorage.open(path)
    else:
        storage = StudyStorage.create(path, objective.directions, {})
    proposer = Proposer(
        space.genes,
        objective.directions,
        sampler=SamplerSettings(name=sampler, startup_trials=5, population=6),
        seed=seed,
        past=storage.trials,
        known=known_of(space, lambda a, g: Costs(size(a), size(a), 0), objective),
    )
    loop = StudyLoop(
        storage,
        space,
        proposer,
        more.pop("examiner", None) or examiner(objective, storage, **formulas),  # type: ignore[arg-type]
        chance=0.1,
        unmeasured_ms=2.0,
        **more,  # type: ignore[arg-type]
    )
    try:
        if made:
            made(loop)  # type: ignore[operator]
        return loop.run(Budget(trials=trials, max_proposals=proposals))
    finally:
        storage.close()
