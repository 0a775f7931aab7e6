"""An address in the browser of whoever sits in front of this machine."""

from __future__ import annotations

import os
import sys
import webbrowser

SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
"""Variables of which one says that a window can be opened, or what to open it with."""


def opened(address: str) -> bool:
    """Open an address; whether there was a browser to open it with.

    A browser in characters would take the terminal away: it is started only if BROWSER names it.
    """
    windows = sys.platform in ("darwin", "win32") or any(map(os.environ.get, SCREENS))
    if not windows:
        return False
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    if type(browser) is webbrowser.GenericBrowser and not os.environ.get("BROWSER"):
        return False
    return browser.open(address)
