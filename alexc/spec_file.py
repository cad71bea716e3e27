"""A spec that the user names: checked, or its mistakes printed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

import typer

from alexc.compiler.diagnostics import Diagnostic, did_you_mean, render_all
from alexc.compiler.graph import Graph
from alexc.compiler.pipeline import Checked, check_file, read_source
from alexc.compiler.placed_graph import PlacedGraph
from alexc.compiler.source import Source
from alexc.runtime.errors import UserError


def read_spec(path: Path) -> Checked:
    """Read and check a spec.

    Raises:
        UserError: the file cannot be read.
    """
    with _reading(path):
        return check_file(path)


def read_unchecked(path: Path) -> tuple[Source, list[Diagnostic]]:
    """The text of a spec; empty, with what is wrong, where the file is no text.

    Raises:
        UserError: the file cannot be read.
    """
    with _reading(path):
        return read_source(path, str(path))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file; a spec is a `.net` file, such as spec/alexnet.net") from None
    except IsADirectoryError:
        raise UserError(f"{path}: this is a folder; name a `.net` file in it") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def sound_spec(path: Path) -> Checked:
    """A spec without mistakes; otherwise prints them and ends the command with 1."""
    checked = read_spec(path)
    if checked.graph is None:
        print(render_all(checked.source, checked.diagnostics), file=sys.stderr)
        raise typer.Exit(1)
    return checked


def graph_of(path: Path) -> Graph:
    """The graph of a spec without mistakes; otherwise prints them and ends the command with 1."""
    graph = sound_spec(path).graph
    assert graph is not None
    return graph


def placed_graph(path: Path, checked: Checked, placement: str) -> PlacedGraph:
    """The network of a spec as one of its placements lays it out.

    Raises:
        UserError: the spec has no placement of this name.
    """
    if placement in checked.placed:
        return checked.placed[placement]
    if not checked.placed:
        form = "`placement two_gpus { … }`"
        raise UserError(f"{path}: has no placement `{placement!s}`, nor any other; write one: {form}")
    known = did_you_mean(placement, checked.placed)
    raise UserError(f"{path}: has no placement `{placement!s}`; {known}")


def flagship() -> Graph:
    """The graph of the spec that is shipped with alexc: AlexNet."""
    with as_file(files("alexc.spec").joinpath("alexnet.net")) as path:
        return graph_of(path)
