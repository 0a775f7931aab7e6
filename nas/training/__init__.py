"""The only training loop."""

from nas.training.judging import accuracy, outputs
from nas.training.loop import Report, Trained, train
from nas.training.machine import resolve
from nas.training.probe import probed

__all__ = ["Report", "Trained", "accuracy", "outputs", "probed", "resolve", "train"]
