"""`alexc compile`: writes the Python file of a spec."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from alexc.compiler.files.pytorch import MADE_BY
from alexc.compiler.graph.shapes import MOST_PARAMETERS
from alexc.runtime.errors import UserError
from alexc.runtime.files import check_overwritable, require_regular_file, write_error, write_text

from ..failures import OneByOne
from ..module_name import require_importable
from ..net import Net
from ..net_options import MostParameters, read_net
from ..printable import printable, shell_line

_FOLDER, _STANDALONE_FOLDER = Path("generated"), Path("standalone")


class Emitted(StrEnum):
    """The output formats."""

    PYTHON = "python"
    NET = "net"


def compile_(
    specs: Annotated[list[Path], typer.Argument(metavar="SPEC", help="The `.net` files to compile.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="DIR",
            help="The folder to write to. If it ends in `.py`, it is the file to write.",
            show_default=f"{_FOLDER}, or {_STANDALONE_FOLDER} with --standalone",
        ),
    ] = None,
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
    standalone: Annotated[
        bool,
        typer.Option(
            "--standalone",
            help="Write a file that needs torch alone, to use where alexc is not installed. It has the network for one "
            "device, without the recipe.",
        ),
    ] = False,
    emit: Annotated[
        Emitted, typer.Option(help="`net` prints the spec, with variants, blocks and defaults written out.")
    ] = Emitted.PYTHON,
    most_parameters: MostParameters = MOST_PARAMETERS,
) -> None:
    """Write the PyTorch module of each spec.

    alexnet.net becomes DIR/alexnet.py; with --placement two_gpus, DIR/alexnet_two_gpus.py. With --standalone, the file
    needs no alexc, only torch. An error in one spec does not stop the others.
    """
    if emit is Emitted.NET and placements:
        raise UserError("--emit net writes the spec with all its placements; leave out --placement")
    if emit is Emitted.NET and standalone:
        raise UserError("--emit net writes a spec, and --standalone a Python file; leave out one of the two")
    if standalone and placements:
        raise UserError("--standalone writes the network for one device; leave out --placement")
    if emit is Emitted.NET:
        _print_expanded(specs, most_parameters)
        return
    place = out or (_STANDALONE_FOLDER if standalone else _FOLDER)
    if _is_file(place) and len(specs) * len(placements or (None,)) > 1:
        raise UserError(f"-o {printable(place)} names one file, but there are several to write: name a folder")
    targets, files = list[_Target](), OneByOne()
    for spec in specs:
        with files.reported():
            net = read_net([spec], most_parameters=most_parameters)
            for placement in placements or (None,):
                targets.append(_Target(_path(spec, place, placement), spec, net, placement, standalone))
    _check_distinct(targets)
    texts: dict[_Target, tuple[str, bool]] = {}
    for target in targets:
        with files.reported():
            text = target.net.python(target.placement, standalone=target.standalone)
            texts[target] = text, _is_current(target.path, text)
    stale = [target for target, (_, is_current) in texts.items() if not is_current]
    if check and stale:
        for target in stale:
            shown = f"{printable(target.path)}: not the current output for {printable(target.spec)}"
            print(f"{shown}; run `{target.command(out)}`")
        raise typer.Exit(1)
    for target, (text, is_current) in texts.items():
        with files.reported():
            if not is_current:
                _write(target.path, text)
            print(f"{printable(target.path)}  {'unchanged' if is_current else 'written'}")
    if files.failed:
        raise typer.Exit(1)


def _print_expanded(specs: Sequence[Path], most_parameters: int) -> None:
    files = OneByOne()
    for spec in specs:
        with files.reported():
            print(read_net([spec], most_parameters=most_parameters).expanded(), end="")
    if files.failed:
        raise typer.Exit(1)


@dataclass(frozen=True, eq=False)
class _Target:
    """A file to write: a spec for one device, or for a placement."""

    path: Path
    spec: Path
    net: Net
    placement: str | None
    standalone: bool

    def command(self, out: Path | None) -> str:
        """The command that writes this file alone."""
        folder = ["-o", out] if out is not None else []
        form = ["--standalone"] if self.standalone else ["--placement", self.placement] if self.placement else []
        return shell_line("alexc", "compile", self.spec, *folder, *form)


def _is_file(place: Path) -> bool:
    return place.suffix == ".py" and not place.is_dir()


def _path(spec: Path, place: Path, placement: str | None) -> Path:
    name = _module_name(spec)
    if _is_file(place):
        require_importable(place, place.stem)
        return place
    return place / f"{name}{f'_{placement}' if placement else ''}.py"


def _check_distinct(targets: Sequence[_Target]) -> None:
    first: dict[str, Path] = {}
    for target in targets:
        # The disks of Windows and macOS take Net.py and net.py for one file.
        name = str(target.path) if sys.platform == "linux" else str(target.path).lower()
        if name in first:
            twice = f"{printable(target.spec)}: would be written to {printable(target.path)}, as"
            raise UserError(f"{twice} {printable(first[name])} is; rename one of the two")
        first[name] = target.spec


def _module_name(spec: Path) -> str:
    name = spec.stem.replace("-", "_")
    require_importable(spec, name)
    if spec.suffix != ".net":
        raise UserError(f"{printable(spec)}: the name of a spec ends in `.net`; rename the file, as in {name}.net")
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
    check_overwritable(target, MADE_BY, "give another path with -o")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(target, error) from None
    write_text(target, text)
