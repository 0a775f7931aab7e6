"""Every exception this project raises on purpose.

    NasError
    ├── InputError (also ValueError)      the caller's mistake; exit status 2 on the command line
    │   ├── ArchitectureError             a network that cannot be built
    │   ├── SpaceError                    a search space, or genes that are not in it
    │   └── SettingsError                 a setting, an override, a name of an option
    ├── DataError                         images or tables that are missing or damaged
    ├── MeasurementError                  a latency that could not be measured
    │   └── TargetError                   the target itself: runtime absent, device gone
    ├── TrainingError                     a candidate's training failed (NaN loss)
    │   └── MemoryRanOutError             for want of memory; tried once more
    ├── StudyError                        a study that cannot be created, resumed or found
    │   └── SpaceExhaustedError           nothing is left that could be proposed
    ├── TrackingError                     the MLflow store cannot be used
    └── ExportError                       an exported file is missing, damaged, or says otherwise

A message says, in this order: where, the rule, the offending value, what is allowed (nearest
first).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class NasError(Exception):
    """Root of the tree: catch this to catch everything the project raises on purpose."""


class InputError(NasError, ValueError):
    """The caller asked for something that cannot be."""


class ArchitectureError(InputError):
    """A network that cannot be built: a channel rule, a stride or a text form is broken."""


class SpaceError(InputError):
    """A search space is not well formed, or genes or a network are not in it."""


class SettingsError(InputError):
    """A setting has an unknown name or a value that is not allowed."""


class DataError(NasError):
    """Images, labels or a table are missing, damaged or do not fit together."""


class MeasurementError(NasError):
    """A latency could not be measured."""


class TargetError(MeasurementError):
    """The target cannot be used at all: its runtime is absent or its device is gone."""


class TrainingError(NasError):
    """Training a candidate failed; the candidate fails, the study goes on."""


class MemoryRanOutError(TrainingError):
    """Training a candidate took more memory than there was; another try may find more."""


class StudyError(NasError):
    """A study cannot be created, found, resumed or written."""


class SpaceExhaustedError(StudyError):
    """Nothing is left to propose: every network within the limits was, or none can be found."""


class TrackingError(NasError):
    """The MLflow store cannot be opened or written."""


class ExportError(NasError):
    """Exported files cannot be written, are damaged, or give other outputs than the network."""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """The allowed names as one phrase, the nearest to `name` first.

    >>> nearest("tpee", ["gp", "tpe"])
    'tpe, gp'
    """
    names = sorted(allowed)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return ", ".join([*close, *(n for n in names if n not in close)])
