"""What a look at one side of the machine found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Something that the user should know, with the remedy; `stops` where a training will not work so."""

    text: str
    stops: bool = False


@dataclass(frozen=True)
class Section:
    """Lines of a report, each a name and what was found, and what follows from them."""

    title: str
    rows: tuple[tuple[str, str], ...]
    findings: tuple[Finding, ...] = ()
