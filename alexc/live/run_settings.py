"""What a run was trained with: its options, and the recipe and the layers of its spec."""

from __future__ import annotations

from collections.abc import Iterator

from alexc.compiler.graph.diff import settings_of
from alexc.compiler.graph.graph import Graph
from alexc.compiler.net.spec_text import step_text
from alexc.compiler.pipeline import check_text
from alexc.runtime.errors import UserError
from alexc.runtime.files import open_regular
from alexc.runtime.runs.run_files import RunFiles
from alexc.runtime.runs.run_settings import setting_rows

from .spec_on_disk import Stamp, stamp

_LARGEST_SPEC = 1 << 20  # bytes
_MOST_LAYERS = 300
Row = tuple[str, str]


class RunSettings:
    """Reads the settings of runs, and reads them again only if their files have changed."""

    def __init__(self) -> None:
        self._known: dict[RunFiles, tuple[tuple[Stamp, Stamp], list[Row]]] = {}

    def of(self, run: RunFiles) -> list[Row]:
        """The settings of a run: pairs of name and value; without those that its files do not tell."""
        stamps = stamp(run.record), stamp(run.spec)
        known = self._known.get(run)
        if known is None or known[0] != stamps:
            known = self._known[run] = (stamps, list(_rows(run)))
        return known[1]


def _rows(run: RunFiles) -> Iterator[Row]:
    try:
        yield from setting_rows(run.read_record())
    except (UserError, AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError):
        yield ("run.json", "damaged")
    graph = _graph(run)
    if graph is None:
        return
    yield from ((name, text) for name, text in settings_of(graph).items() if text and name != "network")
    yield ("parameters", f"{graph.parameters:,}")
    yield ("layers", f"{len(graph.nodes):,}")
    yield from ((f"layer {node.layer.name}", step_text(node.layer.kind)) for node in graph.nodes[:_MOST_LAYERS])


def _graph(run: RunFiles) -> Graph | None:
    """The graph of the spec that the run was compiled from; None if it is missing or damaged."""
    try:
        with open_regular(run.spec) as file:
            content = file.read(_LARGEST_SPEC + 1)
        if len(content) > _LARGEST_SPEC:
            return None
        return check_text(content.decode("utf-8"), run.spec.name).graph
    except (OSError, UnicodeDecodeError):
        return None
