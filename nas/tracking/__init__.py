"""The study mirrored into MLflow, and the MLflow UI on it.

Importing this costs no MLflow; it is imported when a store is first opened.
"""

from nas.tracking.lookup import TrackedTrial, trial_of, trials_tagged
from nas.tracking.mirror import MlflowMirror
from nas.tracking.registry import Registered, register
from nas.tracking.server import Server, serve
from nas.tracking.track import Tracked, track
from nas.tracking.training import TrainingRun

__all__ = [
    "MlflowMirror",
    "Registered",
    "Server",
    "Tracked",
    "TrackedTrial",
    "TrainingRun",
    "register",
    "serve",
    "track",
    "trial_of",
    "trials_tagged",
]
