"""`alexc prepare`."""

from __future__ import annotations


def prepare() -> None:
    """Not here yet."""
