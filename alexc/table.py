"""Tables of text: aligned for a terminal, as Markdown, or as HTML."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import zip_longest
from textwrap import wrap

from .printable import columns_of

_GAP = "  "
_COMFORT = 16  # a column of words that needs no more is not wrapped while there is a column to leave out
_LEAST = 8  # what a column of words keeps when its words have to be broken


@dataclass(frozen=True)
class Table:
    """A table; the first row is the header.

    Attributes:
        rows: of equal length.
        numeric: the columns that are right-aligned.
        spare: the columns that a narrow terminal leaves out, the least important first.
    """

    rows: Sequence[Sequence[str]]
    numeric: Collection[str] = ()
    spare: Sequence[str] = ()


def page_text(parts: Sequence[str | Table], width: int | None = None) -> str:
    """Paragraphs and tables for a terminal, with an empty line between them; tables fit `width` as in `aligned`."""
    texts = [
        "\n".join(aligned(each.rows, each.numeric, width, each.spare)) if isinstance(each, Table) else each
        for each in parts
    ]
    return "\n\n".join(texts)


def page_html(parts: Sequence[str | Table]) -> str:
    """Paragraphs and tables as HTML, for Jupyter."""
    lines: list[str] = []
    for part in parts:
        if isinstance(part, Table):
            lines += html(part.rows, part.numeric)
        else:
            lines.append(f'<p style="white-space: pre-wrap">{escape(part)}</p>')
    return "\n".join(lines)


def aligned(
    table: Sequence[Sequence[str]], numeric: Collection[str], width: int | None = None, spare: Iterable[str] = ()
) -> list[str]:
    """The lines of a text table; the first row is the header, and columns named in `numeric` are right-aligned.

    Args:
        table: rows of equal length.
        numeric: the columns whose cells are never wrapped.
        width: the columns of the terminal. Cells are wrapped at blanks to fit; if that is not enough, columns of
            `spare` are left out, and a last line names them. None leaves the rows as they are.
        spare: names of columns, the least important first.
    """
    columns = list(zip(*table, strict=True))
    left_out: list[str] = []
    for name in spare:
        if width is None or _total(_comfortable(column, numeric) for column in columns) <= width:
            break
        columns = [column for column in columns if column[0] != name]
        left_out.append(name)
    widths = _widths(columns, numeric, width)
    lines = [line for row in zip(*columns, strict=True) for line in _lines(row, widths, columns, numeric)]
    if left_out:
        lines += ["", filled(f"left out, because the terminal is too narrow: {', '.join(left_out)}", width)]
    return lines


def listed(rows: Iterable[tuple[str, str]], width: int | None = None) -> list[str]:
    """Lines with a name and a text; in a terminal of `width` columns, a text is wrapped at blanks."""
    rows = list(rows)
    margin = max((columns_of(name) for name, _ in rows), default=0) + len(_GAP)
    if width is not None:
        margin = min(margin, width // 2)
    lines = []
    for name, text in rows:
        if columns_of(name) + len(_GAP) > margin:
            lines.append(name)
            name = ""
        first, *others = wrapped(text, width and width - margin)
        lines += [f"{_padded(name, margin)}{first}".rstrip(), *(f"{'':<{margin}}{other}" for other in others)]
    return lines


def filled(text: str, width: int | None) -> str:
    """The text with paragraphs, which blank lines separate, wrapped to `width` columns; None leaves it as it is."""
    if width is None:
        return text
    return "\n\n".join("\n".join(wrapped(" ".join(each.split()), width)) for each in text.split("\n\n"))


def wrapped(text: str, width: int | None, indent: str = "") -> list[str]:
    """The lines of a text, wrapped at blanks; a longer word, such as a path, stays whole. None wraps nothing."""
    if width is None:
        return [text]
    return wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False) or [""]


def _least(column: Sequence[str], numeric: Collection[str]) -> int:
    """The columns of the terminal that a column needs if its cells are wrapped at blanks."""
    header, *cells = column
    words = [*header.split(), *(cells if header in numeric else (word for cell in cells for word in cell.split()))]
    return max(map(columns_of, words), default=0)


def _comfortable(column: Sequence[str], numeric: Collection[str]) -> int:
    return max(_least(column, numeric), min(_COMFORT, max(map(columns_of, column))))


def _total(widths: Iterable[int]) -> int:
    widths = list(widths)
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _widths(columns: Sequence[Sequence[str]], numeric: Collection[str], width: int | None) -> list[int]:
    """The width of each column: as its longest cell, or less so that the table fits, the widest columns first."""
    whole = [max(map(columns_of, column)) for column in columns]
    if width is None or _total(whole) <= width:
        return whole
    least = [_least(column, numeric) for column in columns]
    if _total(least) > width:
        least = [
            each if column[0] in numeric else min(each, _LEAST) for each, column in zip(least, columns, strict=True)
        ]
    for most in range(width, 0, -1):
        widths = [max(low, min(high, most)) for low, high in zip(least, whole, strict=True)]
        if _total(widths) <= width:
            return widths
    return least


def _lines(
    row: Sequence[str], widths: Sequence[int], columns: Sequence[Sequence[str]], numeric: Collection[str]
) -> list[str]:
    cells = [_cell_lines(cell, width) for cell, width in zip(row, widths, strict=True)]
    return [
        _GAP.join(
            _padded(text, width, column[0] in numeric)
            for text, width, column in zip(line, widths, columns, strict=True)
        ).rstrip()
        for line in zip_longest(*cells, fillvalue="")
    ]


def _cell_lines(cell: str, width: int) -> list[str]:
    if columns_of(cell) <= width:
        return [cell]
    if cell.isascii():
        return wrap(cell, width, break_on_hyphens=False)
    from rich.cells import chop_cells

    return chop_cells(cell, width)


def _padded(text: str, width: int, right: bool = False) -> str:
    """The text with blanks up to this width, after it or, if `right`, before it."""
    blanks = " " * (width - columns_of(text))
    return f"{blanks}{text}" if right else f"{text}{blanks}"


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
