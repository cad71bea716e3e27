"""Reads the names of classes from a text file, such as Caffe's synset_words.txt: one line for each output, in order."""

from __future__ import annotations

import re
from pathlib import Path

from alexc.printable import printable

from .errors import UserError
from .files import read_error, require_regular_file

_LARGEST_FILE = 2**26  # bytes
_LONGEST_NAME = 1000  # characters
_SYNSET = re.compile(r"n[0-9]{8}[ \t]+(?=\S)")  # WordNet's number of a class, before its words


def read_class_names(path: Path) -> tuple[str, ...]:
    """The name in each line, without the number of WordNet before it: `tench, Tinca tinca`.

    Raises:
        UserError: it cannot be read, is not text, or has no line, an empty line or one that is too long.
    """
    shown = printable(path)
    try:
        require_regular_file(path)
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise read_error(path, error) from None
    if len(content) > _LARGEST_FILE:
        raise UserError(f"{shown} is larger than {_LARGEST_FILE:,} bytes: expected a name of a class in each line")
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{shown} is not UTF-8 text: expected a name of a class in each line") from None
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise UserError(f"{shown} is empty: expected a name of a class in each line")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            raise UserError(f"{shown}, line {number} is empty: expected the name of output {number - 1}")
        if len(line) > _LONGEST_NAME:
            raise UserError(f"{shown}, line {number} has more than {_LONGEST_NAME:,} characters")
    numbered = all(_SYNSET.match(line) for line in lines)
    return tuple((_SYNSET.sub("", line, count=1) if numbered else line).strip() for line in lines)
