"""Passwords are for those who connect: what is shown, logged or stored has stars in their place."""

from __future__ import annotations

import re

HIDDEN = "***"

_SECRET = re.compile(r"(?<=://)([^\s:/@'\"]*):[^\s'\"]*@")
_SECRET_WORD = re.compile(r"(?i)\b(password|passwd|token|secret)=[^&\s'\"]+")


def masked(text: str) -> str:
    """The text with the passwords of the URIs in it hidden.

    >>> masked("postgresql://ann:pa55@host/db")
    'postgresql://ann:***@host/db'
    """
    return _SECRET_WORD.sub(rf"\1={HIDDEN}", _SECRET.sub(rf"\1:{HIDDEN}@", text))


def unmasked(uri: str) -> str:
    """A URI that was stored masked, as one without a password: the environment may have it.

    >>> unmasked("postgresql://ann:***@host/db")
    'postgresql://ann@host/db'
    """
    return uri.replace(f":{HIDDEN}@", "@")
