"""A section that cannot be made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Missing:
    """Stands where a section would be: why it is not there, as one sentence for people."""

    reason: str
