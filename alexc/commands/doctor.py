"""`alexc doctor`: whether this machine and this store can do what a training asks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from alexc.runtime.doctor.section import Finding, Section
from alexc.runtime.doctor.versions import versions

EXIT_UNSOUND = 1
_NAMES = 12  # columns of the longest name of a row


def doctor(
    network: Annotated[
        Path | None,
        typer.Argument(
            metavar="NETWORK", help="A network file, whose training is timed.", show_default="the feed alone is timed"
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="STORE", help="A store that `alexc prepare` made.", show_default="a few images of noise"),
    ] = None,
) -> None:
    """Check the versions, devices, memory and disk of this machine.

    With NETWORK, also measure whether the store keeps up with it.

    Exits with 1 when something will not work.
    """
    first = versions()
    findings = _shown([first])
    if not any(finding.stops for finding in findings):
        from alexc.runtime.allocator import keep_freed_memory

        keep_freed_memory()  # as a training does
        from alexc.runtime.doctor.examination import examine

        findings += _shown(examine(data, network))
    print("findings")
    for finding in findings:
        print(f"  {'error' if finding.stops else 'note'}: {finding.text}")
    if not findings:
        print("  none: all is well")
    if any(finding.stops for finding in findings):
        raise typer.Exit(EXIT_UNSOUND)


def _shown(sections: Iterable[Section]) -> list[Finding]:
    """Print sections as they come; returns what they have found."""
    findings: list[Finding] = []
    for section in sections:
        print(section.title)
        for name, value in section.rows:
            print(f"  {name:<{_NAMES}}  {value}", flush=True)
        print()
        findings += section.findings
    return findings
