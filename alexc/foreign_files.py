"""Imports the files of other programs, and networks of torchvision, that the user names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from alexc.compiler.layers.arguments import LARGEST_SIZE
from alexc.compiler.layers.kind import Shape
from alexc.compiler.text.diagnostics import Diagnostic, render_all
from alexc.importers.foreign.network import Assumptions
from alexc.importers.foreign.spec_writer import ImportResult
from alexc.importers.pipeline import import_sources, is_foreign, to_spec
from alexc.importers.torchvision import TORCHVISION
from alexc.runtime.errors import UserError

from .printable import printable
from .spec_file import read_foreign, read_unchecked


def names_foreign_file(path: str) -> bool:
    """Whether this is a file that can be imported, or the name of a network of torchvision.

    Raises:
        SpecError: the file cannot be read.
    """
    if path.startswith(TORCHVISION):
        return True
    source, unreadable = read_unchecked(Path(path))
    return not unreadable and is_foreign(source)


def imported(files: Sequence[str], assumed: Assumptions) -> ImportResult:
    """The spec of the network in these files, and the diagnostics.

    Raises:
        UserError: a file cannot be read, or there are other files beside a network of torchvision.
    """
    if any(file.startswith(TORCHVISION) for file in files):
        if len(files) > 1:
            raise UserError(f"{printable(files[1])}: import a network of torchvision alone")
        from alexc.importers.torchvision.reader import read_torchvision

        read = read_torchvision(files[0].removeprefix(TORCHVISION), assumed.input)
        return to_spec(read, assumed.most_parameters)
    opened = [read_foreign(Path(file)) for file in files]
    unreadable = tuple(finding for _, findings in opened for finding in findings)
    return ImportResult(None, unreadable) if unreadable else import_sources([source for source, _ in opened], assumed)


def assumed_input(text: str | None) -> Shape | None:
    """The shape in `--input`.

    Raises:
        UserError: it is not a shape.
    """
    if text is None:
        return None
    sizes = [int(size) for size in text.split("x")] if re.fullmatch(r"[0-9]{1,7}(x[0-9]{1,7}){2}", text) else [0]
    if not all(1 <= size <= LARGEST_SIZE for size in sizes):
        raise UserError(f"--input {printable(text)}: must be channels x height x width, as in 3x227x227")
    return Shape(tuple(sizes))


def findings_text(findings: Sequence[Diagnostic]) -> str:
    """The diagnostics as text, file by file."""
    by_source: dict[int, list[Diagnostic]] = {}
    for finding in findings:
        by_source.setdefault(id(finding.span.source), []).append(finding)
    return "\n".join(render_all(each[0].span.source, each) for each in by_source.values())
