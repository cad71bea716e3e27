"""A section that cannot be made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Missing:
    """Replaces a section: one sentence that says why it is missing."""

    reason: str
