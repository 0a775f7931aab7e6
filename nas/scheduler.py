"""The scheduler of a Dask cluster: how it is reached, and what its workers must be like."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING

from nas.errors import SettingsError

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 10.0

GPU = "GPU"
"""The resource of a worker that has a GPU: `dask worker --resources GPU=1`."""

LATENCY = "latency"
"""The resource of a worker that measures: `dask worker --resources latency=1`."""


def connect(address: str) -> Client:
    """A client of this scheduler.

    Raises:
        SettingsError: Dask is not installed.
        OSError, ValueError: it does not answer; no such address.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise absent(error) from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)


def absent(error: ImportError) -> SettingsError:
    """The message where Dask is not installed."""
    return SettingsError(
        f"execution: execution=dask and target.where=dask need the extra dask; got {error}; "
        "allowed: pip install -c constraints.txt -e '.[dask]', or execution=processes"
    )


def offering(client: Client, resource: str) -> list[str]:
    """The addresses of the workers that have this resource."""
    workers = client.scheduler_info()["workers"]
    return [address for address, one in workers.items() if one["resources"].get(resource)]


def facts() -> dict[str, str]:
    """What a worker and the driver must have in common."""
    python = ".".join(map(str, sys.version_info[:2]))
    return {"latency-nas": version("latency-nas"), "Python": python}


def check_workers(
    found: Mapping[str, Mapping[str, str] | BaseException],
    *,
    setting: str = "execution.scheduler",
) -> None:
    """Refuse workers, by address, that have not the driver's facts; `setting` named theirs.

    Raises:
        SettingsError: one has not, or cannot even say.
    """
    here = facts()
    for address, there in found.items():
        if isinstance(there, BaseException):
            got = f"one that cannot run it ({type(there).__name__}: {there})"
            raise unfit(address, got, setting=setting)
        for what, number in here.items():
            if there.get(what) != number:
                raise unfit(address, f"{what} {there.get(what)}, here {number}", setting=setting)


def unfit(
    address: str,
    got: str,
    *,
    setting: str = "execution.scheduler",
    kept: str = "nothing was begun",
) -> SettingsError:
    """The message of a worker that runs something else than the driver."""
    return SettingsError(
        f"{setting}: every worker must run the driver's latency-nas and Python; got "
        f"{got} on {address}; {kept}; allowed: the same installation on all machines"
    )


def given_up() -> bool:
    """Asked in a task: whether nobody waits for it any more."""
    from distributed import get_worker

    # Cancelled by the driver, or by the scheduler because the driver is gone.
    worker = get_worker()
    state = worker.state.tasks.get(worker.get_current_task())
    return state is None or state.state != "executing"
