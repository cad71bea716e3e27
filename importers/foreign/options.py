"""Typed access to the keys of a section. Keys that no code asks for are reported."""

from __future__ import annotations

import math
import re

from alexc.compiler.text.diagnostics import MOST_ERRORS, Diagnostic
from alexc.compiler.text.fixes import did_you_mean
from alexc.compiler.text.source import Span

from .sections import Entry, Section

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
LARGEST = 10**12


class ReadError(Exception):
    """A layer cannot be read; the diagnostic says why."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.headline)
        self.diagnostic = diagnostic


class Options:
    """The values of a section by key.

    Keys are written as in the program's own files. A value of the wrong type raises a `ReadError` that points at it.
    """

    def __init__(self, section: Section) -> None:
        self.section = section
        self._entries = {entry.key: entry for entry in section.entries}
        self._read: dict[str, None] = {}

    def __contains__(self, key: str) -> bool:
        return self._find(key) is not None

    def span(self, key: str) -> Span:
        """The span of a key's value, or of the section's name if it does not have the key."""
        entry = self._find(key)
        return self.section.span if entry is None else entry.value_span

    def key_span(self, key: str) -> Span:
        """The span of a key, or of the section's name if it does not have the key."""
        entry = self._find(key)
        return self.section.span if entry is None else entry.key_span

    def text(self, key: str, default: str | None = None) -> str:
        """The value as text.

        Raises:
            ReadError: the key is missing and there is no default.
        """
        entry = self._find(key)
        self._read[key] = None
        if entry is not None:
            return entry.value
        if default is None:
            message = f"`{self.section.name}` has no `{key}`"
            raise ReadError(Diagnostic("E0904", message, self.section.span, help=f"add a line `{key}=…`"))
        return default

    def number(self, key: str, default: float | None = None, least: float = -math.inf) -> float:
        """A number.

        Raises:
            ReadError: it is not such a number, less than `least`, or missing without a default.
        """
        return self._as_number(key, self.text(key, None if default is None else repr(default)), least)

    def whole(self, key: str, default: int | None = None, least: int = 0) -> int:
        """A whole number.

        Raises:
            ReadError: it is not such a number, less than `least`, or missing without a default.
        """
        return self._as_whole(key, self.text(key, None if default is None else str(default)), least)

    def wholes(self, key: str, default: int | None = None, least: int = 0) -> list[int]:
        """Whole numbers, separated by commas.

        Raises:
            ReadError: a value is not such a number or less than `least`, or the key is missing without a default.
        """
        text = self.text(key, None if default is None else str(default))
        return [self._as_whole(key, part.strip(), least) for part in text.split(",")]

    def numbers(self, key: str, default: float | None = None, least: float = -math.inf) -> list[float]:
        """Numbers, separated by commas.

        Raises:
            ReadError: a value is not such a number or less than `least`, or the key is missing without a default.
        """
        text = self.text(key, None if default is None else repr(default))
        return [self._as_number(key, part.strip(), least) for part in text.split(",")]

    def flag(self, key: str, default: bool) -> bool:
        """A boolean, in the words of Python's ConfigParser or as 1 or 0.

        Raises:
            ReadError: it is neither.
        """
        return self._as_flag(key, self.text(key, str(int(default))))

    def flags(self, key: str) -> list[bool]:
        """Booleans, separated by commas; a single False if the key is missing.

        Raises:
            ReadError: a value is neither.
        """
        return [self._as_flag(key, part.strip()) for part in self.text(key, "0").split(",")]

    def error(self, code: str, message: str, key: str, help: str = "") -> ReadError:
        """An error that points at a key's value."""
        return ReadError(Diagnostic(code, message, self.span(key), help=help))

    def unread(self) -> list[Entry]:
        """The lines whose keys no code asked for."""
        read = {key.lower() for key in self._read} | set(self._read)
        return [entry for entry in self._entries.values() if entry.key not in read]

    def report_unread(self, program: str, findings: list[Diagnostic]) -> None:
        """Append a warning for each unread line: the program ignores it, and which key may be meant."""
        for entry in self.unread()[: max(0, MOST_ERRORS - len(findings))]:
            message = f"{program} knows no `{entry.key_span.text}` here and ignores it"
            meant = did_you_mean(entry.key_span.text, self._read)
            findings.append(Diagnostic("W0902", message, entry.key_span, help=meant))

    def _find(self, key: str) -> Entry | None:
        return self._entries.get(key) or self._entries.get(key.lower())

    def _as_flag(self, key: str, text: str) -> bool:
        text = text.lower()
        if text in ("1", "true", "yes", "on"):
            return True
        if text in ("0", "false", "no", "off"):
            return False
        raise self.error("E0904", f"`{key}` must be 1 or 0, not `{text}`", key)

    def _as_number(self, key: str, text: str, least: float) -> float:
        number = number_in(text)
        if number is None:
            raise self.error("E0904", f"`{key}` must be a number, not `{text}`", key)
        if number < least:
            raise self.error("E0904", f"`{key}` must be at least {least:g}, not {text}", key)
        return number

    def _as_whole(self, key: str, text: str, least: int) -> int:
        number = self._as_number(key, text, -math.inf)
        if number != int(number):
            raise self.error("E0904", f"`{key}` must be a whole number, not `{text}`", key)
        if number < least:
            raise self.error("E0904", f"`{key}` must be at least {least}, not {text}", key)
        return int(number)


def number_in(text: str) -> float | None:
    """The number that a text holds; None if it is not a number or larger than 10^12."""
    if not _NUMBER.fullmatch(text) or abs(float(text)) > LARGEST:
        return None
    return float(f"{float(text):.12g}")  # a spec takes fifteen digits
