"""`alexc predict`."""

from __future__ import annotations


def predict() -> None:
    """Not here yet."""
