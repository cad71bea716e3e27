"""The keys of a section, each read for what it means; those that nobody reads are findings."""

from __future__ import annotations

import math
import re

from alexc.compiler.text.diagnostics import MOST_ERRORS, Diagnostic, did_you_mean
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
    """What a section says.

    Keys are named as the program's own files write them and found as `sections_of` has them. A value that is not of
    the form that is asked for is refused at its place.
    """

    def __init__(self, section: Section) -> None:
        self.section = section
        self._entries = {entry.key: entry for entry in section.entries}
        self._read: dict[str, None] = {}

    def __contains__(self, key: str) -> bool:
        return self._find(key) is not None

    def span(self, key: str) -> Span:
        """The place of a key's value, or of the section's name where the key is not there."""
        entry = self._find(key)
        return self.section.span if entry is None else entry.value_span

    def key_span(self, key: str) -> Span:
        """The place of a key, or of the section's name where it is not there."""
        entry = self._find(key)
        return self.section.span if entry is None else entry.key_span

    def text(self, key: str, default: str | None = None) -> str:
        """The value as it is written.

        Raises:
            ReadError: the key is not there, and there is no default.
        """
        entry = self._find(key)
        self._read[key] = None
        if entry is not None:
            return entry.value
        if default is None:
            message = f"`{self.section.name}` does not say its `{key}`"
            raise ReadError(Diagnostic("E0904", message, self.section.span, help=f"add a line `{key}=…`"))
        return default

    def number(self, key: str, default: float | None = None, least: float = -math.inf) -> float:
        """A number.

        Raises:
            ReadError: it is none, or less than `least`, or not there, without a default.
        """
        return self._as_number(key, self.text(key, None if default is None else repr(default)), least)

    def whole(self, key: str, default: int | None = None, least: int = 0) -> int:
        """A whole number.

        Raises:
            ReadError: it is none, or less than `least`, or not there, without a default.
        """
        return self._as_whole(key, self.text(key, None if default is None else str(default)), least)

    def wholes(self, key: str, default: int | None = None, least: int = 0) -> list[int]:
        """Whole numbers with commas between them.

        Raises:
            ReadError: one of them is none, or less than `least`, or they are not there, without a default.
        """
        text = self.text(key, None if default is None else str(default))
        return [self._as_whole(key, part.strip(), least) for part in text.split(",")]

    def numbers(self, key: str, default: float | None = None, least: float = -math.inf) -> list[float]:
        """Numbers with commas between them.

        Raises:
            ReadError: one of them is none, or less than `least`, or they are not there, without a default.
        """
        text = self.text(key, None if default is None else repr(default))
        return [self._as_number(key, part.strip(), least) for part in text.split(",")]

    def flag(self, key: str, default: bool) -> bool:
        """Yes or no, in the words of Python's ConfigParser and as C reads a number.

        Raises:
            ReadError: it is neither.
        """
        text = self.text(key, str(int(default))).lower()
        if text in ("1", "true", "yes", "on"):
            return True
        if text in ("0", "false", "no", "off"):
            return False
        raise self.error("E0904", f"`{key}` must be 1 or 0, not `{text}`", key)

    def error(self, code: str, message: str, key: str, help: str = "") -> ReadError:
        """An error at a key's value."""
        return ReadError(Diagnostic(code, message, self.span(key), help=help))

    def unread(self) -> list[Entry]:
        """The lines whose keys nobody asked for."""
        read = {key.lower() for key in self._read} | set(self._read)
        return [entry for entry in self._entries.values() if entry.key not in read]

    def report_unread(self, program: str, findings: list[Diagnostic]) -> None:
        """Say of every line that nobody asked for that the program passes over it, and what may be meant."""
        for entry in self.unread()[: max(0, MOST_ERRORS - len(findings))]:
            message = f"{program} knows no `{entry.key_span.text}` here, and passes over it"
            meant = did_you_mean(entry.key_span.text, self._read)
            findings.append(Diagnostic("W0902", message, entry.key_span, help=meant))

    def _find(self, key: str) -> Entry | None:
        return self._entries.get(key) or self._entries.get(key.lower())

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
    """The number that a text is; None where it is none, or one of over a million millions."""
    if not _NUMBER.fullmatch(text) or abs(float(text)) > LARGEST:
        return None
    return float(f"{float(text):.12g}")  # a spec takes fifteen digits
