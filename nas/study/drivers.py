"""Several drivers of one study on PostgreSQL: who lives, whose turn it is, who has which network.

A driver holds an advisory lock for as long as its connection lives: no clock and no file says that
it does. Locks are named by two numbers, one of the study and one of the driver.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.engine import URL

TURN, CONCLUDES, REFERENCE = 0, 1, 2
FIRST = 16
"""The second number of a lock: small ones are for what one driver at a time does, from FIRST on
they are drivers."""

CLAIMS = """
CREATE TABLE IF NOT EXISTS nas_claims (
    study TEXT NOT NULL, fingerprint TEXT NOT NULL, trial INTEGER NOT NULL,
    PRIMARY KEY (study, fingerprint)
)
"""
CLAIM = """
INSERT INTO nas_claims (study, fingerprint, trial) VALUES (:study, :fingerprint, :trial)
ON CONFLICT (study, fingerprint) DO NOTHING
"""
CLAIMED = "SELECT trial FROM nas_claims WHERE study = :study AND fingerprint = :fingerprint"
HELD = """
SELECT locks.objid, activity.application_name
FROM pg_locks AS locks JOIN pg_stat_activity AS activity ON activity.pid = locks.pid
WHERE locks.locktype = 'advisory' AND locks.granted AND locks.classid = :study
    AND locks.objid >= :first
    AND locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY locks.objid
"""
PREFIX = "latency-nas "


class Drivers:
    """The drivers of one study. One connection, used by one thread."""

    def __init__(self, url: URL, study: str) -> None:
        name = f"{PREFIX}pid {os.getpid()} on {socket.gethostname()}"
        self._engine = create_engine(
            url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"application_name": name[:63], "connect_timeout": 10},
        )
        self._study = study
        self._key = int.from_bytes(hashlib.sha256(study.encode()).digest()[:4], "big") >> 1
        self._connection = self._engine.connect()
        self.number: int | None = None

    def join(self) -> int:
        """Become a driver; its number, until `close` or the end of this process."""
        # A machine that is gone says no goodbye: the server asks whether it is there.
        for name, seconds in (("idle", 30), ("interval", 10), ("count", 3)):
            self._connection.execute(text(f"SET tcp_keepalives_{name} = {seconds}"))
        number = FIRST + secrets.randbelow(2**31 - FIRST)
        self._lock("pg_advisory_lock", number)
        self.number = number
        return number

    def alive(self) -> dict[int, str]:
        """The drivers that live, each with its pid and host."""
        found = self._connection.execute(text(HELD), {"study": self._key, "first": FIRST})
        return {int(number): str(name).removeprefix(PREFIX) for number, name in found}

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One driver at a time is in here; the others wait."""
        self._lock("pg_advisory_lock", TURN)
        try:
            yield
        finally:
            self._lock("pg_advisory_unlock", TURN)

    def take(self, what: int) -> bool:
        """Whether this driver is the one that does something, until `leave` or its end."""
        return bool(self._lock("pg_try_advisory_lock", what))

    def leave(self, what: int) -> None:
        """Let another driver do it."""
        self._lock("pg_advisory_unlock", what)

    def check(self) -> None:
        """Raise where the connection is lost: others may have taken up what was this driver's."""
        self._connection.execute(text("SELECT 1"))

    def claim(self, fingerprint: str, trial: int) -> int:
        """Claim a network for a trial; the trial that has it, this one or an earlier one."""
        wanted = {"study": self._study, "fingerprint": fingerprint, "trial": trial}
        self._connection.execute(text(CLAIM), wanted)
        return int(self._connection.execute(text(CLAIMED), wanted).scalar_one())

    def _lock(self, function: str, what: int) -> object:
        keys = {"study": self._key, "what": what}
        return self._connection.execute(text(f"SELECT {function}(:study, :what)"), keys).scalar()

    def close(self) -> None:
        """Stop being a driver."""
        self._connection.close()
        self._engine.dispose()
