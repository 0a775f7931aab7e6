"""Several processes against one: the gradients are those of the whole batch."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from nas.architecture import Architecture
from nas.data import Split, load
from nas.errors import SettingsError
from nas.settings import DataSettings, TrainingSettings
from nas.training import train
from nas.training.group import ALONE, Group

TEXT = "in1x8x8+stem8-s1+sandglass:16-s2+sandglass:24-s2+head0+out10"
# One step of plain SGD without augmentation.
STEP = TrainingSettings(
    epochs=1, batch_size=50, learning_rate=0.1, momentum=0.0, warmup_share=0.0, weight_decay=0.0,
    shift=0, device="cpu", threads=1, memory_format="contiguous",
)  # fmt: skip

CHILD = f"""
import sys
from dataclasses import replace
from pathlib import Path
import torch
from nas.architecture import Architecture
from nas.data import Split, load
from nas.settings import DataSettings, TrainingSettings
from nas.training import train
from nas.training.group import Group
import nas.training.group as group

rank, store, out = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
data = load(DataSettings())
data = replace(data, train=Split(data.train.images[:50], data.train.labels[:50]))
settings = {STEP!r}
seen = []
original = torch.optim.SGD.step
def step(self, *args, **more):
    # What is averaged is the gradient; normalisation differs, each process having its own part.
    seen.append([p.grad.clone() for g in self.param_groups for p in g["params"]])
    return original(self, *args, **more)
torch.optim.SGD.step = step
trained = train(
    Architecture.from_text("{TEXT}"), data, settings, seed=1, group=Group(rank, 2, store)
)
torch.save({{"grads": seen[0], "weights": list(trained.module.parameters())}}, out)
"""


@pytest.mark.slow
def test_two_processes_end_with_the_same_weights_and_an_averaged_gradient(tmp_path):
    store = tmp_path / "store"
    outs = [tmp_path / f"{rank}.pt" for rank in (0, 1)]
    running = [
        subprocess.Popen([sys.executable, "-c", CHILD, str(rank), str(store), str(out)])
        for rank, out in enumerate(outs)
    ]
    assert [one.wait(timeout=300) for one in running] == [0, 0]
    one, two = (torch.load(out) for out in outs)
    for a, b in zip(one["grads"], two["grads"], strict=True):
        assert torch.equal(a, b)
    for a, b in zip(one["weights"], two["weights"], strict=True):
        assert torch.equal(a, b)
    # By hand: the gradient of each part's own mean, averaged over the two of 25 images each.
    from torch.nn import functional

    from nas.network import build
    from nas.training.inputs import prepared

    data = load(DataSettings())
    order = torch.randperm(50, generator=torch.Generator().manual_seed(ALONE.seed(1, 0)))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        module = build(Architecture.from_text(TEXT))
    module.train()
    for part in order.tensor_split(2):
        inputs = prepared(data.train.images[part], data=data, settings=STEP)
        loss = functional.cross_entropy(module(inputs), data.train.labels[part])
        (loss / 2).backward()
    decayed = [p for p in module.parameters() if p.ndim > 1]
    plain = [p for p in module.parameters() if p.ndim <= 1]
    for ours, theirs in zip([*decayed, *plain], one["grads"], strict=True):
        torch.testing.assert_close(ours.grad, theirs, atol=1e-5, rtol=1e-4)


def test_the_parts_of_a_batch_are_all_of_it_and_even():
    batch = torch.arange(11)
    parts = [Group(rank, 3).part(batch) for rank in range(3)]
    assert torch.equal(torch.cat(parts), batch)
    assert sorted(map(len, parts)) == [3, 4, 4]


def test_each_process_and_epoch_has_random_numbers_of_its_own():
    seeds = {Group(rank, 4).seed(s, e) for rank in range(4) for s in range(5) for e in range(50)}
    assert len(seeds) == 4 * 5 * 50
    assert all(0 <= Group(3, 4).seed(2**32 - 1, e) < 2**63 for e in range(3))


def test_a_batch_that_leaves_a_process_one_image_is_refused():
    data = load(DataSettings())
    few = replace(data, train=Split(data.train.images[:50], data.train.labels[:50]))
    with pytest.raises(SettingsError, match=r"two images of a batch; got 4 for 3 processes.*6"):
        train(
            Architecture.from_text(TEXT), few, replace(STEP, batch_size=4), seed=0,
            group=Group(0, 3),
        )  # fmt: skip
