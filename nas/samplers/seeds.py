"""Seeds made of whatever they are to depend on."""

from __future__ import annotations

import hashlib


def seed_of(*parts: object) -> int:
    """A seed of 32 bits that depends on every part, equal in every process."""
    digest = hashlib.sha256(":".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big")
