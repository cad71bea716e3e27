"""`alexc check`: reports the errors in specs."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from alexc.compiler.graph.shapes import MOST_PARAMETERS
from alexc.compiler.pipeline import Checked
from alexc.compiler.text.diagnostics import in_order, render_all
from alexc.compiler.text.reports import as_github, as_json, as_sarif

from ..failures import OneByOne
from ..net_options import MostParameters
from ..printable import printable
from ..spec_file import read_spec
from ..terminal import print_message


class Format(StrEnum):
    """The output formats."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


def check(
    specs: Annotated[list[Path], typer.Argument(metavar="SPEC", help="The `.net` files to check.")],
    format: Annotated[
        Format,
        typer.Option(
            help="The output format: `text` for people, `sarif` for code scanners, `github` for GitHub Actions.",
        ),
    ] = Format.TEXT,
    most_parameters: MostParameters = MOST_PARAMETERS,
) -> None:
    """Check specs and report every error.

    The exit code is 1 if there are errors, in every format. A file that cannot be read does not stop the others.
    """
    checked: dict[Path, Checked] = {}
    reading = OneByOne()
    for path in specs:
        with reading.reported():
            checked[path] = read_spec(path, most_parameters)
    if not checked:
        raise typer.Exit(1)
    findings = [each for spec in checked.values() for each in in_order(spec.source, spec.diagnostics)]
    if format is Format.JSON:
        print(json.dumps({"specs": [str(path) for path in checked], "findings": as_json(findings)}, indent=2))
    elif format is Format.SARIF:
        print(json.dumps(as_sarif(findings, version("alexc")), indent=2))
    elif format is Format.GITHUB:
        print("".join(f"{line}\n" for line in as_github(findings)), end="")
    else:
        for path, spec in checked.items():
            print_message(_message(path, spec), sys.stdout)
    if reading.failed or any(each.severity == "error" for each in findings):
        raise typer.Exit(1)


def _message(path: Path, checked: Checked) -> str:
    return render_all(checked.source, checked.diagnostics) if checked.diagnostics else f"{printable(path)}: no errors"
