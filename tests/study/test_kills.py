"""kill -9 at ten points of a study: the trials are those of a study that was never killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from table_of_tiny import overrides, write_table

from nas.study.storage import StudyStorage

KILLED = """
import os, signal, sys
import sqlalchemy
sys.path[:0] = {paths!r}
from nas.cli import main

writes = 0

def before_commit(connection):
    global writes
    writes += 1
    if writes == {writes}:
        os.kill(os.getpid(), signal.SIGKILL)

sqlalchemy.event.listen(sqlalchemy.Engine, "commit", before_commit)
main({words!r})
"""

PROPOSALS = 24
WRITES_PER_TRIAL = 4
PARETO = ("objective=pareto", "objective.quantities=[accuracy,multiply_adds]")


def trials(folder: Path) -> list[tuple[object, ...]]:
    storage = StudyStorage.open(folder / "one")
    try:
        return [
            (t.number, t.state.name, tuple(t.params.items()), t.values, t.user_attrs["nas.outcome"])
            for t in storage.trials
        ]
    finally:
        storage.close()


def nas(*words: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "nas.cli", *words], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampler", "objective"),
    [
        ("tpe", ()),
        ("nsga2", PARETO),
        ("nsga3", PARETO),
        ("qmc", ()),
        ("gp", ()),
        ("random", PARETO),
        # One worker with a candidate ready.
        ("nsga2", ("execution=processes", "execution.workers=1")),
        ("hamming_gp", ()),
        ("hamming_gp", PARETO),
        ("mutation", PARETO),
    ],
)
def test_a_study_killed_at_ten_points_has_the_trials_of_one_that_was_not(
    tmp_path: Path, sampler: str, objective: tuple[str, ...]
) -> None:
    table = write_table(tmp_path / "tiny.json")
    chosen = (f"sampler={sampler}", "sampler.startup_trials=5", "sampler.population=6", *objective)
    asked = [*overrides(table, *chosen), "study.trials=1000"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    nas("search", *asked, f"study.max_proposals={PROPOSALS}", f"study.folder={whole}")
    nas("search", *asked, "study.max_proposals=1", f"study.folder={killed}")
    # Killed just before the n-th write of its life: each trial makes four, so that a few
    # proposals are lost before they are written, and others between outcome and telling.
    rng = random.Random(f"{sampler}-{objective}")
    on = ["resume", "one", f"study.max_proposals={PROPOSALS}", f"study.folder={killed}"]
    for _ in range(10):
        writes = rng.randint(1, WRITES_PER_TRIAL + 5)
        script = KILLED.format(paths=sys.path, writes=writes, words=on)
        ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
        assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    nas(*on)
    assert trials(killed) == trials(whole)


TRAINED = """
import os, signal, sys
from contextlib import closing
from pathlib import Path
sys.path[:0] = {paths!r}
import thop, torch._dynamo  # once, in the place of once a life
from torch.optim.optimizer import register_optimizer_step_post_hook
import nas.samplers.hamming_gp
from nas.costs import count
from nas.evaluation.full import evaluate_full
from nas.examining import table_latency, weights_path
from nas.objective import Limit, Objective
from nas.settings import DataSettings, TrainingSettings
from nas.study.candidates import Examiner
from nas.study.storage import StudyStorage
from tiny import run, size

objective = Objective("constrained", limits=(Limit("latency", 1.0),))
data = DataSettings(name="arrays", path={images!r})
recipe = TrainingSettings(
    epochs=3, batch_size=16, device="cpu", threads=1, precision="float32",
    memory_format="contiguous",
)

def live(folder):
    def evaluate(architecture, genes, report):
        path = weights_path(folder, architecture)
        return evaluate_full(
            architecture, data=data, training=recipe, seed=0, weights=path, report=report
        )

    examiner = Examiner(
        objective=objective,
        count=lambda architecture, genes: count(architecture),
        measure=lambda architecture, genes: table_latency(size(architecture) / 600, "stored"),
        evaluate=evaluate,
    )
    run(folder, proposals=16, sampler="hamming_gp", objective=objective, examiner=examiner)

for name, steps in {lives!r}:
    if not steps and Path(name).exists():
        with closing(StudyStorage.open(Path(name))) as storage:
            print(len(storage.records()))
    if not (life := os.fork()):
        left = steps

        def step(*_):
            global left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

        register_optimizer_step_post_hook(step)
        live(Path(name))
        os._exit(0)
    ended = os.waitstatus_to_exitcode(os.waitpid(life, 0)[1])
    assert ended == (-signal.SIGKILL if steps else 0), ended
"""


@pytest.mark.slow
def test_a_study_killed_in_ten_trainings_has_the_accuracies_of_one_that_was_not(
    tmp_path: Path,
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    digits = load_digits()
    images, labels = digits.images[:120].astype(np.uint8), digits.target[:120]
    np.savez(tmp_path / "few.npz", images=images, labels=labels)
    rng = random.Random(10)
    # A training has three epochs of five steps, of which a kill loses the last one begun.
    lives = [(str(killed), rng.randint(3, 20)) for _ in range(10)]
    script = TRAINED.format(
        paths=sys.path, images=str(tmp_path / "few.npz"),
        lives=[(str(whole), 0), *lives, (str(killed), 0)],
    )  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > 5, "all kills were within the random start"
    found = trained(whole)
    kinds = Counter(kind for _, _, kind, *_ in found)
    assert kinds["evaluated"] >= 8
    assert kinds["refused"]
    assert trained(killed) == found


def trained(folder: Path) -> list[tuple[object, ...]]:
    """What was proposed, and how well each candidate did, epoch by epoch."""
    with closing(StudyStorage.open(folder)) as storage:
        found = [(trial, trial.outcome) for trial in storage.records() if trial.outcome]
    return [
        (t.number, tuple(t.genes.values()), o.kind, o.evaluation and o.evaluation.accuracy,
         [(epoch.accuracy, epoch.loss) for epoch in o.evaluation.epochs] if o.evaluation else [])
        for t, o in found
    ]  # fmt: skip
