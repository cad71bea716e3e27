"""Text from files and users, made safe to print or to copy into a shell."""

from __future__ import annotations

import shlex
import sys


def printable(text: object) -> str:
    """The text with an escape in place of each control character, bidirectional mark and undecodable byte.

    A file name or a spec can contain them; printed as they are, they could steer the terminal or fake output.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in str(text))


def printable_lines(text: str) -> str:
    """A text of several lines, made safe to print: line ends and tabs stay."""
    return "".join(c if c in "\n\t" else printable(c) for c in text)


def columns_of(text: str) -> int:
    """The columns of a terminal that a text takes: two for a wide character, none for a combining one."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # not imported for most texts

    return cell_len(text)


def shell_line(*words: object) -> str:
    """A command, or a part of one, as the user types it, safe to print.

    On Windows only double quotes keep a word together.
    """
    texts = [printable(word) for word in words]
    if sys.platform == "win32":
        from subprocess import list2cmdline

        return list2cmdline(texts)
    return shlex.join(texts)
