"""Values as Python text."""

from __future__ import annotations

from collections.abc import Sequence


def literal(value: float | int | str | bool | None) -> str:
    """A value as Python writes it; strings in double quotes."""
    if isinstance(value, str):
        text = repr(value)
        return f'"{text[1:-1]}"' if text[0] == "'" and '"' not in text else text
    return repr(value)


def in_tuple(items: Sequence[str]) -> str:
    """Expressions as a tuple."""
    return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
