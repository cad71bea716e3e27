"""The network of a spec as other documents: a spec with everything written out, and a picture."""

from __future__ import annotations

from collections.abc import Callable

from alexc.compiler.drawing.draw import draw_svg
from alexc.compiler.drawing.svg import Theme
from alexc.compiler.files.spec_writer import write_spec
from alexc.compiler.graph.graph import Graph
from alexc.compiler.text.diagnostics import in_order
from alexc.printable import printable

from .spec import Spec

MOST_DRAWN = 2000  # layers; a larger picture takes long, and nobody can read it


class ViewError(Exception):
    """There is nothing to show. The message says why."""


def expanded(spec: Spec) -> dict[str, object]:
    """`text`, the spec with blocks, repetitions, variants and defaults written out, and `current`, as in `picture`.

    If it is the last valid version, the first line of `text` is a comment that says so: every editor shows it.

    Raises:
        ViewError: neither this version of the document nor an earlier one is valid.
    """
    note = "" if spec.checked.graph is not None else "# The file has errors; this is its last valid version.\n"
    return _view(spec, "text", lambda graph: note + write_spec(graph))


def picture(spec: Spec, theme: Theme) -> dict[str, object]:
    """`svg`, the picture of the network, and `current`, whether it shows this version and not the last valid one.

    Raises:
        ViewError: neither this version of the document nor an earlier one is valid, or the network is too large.
    """
    return _view(spec, "svg", lambda graph: _drawn(graph, theme))


def _drawn(graph: Graph, theme: Theme) -> str:
    if len(graph.nodes) > MOST_DRAWN:
        raise ViewError(
            f"the network has {len(graph.nodes):,} layers, and the picture shows at most {MOST_DRAWN:,}; "
            "`alexc draw` draws it to a file"
        )
    return draw_svg(graph, theme)


def _view(spec: Spec, key: str, write: Callable[[Graph], str]) -> dict[str, object]:
    if spec.graph is None:
        first = next(iter(in_order(spec.source, spec.checked.diagnostics)), None)
        reason = f": {printable(first.headline)}" if first is not None else ""
        raise ViewError(f"fix the errors in this file first{reason}")
    return {key: write(spec.graph), "current": spec.checked.graph is not None}
