"""The only training loop."""

from nas.training.loop import Report, Trained, accuracy, outputs, resolve, train

__all__ = ["Report", "Trained", "accuracy", "outputs", "resolve", "train"]
