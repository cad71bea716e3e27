"""What `Net.diff` returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from textwrap import wrap

from alexc.compiler.graph.diff import Diff, LayerChange, SharedWeights

from .table import aligned

_LONGEST_LINE = 110  # of names; tables are as wide as they must be


@dataclass(frozen=True, repr=False)
class Comparison:
    """What changes from one spec to another; prints as `alexc diff` does.

    Attributes:
        before: what the first spec is called.
        after: what the second one is called.
        found: what differs: `settings`, `layers`, the sums `before` and `after`, and `weights`, which tells whether
            those of one network load in the other.
    """

    before: str
    after: str
    found: Diff

    @property
    def same(self) -> bool:
        """Whether the specs say the same."""
        return self.found.same

    def __str__(self) -> str:
        parts = [[f"{self.before} -> {self.after}{': they say the same' if self.same else ''}"]]
        if self.found.settings:
            settings = [(each.name, each.before or "-", each.after or "-") for each in self.found.settings]
            parts.append(aligned([("setting", "before", "after"), *settings], ()))
        if self.found.layers:
            changes = [row for change in self.found.layers for row in _rows(change)]
            parts.append(aligned([("layer", "", "what", "output", "parameters", "multiply-adds"), *changes], ()))
        parts += [_totals(self.found), _weights(self.found.weights)]
        return "\n\n".join("\n".join(part) for part in parts)

    __repr__ = __str__


def _rows(change: LayerChange) -> list[Sequence[str]]:
    figures = [figures for figures in (change.before, change.after) if figures is not None]
    first, *others = change.what or ("",)
    counts = [[f"{each.parameters:,}" for each in figures], [f"{each.multiply_adds:,}" for each in figures]]
    cells = [_from_to([each.output for each in figures]), *(_from_to(each) for each in counts)]
    return [(change.layer, change.change, first, *cells), *(("", "", other, "", "", "") for other in others)]


def _from_to(values: Sequence[str]) -> str:
    return " -> ".join(dict.fromkeys(values)) if set(values) != {"0"} else ""


def _totals(found: Diff) -> list[str]:
    old, new = asdict(found.before), asdict(found.after)
    rows = []
    for name in old:
        change = f"{new[name] - old[name]:+,}" if new[name] != old[name] else ""
        rows.append((name.replace("_", "-"), f"{old[name]:,}", f"{new[name]:,}", change))
    return aligned([("in all", "before", "after", "change"), *rows], ("before", "after", "change"))


def _weights(weights: SharedWeights) -> list[str]:
    if weights.load:
        return ["Weights of one load in the other: every layer with weights has the same name and shape."]
    lines = ["Weights of one do not load in the other as they are:"]
    for names, words in (
        (weights.alike, "same name and shape"),
        (weights.reshaped, "same name, another shape"),
        (weights.only_before, "only before"),
        (weights.only_after, "only after"),
    ):
        lines += _wrapped(f"{words}: {', '.join(names)}") if names else []
    return lines


def _wrapped(text: str) -> list[str]:
    return wrap(text, _LONGEST_LINE, initial_indent="  ", subsequent_indent="    ", break_long_words=False)
