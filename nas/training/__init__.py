"""The only training loop."""

from nas.training.inputs import check_batch
from nas.training.judging import accuracy, outputs
from nas.training.loop import Report, Trained, train
from nas.training.machine import gpus, resolve
from nas.training.probe import probed

__all__ = [
    "Report",
    "Trained",
    "accuracy",
    "check_batch",
    "gpus",
    "outputs",
    "probed",
    "resolve",
    "train",
]
