"""Tables of text: aligned for a terminal, or as Markdown."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def aligned(table: Sequence[Sequence[str]], numeric: Collection[str]) -> list[str]:
    """The lines of a table; the first row is the header, and the columns named in `numeric` stand to the right."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return [
        "  ".join(
            cell.rjust(width) if name in numeric else cell.ljust(width)
            for cell, width, name in zip(row, widths, table[0], strict=True)
        ).rstrip()
        for row in table
    ]


def markdown(table: Sequence[Sequence[str]], numeric: Collection[str]) -> list[str]:
    """The same as a Markdown table."""
    rule = ["---:" if name in numeric else "---" for name in table[0]]
    return [f"| {' | '.join(row)} |" for row in [table[0], rule, *table[1:]]]
