"""Settings -> the parts of a study: data, space, reference network, limits."""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.architecture import Architecture
from nas.errors import SettingsError, SpaceError
from nas.evaluation.rungs import check_rungs
from nas.limits import limits_of, objective_of
from nas.names import load_object, resolve
from nas.objective import Objective
from nas.samplers import seed_of
from nas.settings import Settings, SpaceSettings
from nas.space import Genes, SearchSpace
from search_spaces import SEARCH_SPACES

if TYPE_CHECKING:
    from nas.evaluation.table import Table

DRAWN = 16
"""So many random networks of the space are held against the weights to start from."""

UNMEASURED_MS = 1000.0
"""Told for a latency that was not measured where there is no reference to take it from."""


@dataclass(frozen=True)
class Facts:
    """What the data say: input size, classes, hash, number of images, chance.

    `kept` says how many training images classes have and whether images are in memory or streamed,
    and why; empty for a table. `class_counts` are the training images of each class.
    """

    name: str
    hash: str
    input: tuple[int, int, int]
    classes: int
    validation_images: int
    kept: str = ""
    training_images: int = 0
    class_counts: tuple[int, ...] = ()

    @property
    def chance(self) -> float:
        """Accuracy of guessing."""
        return 1 / self.classes

    def guess(self, metric: str) -> float:
        """What a network has by this metric that gives the same answer to every image."""
        if metric not in ("accuracy", "top5") or not self.class_counts:
            return self.chance
        answers = sorted(self.class_counts)[-5 if metric == "top5" else -1 :]
        return sum(answers) / sum(self.class_counts)


@dataclass(frozen=True)
class Parts:
    """Everything a study is made of but its storage.

    `reference` is trained and shown beside the winners, None where accuracy comes from a table;
    `yardstick` is measured beside every candidate: the network a latency limit names, else the
    reference.
    """

    settings: Settings
    facts: Facts
    space: SearchSpace
    start: tuple[Genes, ...]
    objective: Objective
    reference: Architecture | None
    yardstick: Architecture | None
    target: str
    table: Table | None
    resolved: Mapping[str, Any]


def compose_parts(
    settings: Settings, *, resolved: Mapping[str, Any] | None = None, target: str = ""
) -> Parts:
    """Load the data, make the space, resolve the reference and the limits.

    `resolved` is what a study that goes on found out about its machine when it began, `target`
    what it measured on: of several workers that measure, one of that kind does.

    Raises:
        SettingsError, SpaceError, DataError, TargetError: what cannot be, in one message.
    """
    table = _table(settings)
    facts = _trained(settings) if table is None else _looked_up(settings)
    given: dict[str, Any] = (
        {} if table is not None else {"input": facts.input, "classes": facts.classes}
    )
    space = make_space(settings.space, **given)
    named = partial(resolve, input=space.input, classes=space.classes, folder=settings.study.folder)
    limits = limits_of(settings, named)
    objective = objective_of(settings, limits)
    measures = table is None or (objective.needs_latency and not table.has_latency)
    reference = named(settings.objective.reference) if measures else None
    start = _start(settings.space, space, named)
    if table is None and reference and settings.training.init is not None:
        _check_init(Path(settings.training.init), space, reference, start)
    if resolved is None:
        resolved = _resolved(settings, reference, facts) if table is None and reference else {}
    compared = [x.network for x in limits if x.quantity == "latency" and x.network]
    return Parts(
        settings=settings,
        facts=facts,
        space=space,
        start=start,
        objective=objective,
        reference=reference if table is None else None,
        yardstick=named(compared[0]) if compared else reference,
        target=_target(settings, target) if measures else "table",
        table=table,
        resolved=resolved,
    )


def _table(settings: Settings) -> Table | None:
    if settings.evaluation.name == "rungs":
        fractions = settings.evaluation.fractions
        check_rungs(epochs=settings.training.epochs, fractions=fractions)
    if settings.evaluation.name != "table":
        return None
    from nas.evaluation.table import Table

    return Table.load(Path(settings.evaluation.path or ""))


def _looked_up(settings: Settings) -> Facts:
    space = make_space(settings.space)
    path = Path(settings.evaluation.path or "")
    return Facts(
        name=path.stem,
        hash=f"{seed_of(path.read_bytes()):08x}",
        input=space.input,
        classes=space.classes,
        validation_images=0,
    )


def _trained(settings: Settings) -> Facts:
    from nas.data import load
    from nas.training import check_batch
    from nas.training import resolve as resolve_training

    # What no training could do is told at once.
    resolve_training(settings.training)
    data = load(settings.data)
    check_batch(settings.training, data)
    return Facts(
        data.name, data.hash, data.input, data.classes, len(data.validation), data.told,
        training_images=len(data.train), class_counts=data.counts,
    )  # fmt: skip


def _check_init(
    path: Path, space: SearchSpace, reference: Architecture, start: tuple[Genes, ...]
) -> None:
    """A file that no network of the study can start from is told before the first is trained."""
    from nas.weights import check_some

    rng = random.Random(0)
    drawn = [space.sample(rng) for _ in range(DRAWN)]
    check_some([reference, *(space.decode(genes) for genes in (*start, *drawn))], path)


def _resolved(settings: Settings, reference: Architecture, facts: Facts) -> dict[str, Any]:
    """What was found out by trying the reference network on this machine; kept with the study."""
    from nas.training import probed

    recipe = settings.training
    steps = recipe.epochs * facts.training_images / recipe.batch_size
    training = probed(recipe, reference, steps=steps)
    return {
        name: value
        for name, value in asdict(training).items()
        if name in ("device", "threads") or value != getattr(settings.training, name)
    }


def make_space(settings: SpaceSettings, **given: Any) -> SearchSpace:
    """The search space these settings name, for this input and these classes.

    Raises:
        SettingsError: a list is given that means nothing to this space.
        SpaceError: the space's own complaint, or a file that does not hold one.
    """
    if settings.source is not None:
        cls = load_object(settings.source)
        if not (isinstance(cls, type) and issubclass(cls, SearchSpace)):
            raise SpaceError(
                f"space.source: must name a class that extends nas.SearchSpace; got "
                f"{settings.source!r}; allowed: path/to/file.py:ClassName"
            )
    else:
        cls = SEARCH_SPACES[settings.name]
    lists = ("kinds", "groups", "widths", "expansions", "depths", "kernel_sizes", "resolutions")
    own: dict[str, Any] = {
        name: tuple(v) for name in lists if (v := getattr(settings, name)) is not None
    }
    try:
        return cls(**given, **own)
    except TypeError as error:
        raise SettingsError(
            f"space {settings.source or settings.name}: takes only the lists it has; got "
            f"{', '.join(own) or ', '.join(given)} ({error}); allowed: leave that at null"
        ) from error


def _start(
    settings: SpaceSettings, space: SearchSpace, named: partial[Architecture]
) -> tuple[Genes, ...]:
    """The genes a study proposes first: as named, else the space's own that are points of it."""
    if settings.start_from is not None:
        return tuple(_encoded(space, name, named(name)) for name in settings.start_from)
    found = []
    for name in space.starts:
        # Lists narrowed by the user may leave a published network out.
        with suppress(SpaceError):
            found.append(space.encode(named(name)))
    return tuple(found)


def _encoded(space: SearchSpace, name: str, architecture: Architecture) -> Genes:
    try:
        return space.encode(architecture)
    except SpaceError as error:
        raise SettingsError(
            f"space.start_from: must name networks of the space {space.name}; got {name!r} "
            f"({error}); allowed: networks of that family, or []"
        ) from error


def _target(settings: Settings, known: str) -> str:
    from nas.latency.target import machine_in, target_of

    return target_of(settings.target, machine=machine_in(known)).key
