"""Names of files and classes, as the page shows them."""

from __future__ import annotations

from alexc.printable import printable

_LONGEST = 40


def short_name(name: object) -> str:
    """The name, safe to print, cut off if it is long; the template escapes it."""
    shown = printable(name)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
