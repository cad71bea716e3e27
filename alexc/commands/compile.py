"""`alexc compile`: writes the Python file of a spec."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from alexc.compiler.files.pytorch import MADE_BY
from alexc.compiler.graph.shapes import MOST_PARAMETERS
from alexc.runtime.errors import UserError
from alexc.runtime.files import check_overwritable, require_regular_file, write_error, write_text

from ..net import Net
from ..net_options import MostParameters, read_net
from ..printable import printable


class Emitted(StrEnum):
    """The output formats."""

    PYTHON = "python"
    NET = "net"


def compile_(
    specs: Annotated[list[Path], typer.Argument(metavar="SPEC", help="The `.net` files to compile.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="The folder to write to.")] = Path(
        "generated"
    ),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 if a file is not up to date.")
    ] = False,
    placements: Annotated[
        list[str] | None,
        typer.Option(
            "--placement",
            metavar="NAME",
            help="Write the network for this placement of the spec; may be repeated.",
            show_default="for one device",
        ),
    ] = None,
    emit: Annotated[
        Emitted, typer.Option(help="`net` prints the spec, with variants, blocks and defaults written out.")
    ] = Emitted.PYTHON,
    most_parameters: MostParameters = MOST_PARAMETERS,
) -> None:
    """Write the PyTorch module of each spec.

    alexnet.net becomes DIR/alexnet.py; with --placement two_gpus, DIR/alexnet_two_gpus.py.
    """
    if emit is Emitted.NET and placements:
        raise UserError("--emit net writes the spec with all its placements; leave out --placement")
    if emit is Emitted.NET:
        for spec in specs:
            print(read_net([spec], most_parameters=most_parameters).expanded(), end="")
        return
    targets: dict[Path, _Target] = {}
    for spec in specs:
        net = read_net([spec], most_parameters=most_parameters)
        for placement in placements or (None,):
            asked = _Target(spec, net, placement)
            target = out / f"{asked.module_name()}.py"
            if target in targets:
                other = printable(targets[target].spec)
                twice = f"{printable(spec)}: would be written to {printable(target)}, as {other} is"
                raise UserError(f"{twice}; rename one of the two")
            targets[target] = asked
    texts = {target: asked.net.python(asked.placement) for target, asked in targets.items()}
    stale = [target for target, text in texts.items() if not _is_current(target, text)]
    if check and stale:
        for target in stale:
            shown = printable(targets[target].spec)
            command = f"alexc compile {shown}{targets[target].option()}"
            print(f"{printable(target)}: not the current output for {shown}; run `{command}`")
        raise typer.Exit(1)
    for target, text in texts.items():
        if target in stale:
            _write(target, text)
        print(f"{printable(target)}  {'written' if target in stale else 'unchanged'}")


@dataclass(frozen=True)
class _Target:
    """A file to write: a spec for one device, or for a placement."""

    spec: Path
    net: Net
    placement: str | None

    def module_name(self) -> str:
        """The name of the Python file, without its suffix."""
        return _module_name(self.spec) + (f"_{self.placement}" if self.placement else "")

    def option(self) -> str:
        """The command-line option for the placement."""
        return f" --placement {self.placement}" if self.placement else ""


def _module_name(spec: Path) -> str:
    name = spec.stem.replace("-", "_")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or keyword.iskeyword(name):
        raise UserError(
            f"{printable(spec)}: a Python module cannot be called `{name!a}`; rename the file, as in my_net.net"
        )
    if spec.suffix != ".net":
        raise UserError(f"{str(spec)!a}: the name of a spec ends in `.net`; rename the file, as in {name}.net")
    return name


def _is_current(target: Path, text: str) -> bool:
    try:
        require_regular_file(target)
        return target.read_text(encoding="utf-8") == text
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return False
    except OSError as error:
        raise UserError(f"{printable(target)}: cannot be read: {error.strerror}") from None


def _write(target: Path, text: str) -> None:
    check_overwritable(target, MADE_BY, "give another folder with -o")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(target, error) from None
    write_text(target, text)
