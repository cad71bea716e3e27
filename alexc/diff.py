"""`alexc diff`: what changes between two specs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from textwrap import wrap
from typing import Annotated

import typer

from alexc.compiler.diagnostics import render_all
from alexc.compiler.difference import Difference, LayerChange, SharedWeights, difference
from alexc.compiler.graph import Graph
from alexc.runtime.errors import UserError
from alexc.spec_file import read_spec
from alexc.table import aligned

EXIT_THEY_DIFFER = 1
EXIT_CANNOT_COMPARE = 2
LONGEST_LINE = 110  # of names; tables are as wide as they must be


class Format(StrEnum):
    """How the differences are written."""

    text = "text"
    json = "json"


def diff(
    before: Annotated[Path, typer.Argument(metavar="A", help="A `.net` file.", show_default=False)],
    after: Annotated[Path, typer.Argument(metavar="B", help="Another.", show_default=False)],
    format_: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.text,
) -> None:
    """Show what changes from one spec to another, and whether the weights of one load in the other.

    Ends with 0 where they say the same, with 1 where they differ, and with 2 where one of them cannot be read.
    """
    old, new = _graph(before), _graph(after)
    found = difference(old, new)
    if format_ is Format.json:
        print(json.dumps(_as_json(found), indent=2))
    else:
        print(_text(before, after, found))
    if not found.same:
        raise typer.Exit(EXIT_THEY_DIFFER)


def _graph(path: Path) -> Graph:
    try:
        checked = read_spec(path)
    except UserError as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        raise typer.Exit(EXIT_CANNOT_COMPARE) from None
    if checked.graph is None:
        print(render_all(checked.source, checked.diagnostics), file=sys.stderr)
        raise typer.Exit(EXIT_CANNOT_COMPARE)
    return checked.graph


def _as_json(found: Difference) -> dict[str, object]:
    return {"same": found.same, **asdict(found), "weights_load": found.weights.load}


def _text(before: Path, after: Path, found: Difference) -> str:
    parts = [[f"{before} -> {after}{': they say the same' if found.same else ''}"]]
    if found.settings:
        settings = [(each.name, each.before or "-", each.after or "-") for each in found.settings]
        parts.append(aligned([("setting", "before", "after"), *settings], ()))
    if found.layers:
        changes = [row for change in found.layers for row in _rows(change)]
        parts.append(aligned([("layer", "", "what", "output", "parameters", "multiply-adds"), *changes], ()))
    parts += [_totals(found), _weights(found.weights)]
    return "\n\n".join("\n".join(part) for part in parts)


def _rows(change: LayerChange) -> list[Sequence[str]]:
    figures = [figures for figures in (change.before, change.after) if figures is not None]
    first, *others = change.what or ("",)
    counts = [[f"{each.parameters:,}" for each in figures], [f"{each.multiply_adds:,}" for each in figures]]
    cells = [_from_to([each.output for each in figures]), *(_from_to(each) for each in counts)]
    return [(change.layer, change.change, first, *cells), *(("", "", other, "", "", "") for other in others)]


def _from_to(values: Sequence[str]) -> str:
    return " -> ".join(dict.fromkeys(values)) if set(values) != {"0"} else ""


def _totals(found: Difference) -> list[str]:
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
    return wrap(text, LONGEST_LINE, initial_indent="  ", subsequent_indent="    ", break_long_words=False)
