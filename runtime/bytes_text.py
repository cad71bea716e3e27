"""Sizes in words."""

from __future__ import annotations


def bytes_text(size: float) -> str:
    """Format a size as 262.1 GB, 6.2 MB or 8.4 kB."""
    name, unit = next(((name, unit) for name, unit in (("GB", 1e9), ("MB", 1e6)) if size >= unit), ("kB", 1e3))
    return f"{size / unit:,.1f} {name}"
