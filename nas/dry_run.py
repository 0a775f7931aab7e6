"""What a search would do and cost, found by probing: `nas search --dry-run`."""

from __future__ import annotations

import math
import random
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from nas.architecture import Architecture
from nas.composition import Parts, compose_parts
from nas.device import instrument_of
from nas.evaluation.rungs import mean_share
from nas.examining import make_examiner
from nas.objective import Objective
from nas.outcome import Costs, Latency
from nas.result import DryRun
from nas.settings import Settings
from nas.space import Genes
from nas.study.best import KEPT
from nas.study.candidates import Examiner
from nas.study.folder import check_folder
from nas.workplace import workers_of

DRAWS = 100
MEASURED = 20
"""As many of the draws that keep the counted limits are measured; the share stands for the rest."""

MIRROR_MB = 0.05
"""What a trial takes in Optuna's and MLflow's databases."""


def dry_run(settings: Settings) -> DryRun:
    """Resolve everything, draw 100 candidates, measure some, train one epoch; nothing is kept.

    Raises:
        NasError: what `nas search` would raise before its first trial.
    """
    check_folder(Path(settings.study.folder))
    parts = compose_parts(settings)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="latency-nas-")))
        workers = stack.enter_context(closing(workers_of(parts, stop=lambda: False)))
        short = replace(parts, settings=_one_epoch(settings))
        instrument = instrument_of(parts, stack)
        examiner = make_examiner(short, instrument, workers, folder)
        draws = _draw(parts)
        kept, worst, measuring = _limits_kept(parts.objective, examiner, draws)
        training = _seconds_of_training(parts, examiner, draws)
    share = kept / len(draws)
    seconds = training + measuring
    proposals = settings.study.trials / max(share, 1 / 20)
    alone = settings.study.trials * training / workers.number
    # Measured while workers train, who pause meanwhile.
    hours = (alone + proposals * measuring) / 3600
    return DryRun(
        target=parts.target,
        goal=parts.objective.goal,
        limits=tuple(limit.sentence for limit in parts.objective.limits),
        draws=len(draws),
        kept=kept,
        checked=tuple(limit.sentence for limit in parts.objective.limits),
        seconds_per_candidate=seconds,
        hours=hours,
        disk_mb=_disk(parts, draws),
        advice="" if kept else _advice(parts, worst),
        settings=settings.to_json(),
    )


def _one_epoch(settings: Settings) -> Settings:
    return replace(settings, training=replace(settings.training, epochs=1))


def _draw(parts: Parts) -> list[tuple[Genes, Architecture]]:
    rng = random.Random(parts.settings.study.seed)
    genes = [parts.space.sample(rng) for _ in range(DRAWS)]
    return [(one, parts.space.decode(one)) for one in genes]


def _limits_kept(
    objective: Objective, examiner: Examiner, draws: list[tuple[Genes, Architecture]]
) -> tuple[int, dict[str, float], float]:
    """How many draws keep every limit, the least violation of each limit, seconds per measuring."""
    least: dict[str, float] = {}
    light: list[tuple[Genes, Architecture, Costs]] = []
    for genes, architecture in draws:
        costs = examiner.count(architecture, genes)
        found = _note(objective, least, architecture, costs, None)
        if all(violation <= 0 for violation in found.values()):
            light.append((genes, architecture, costs))
    probed = light[:MEASURED] or [(g, a, examiner.count(a, g)) for g, a in draws[:3]]
    start, kept = time.perf_counter(), 0
    for genes, architecture, costs in probed:
        latency = examiner.measure(architecture, genes)
        if objective.keeps(_note(objective, least, architecture, costs, latency)):
            kept += 1
    seconds = (time.perf_counter() - start) / len(probed)
    return math.ceil(kept / len(probed) * len(light)), least, seconds


def _note(
    objective: Objective,
    least: dict[str, float],
    architecture: Architecture,
    costs: Costs,
    latency: Latency | None,
) -> dict[str, float]:
    found = objective.violations(architecture.fingerprint, costs, latency)
    for name, violation in found.items():
        least[name] = min(violation, least.get(name, math.inf))
    return found


def _seconds_of_training(
    parts: Parts, examiner: Examiner, draws: list[tuple[Genes, Architecture]]
) -> float:
    """Seconds of training of one candidate, from one epoch of the reference network."""
    genes, architecture = draws[0]
    if parts.reference is not None:
        genes, architecture = {}, parts.reference
    # Twice: the first call pays for starting the process and loading the data.
    examiner.evaluate(architecture, genes, lambda *_: None)
    evaluation = examiner.evaluate(architecture, genes, lambda *_: None)
    settings = parts.settings
    return evaluation.seconds * settings.training.epochs * mean_share(settings.evaluation)


def _disk(parts: Parts, draws: list[tuple[Genes, Architecture]]) -> float:
    """MB for the weights of the candidates that keep them, and for the databases."""
    from nas.costs import count

    if parts.table is not None:
        return MIRROR_MB * parts.settings.study.trials
    parameters = sum(count(a).parameters for _, a in draws[:10]) / 10
    weights = min(KEPT + 1, parts.settings.study.trials) * parameters * 4 / 1e6
    return weights + MIRROR_MB * parts.settings.study.trials


def _advice(parts: Parts, least: dict[str, float]) -> str:
    """Which limit no draw keeps, how far the nearest is, what to relax."""
    name = max(least, key=lambda key: least[key])
    limit = next(limit for limit in parts.objective.limits if limit.name == name)
    violation = least[name]
    if violation <= 0:
        return (
            f"each limit is kept by some of {DRAWS} draws, all of them together by none; relax "
            "one of them, or start from a published network (space.start_from)"
        )
    relaxed = ""
    if limit.bound is not None and limit.network is None:
        number = "latency_ms" if limit.quantity == "latency" else limit.quantity
        relaxed = f"objective.{number}={limit.bound * math.exp(violation) * 1.05:.3g}, "
    return (
        f"{limit.sentence}: kept by none of {DRAWS} draws, the nearest exceeds it by "
        f"{100 * (math.exp(violation) - 1):.0f} %; relax it ({relaxed}smaller images, or smaller "
        "space.widths and space.depths)"
    )
