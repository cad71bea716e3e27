"""The result of `Net.diff`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from alexc.compiler.graph import diff
from alexc.compiler.graph.diff import LayerChange, SharedWeights, Totals

from .printable import printable
from .table import Table, page_html, page_text, wrapped

_LONGEST_LINE = 110  # for lists of names; tables can be wider
_SPARE = ("multiply-adds", "parameters", "output")


@dataclass(frozen=True, repr=False)
class Diff(diff.Diff):
    """The changes from one spec to another; prints as `alexc diff` does.

    Attributes:
        names: the names of the first and the second spec.
    """

    names: tuple[str, str]

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def text(self, width: int | None = None) -> str:
        """The text of `alexc diff`; for a terminal of `width` columns, with wrapped cells."""
        return page_text(self._parts(width), width)

    def _repr_html_(self) -> str:
        return page_html(self._parts(None))

    def _parts(self, width: int | None) -> list[str | Table]:
        parts: list[str | Table] = [f"{' -> '.join(map(printable, self.names))}{': equal' if self.same else ''}"]
        if self.settings:
            settings = [(each.name, each.before or "-", each.after or "-") for each in self.settings]
            parts.append(Table([("setting", "before", "after"), *settings]))
        if self.layers:
            changes = [row for change in self.layers for row in _rows(change)]
            parts.append(Table([("layer", "", "what", "output", "parameters", "multiply-adds"), *changes], (), _SPARE))
        return [*parts, _totals(self.before, self.after), "\n".join(_weights(self.weights, width or _LONGEST_LINE))]


def _rows(change: LayerChange) -> list[Sequence[str]]:
    figures = [figures for figures in (change.before, change.after) if figures is not None]
    first, *others = change.what or ("",)
    counts = [[f"{each.parameters:,}" for each in figures], [f"{each.multiply_adds:,}" for each in figures]]
    cells = [_from_to([each.output for each in figures]), *(_from_to(each) for each in counts)]
    return [(change.layer, change.change, first, *cells), *(("", "", other, "", "", "") for other in others)]


def _from_to(values: Sequence[str]) -> str:
    return " -> ".join(dict.fromkeys(values)) if set(values) != {"0"} else ""


def _totals(before: Totals, after: Totals) -> Table:
    old, new = asdict(before), asdict(after)
    rows = []
    for name in old:
        change = f"{new[name] - old[name]:+,}" if new[name] != old[name] else ""
        rows.append((name.replace("_", "-"), f"{old[name]:,}", f"{new[name]:,}", change))
    return Table([("in all", "before", "after", "change"), *rows], ("before", "after", "change"))


def _weights(weights: SharedWeights, width: int) -> list[str]:
    if weights.load:
        return ["The weights of one load in the other: all layers with weights have the same names and shapes."]
    lines = ["The weights of one do not load in the other without changes:"]
    for names, words in (
        (weights.alike, "same name and shape"),
        (weights.reshaped, "same name, different shape"),
        (weights.only_before, "only in the first"),
        (weights.only_after, "only in the second"),
    ):
        lines += wrapped(f"  {words}: {', '.join(names)}", min(width, _LONGEST_LINE), "    ") if names else []
    return lines
