"""`alexc train`."""

from __future__ import annotations


def train() -> None:
    """Not here yet."""
