"""`alexc compile`: from a spec to a Python file."""

from __future__ import annotations

import keyword
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from alexc.compiler.format import format_spec
from alexc.compiler.pytorch import MADE_BY, write_pytorch
from alexc.compiler.source import Source
from alexc.compiler.spec_writer import write_spec
from alexc.runtime.errors import UserError
from alexc.spec_file import graph_of
from alexc.text_file import write_text


class Emitted(StrEnum):
    """What a spec is compiled to."""

    PYTHON = "python"
    NET = "net"


def compile_(
    specs: Annotated[list[Path], typer.Argument(metavar="SPEC…", help="The `.net` files to compile.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="The folder for the files.")] = Path(
        "generated"
    ),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; end with 1 where a file is not what it would be.")
    ] = False,
    emit: Annotated[
        Emitted, typer.Option(help="`net` prints the spec instead, with variants, blocks and defaults written out.")
    ] = Emitted.PYTHON,
) -> None:
    """Write the PyTorch module of each spec into DIR, in a file of the spec's name."""
    if emit is Emitted.NET:
        for spec in specs:
            text, _ = format_spec(Source(spec.name, write_spec(graph_of(spec))))
            print(text, end="")
        return
    graphs = {spec: graph_of(spec) for spec in specs}
    targets: dict[Path, Path] = {}
    for spec in graphs:
        target = out / f"{_module_name(spec)}.py"
        if target in targets:
            raise UserError(f"{spec}: would be written to {target}, as {targets[target]} is; rename one of the two")
        targets[target] = spec
    texts = {target: write_pytorch(graphs[spec], spec.name) for target, spec in targets.items()}
    stale = [target for target, text in texts.items() if not _is_current(target, text)]
    if check and stale:
        for target in stale:
            print(f"{target}: not what alexc makes of {targets[target]}; run `alexc compile {targets[target]}`")
        raise typer.Exit(1)
    for target, text in texts.items():
        if target in stale:
            _write(target, text)
        print(f"{target}  {'written' if target in stale else 'unchanged'}")


def _module_name(spec: Path) -> str:
    name = spec.stem.replace("-", "_")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or keyword.iskeyword(name):
        raise UserError(f"{spec}: a Python module cannot be called `{name!a}`; rename the file, as in my_net.net")
    if spec.suffix != ".net":
        raise UserError(f"{str(spec)!a}: the name of a spec ends in `.net`; rename the file, as in {name}.net")
    return name


def _is_current(target: Path, text: str) -> bool:
    try:
        return target.read_text(encoding="utf-8") == text
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return False
    except OSError as error:
        raise UserError(f"{target}: cannot be read: {error.strerror}") from None


def _write(target: Path, text: str) -> None:
    if target.is_symlink() or (target.exists() and not _made_by_alexc(target)):
        raise UserError(f"{target}: exists and was not made by alexc; move it away, or give another folder with -o")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{target}: cannot be written: {error.strerror}") from None
    write_text(target, text, mode=0o644)


def _made_by_alexc(target: Path) -> bool:
    return target.is_file() and MADE_BY in target.read_bytes()[:2000].decode("utf-8", "replace")
