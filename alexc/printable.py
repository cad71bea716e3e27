"""Names that come from strangers, made safe to print."""

from __future__ import annotations


def printable(text: object) -> str:
    """The text with control characters, bidirectional marks and undecodable bytes written as escapes.

    A file's or a class's name may hold terminal escapes or line breaks; printed raw they could forge output.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in str(text))
