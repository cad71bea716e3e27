"""The spec that a network file was made from, found again so that a run can keep it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from alexc.compiler.files.pytorch import Origin, origin_of, write_pytorch
from alexc.compiler.files.spec_writer import write_spec
from alexc.compiler.graph.graph import Graph
from alexc.compiler.pipeline import Checked, check_file
from alexc.compiler.text.source import Source
from alexc.compiler.tree.format import format_spec
from alexc.runtime.errors import UserError
from alexc.runtime.network_file import NetworkFile
from alexc.runtime.training.options import FoundSpec

from .printable import printable, shell_line
from .shipped import shipped_specs
from .spec_file import read_spec


def find_spec(file: NetworkFile, given: Path | None) -> FoundSpec:
    """The spec of a network file, written so that it stands alone.

    Where none is given it is looked for by the name that the file itself tells: beside the file, in the current folder,
    in the folders around the two, and among the specs that are shipped with alexc. One that compiles to other bytes is
    another spec.

    Args:
        file: the network file; one that was written by hand has no spec.
        given: the spec, where the user names it.

    Raises:
        UserError: what was given cannot be read, has mistakes, or does not compile to this file.
    """
    origin = origin_of(file.content.decode("utf-8", "replace"))
    if given is not None:
        return FoundSpec(_text(_given_graph(file, origin, given)))
    if origin is None:
        return FoundSpec()
    for path in _places(file.path, origin.spec):
        graph = _made(path, file, origin)
        if graph is not None:
            return FoundSpec(_text(graph))
    return FoundSpec(
        note=f"note: {origin.spec}, which {printable(file.path)} was made from, was not found as it was then, so the "
        "run does not hold it; name it by --spec SPEC"
    )


def _text(graph: Graph) -> str:
    text, _ = format_spec(Source("spec", write_spec(graph)))
    assert text is not None
    return text


def _given_graph(file: NetworkFile, origin: Origin | None, given: Path) -> Graph:
    shown = printable(file.path)
    if origin is None:
        raise UserError(f"--spec: {shown} was not made by `alexc compile`, so it has no spec; leave the option out")
    checked = read_spec(given)
    if checked.graph is None:
        raise UserError(f"--spec {printable(given)} has mistakes: see alexc check {shell_line(given)}")
    if not _is_of(checked, file, origin):
        placement = f" --placement {origin.placement}" if origin.placement else ""
        raise UserError(
            f"--spec {printable(given)} does not compile to {shown}: name the spec that it was made from, or run "
            f"alexc compile {shell_line(given)}{placement} and train what that writes"
        )
    return checked.graph


def _made(path: Path, file: NetworkFile, origin: Origin) -> Graph | None:
    """The network of a spec, when it is the one that the file was made from."""
    try:
        checked = check_file(path)
    except OSError:
        return None
    return checked.graph if _is_of(checked, file, origin) else None


def _is_of(checked: Checked, file: NetworkFile, origin: Origin) -> bool:
    if checked.graph is None or (origin.placement is not None and origin.placement not in checked.placed):
        return False
    placed = checked.placed[origin.placement] if origin.placement is not None else None
    return write_pytorch(checked.graph, origin.spec, placed).encode() == file.content


def _places(network: Path, name: str) -> Iterator[Path]:
    """The file that a run keeps beside its network, and those of this name around it, each once; then those shipped."""
    folders = _folders(network.absolute().parent, Path.cwd())
    seen: set[Path] = set()
    for path in (network.with_suffix(".net"), *(folder / name for folder in folders)):
        with suppress(OSError):  # a folder that may not be looked into
            if path.is_file() and path.resolve() not in seen:
                seen.add(path.resolve())
                yield path
    if name in shipped_specs():
        yield shipped_specs()[name]


def _folders(*heres: Path) -> Iterator[Path]:
    """Some folders, those above them, and those one level under either."""
    yield from heres
    for here in heres:
        for around in (here.parent, here):
            yield around
            with suppress(OSError):
                yield from sorted(Path(each.path) for each in os.scandir(around) if each.is_dir())
