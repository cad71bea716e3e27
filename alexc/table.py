"""Tables of text: aligned for a terminal, as Markdown, or as HTML."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape


def aligned(table: Sequence[Sequence[str]], numeric: Collection[str]) -> list[str]:
    """The lines of a text table; the first row is the header, and columns named in `numeric` are right-aligned."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return [
        "  ".join(
            cell.rjust(width) if name in numeric else cell.ljust(width)
            for cell, width, name in zip(row, widths, table[0], strict=True)
        ).rstrip()
        for row in table
    ]


def markdown(table: Sequence[Sequence[str]], numeric: Collection[str]) -> list[str]:
    """The lines of a Markdown table."""
    rule = ["---:" if name in numeric else "---" for name in table[0]]
    return [f"| {' | '.join(row)} |" for row in [table[0], rule, *table[1:]]]


def html(table: Sequence[Sequence[str]], numeric: Collection[str]) -> list[str]:
    """The lines of an HTML table."""
    sides = ["right" if name in numeric else "left" for name in table[0]]
    lines = ["<table>"]
    for row, tag in zip(table, ["th", *["td"] * (len(table) - 1)], strict=True):
        cells = zip(row, sides, strict=True)
        texts = [f'<{tag} style="text-align: {side}">{escape(cell)}</{tag}>' for cell, side in cells]
        lines.append(f"<tr>{''.join(texts)}</tr>")
    return [*lines, "</table>"]
