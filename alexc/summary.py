"""The result of `Net.summary`."""

from __future__ import annotations

from collections.abc import Sequence

from alexc.compiler.graph.graph import Graph
from alexc.compiler.graph.summary import Row, note_of_unread_pixels, rows, total
from alexc.compiler.layers.kind import towers_text

from .table import aligned, filled, html, markdown

_HEADER = (
    "layer",
    "kind",
    "reads",
    "output",
    "weights",
    "biases",
    "neurons",
    "multiply-adds",
    "share",
    "then",
    "leaves",
)
NUMERIC = frozenset({"weights", "biases", "neurons", "multiply-adds", "share"})
_SPARE = ("share", "leaves", "then", "reads", "biases", "neurons", "kind")


class Summary:
    """Shapes and counts of every layer, per image; prints as `alexc summary` does, and Jupyter shows a table.

    Attributes:
        headline: the network's name, its input shape and its number of towers.
        rows: one row per line of the spec: `layer`, `kind`, `reads`, `output`, `then`, `leaves`, `weights`, `biases`,
            `neurons` and `multiply_adds`.
        totals: the sums of these counts over all rows.
        sums: parameters, neurons and multiply-adds as one sentence.
        note: what the first layer does not read of the image, or "".
    """

    def __init__(self, graph: Graph) -> None:
        towers = f", {towers_text(graph.net.towers)} towers" if graph.net.towers > 1 else ""
        self.headline = f"{graph.net.name}: reads {graph.net.input}{towers}"
        self.rows: tuple[Row, ...] = tuple(rows(graph))
        self.totals: Row = total(graph)
        self.sums = (
            f"{graph.parameters:,} parameters, {graph.neurons:,} neurons, "
            f"{graph.multiply_adds:,} multiply-adds per image"
        )
        self.note = note_of_unread_pixels(graph)

    @property
    def parameters(self) -> int:
        """All weights and biases."""
        return self.totals.weights + self.totals.biases

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def text(self, width: int | None = None) -> str:
        """The text of `alexc summary`; for a terminal of `width` columns, with the columns that fit."""
        lines = [filled(text, width) for text in self._last_lines()]
        return "\n".join([self.headline, "", *aligned(self.table(), NUMERIC, width, _SPARE), "", *lines])

    def markdown(self) -> str:
        """The same text with a Markdown table."""
        return "\n".join([self.headline, "", *markdown(self.table(), NUMERIC), "", *self._last_lines()])

    def _repr_markdown_(self) -> str:
        return self.markdown()

    def _repr_html_(self) -> str:
        return "\n".join(
            [f"<p>{self.headline}</p>", *html(self.table(), NUMERIC), f"<p>{'<br>'.join(self._last_lines())}</p>"]
        )

    def _last_lines(self) -> list[str]:
        return [self.sums, f"note: {self.note}"] if self.note else [self.sums]

    def table(self) -> list[Sequence[str]]:
        """The cells of the table: the header, the rows and the totals. Columns named in `NUMERIC` have numbers."""
        return [_HEADER, *(self._cells(row) for row in [*self.rows, self.totals])]

    def _cells(self, row: Row) -> Sequence[str]:
        counts = [f"{count:,}" for count in (row.weights, row.biases, row.neurons, row.multiply_adds)]
        everything = self.totals.multiply_adds
        share = f"{100 * row.multiply_adds / everything:.1f} %" if everything else ""
        leaves = row.leaves if row.then else ""
        return (row.layer, row.kind, row.reads, row.output, *counts, share, row.then, leaves)
