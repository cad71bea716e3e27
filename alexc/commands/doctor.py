"""`alexc doctor`: checks whether this machine and a store are ready for training."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from alexc.runtime.doctor.section import Finding, Section
from alexc.runtime.doctor.versions import versions

from ..table import listed, wrapped
from ..terminal import print_message, terminal_width

EXIT_UNSOUND = 1
_NAMES = 12  # the width of the longest row name


def doctor(
    network: Annotated[
        Path | None,
        typer.Argument(
            metavar="NETWORK",
            help="A network file; its training step is timed.",
            show_default="only data loading is timed",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="STORE", help="A store, written by `alexc prepare`.", show_default="a few images of noise"
        ),
    ] = None,
) -> None:
    """Check the versions, devices, memory and disk of this machine.

    With NETWORK, it also measures whether data loading is fast enough for training.

    The exit code is 1 if training will not work.
    """
    first = versions()
    findings = _shown([first])
    if not any(finding.is_error for finding in findings):
        from alexc.runtime.allocator import keep_freed_memory

        keep_freed_memory()  # as training does
        from alexc.runtime.doctor.examination import examine

        findings += _shown(examine(data, network))
    print("findings")
    for finding in findings:
        lines = wrapped(f"  {'error' if finding.is_error else 'note'}: {finding.text}", terminal_width(), "    ")
        print_message("\n".join(lines), sys.stdout)
    if not findings:
        print("  none: all is well")
    if any(finding.is_error for finding in findings):
        raise typer.Exit(EXIT_UNSOUND)


def _shown(sections: Iterable[Section]) -> list[Finding]:
    """Print each section as soon as it is ready; return all findings."""
    findings: list[Finding] = []
    for section in sections:
        print(section.title)
        rows = [(f"  {name:<{_NAMES}}", value) for name, value in section.rows]
        print("\n".join(listed(rows, terminal_width())), end="\n\n", flush=True)
        findings += section.findings
    return findings
