"""The result of one check of `alexc doctor`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A problem and how to solve it; where it is an error, training does not work."""

    text: str
    is_error: bool = False


@dataclass(frozen=True)
class Section:
    """A section of the report: its rows (name, value) and its findings."""

    title: str
    rows: tuple[tuple[str, str], ...]
    findings: tuple[Finding, ...] = ()
