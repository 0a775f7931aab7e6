"""The only training loop."""

from nas.training.loop import Report, Trained, accuracy, outputs, train
from nas.training.machine import resolve

__all__ = ["Report", "Trained", "accuracy", "outputs", "resolve", "train"]
