"""The study mirrored into MLflow, and the MLflow UI on it.

Importing this costs no MLflow; it is imported when a store is first opened.
"""

from nas.tracking.lookup import TrackedTrial, trial_of, trials_tagged
from nas.tracking.mirror import MlflowMirror
from nas.tracking.server import Server, serve
from nas.tracking.track import Tracked, track

__all__ = [
    "MlflowMirror",
    "Server",
    "Tracked",
    "TrackedTrial",
    "serve",
    "track",
    "trial_of",
    "trials_tagged",
]
