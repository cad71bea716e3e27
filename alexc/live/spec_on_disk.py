"""A spec's file while a page shows it: its text, whether it has changed, and saving without losing a change."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from stat import S_IMODE

from alexc.compiler.text.reading import LARGEST_FILE, decode_source
from alexc.runtime.errors import UserError
from alexc.runtime.files import open_regular, write_text

from ..printable import printable, shell_line
from ..spec_error import SpecError
from ..spec_file import read_unchecked

Stamp = tuple[int, ...]
_MARK = b"\xef\xbb\xbf"  # of UTF-8, which some editors write at the start of a file


@dataclass(frozen=True)
class Version:
    r"""The file at one time.

    Attributes:
        text: its text with `\n` as line ends; None if the file is missing or is not the text of a spec.
        digest: identifies its bytes; "" if the file is missing.
        problem: why there is no text, or "".
    """

    text: str | None
    digest: str
    problem: str = ""


class ChangedOnDisk(Exception):  # noqa: N818 - a state of the file, which the page asks the user about
    """The file is not what the page has read; `now` is what it is."""

    def __init__(self, now: Version) -> None:
        super().__init__("the file has changed on disk")
        self.now = now


class SpecOnDisk:
    """A `.net` file.

    Args:
        path: the file, as the user gave it.

    Raises:
        SpecError: it cannot be read, or it is not the text of a spec.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix != ".net":
            raise SpecError(
                f"{printable(path)}: a live page edits `.net` files; convert others first: "
                f"alexc import {shell_line(path)}"
            )
        source, findings = read_unchecked(path)
        if findings:
            raise SpecError.of(source, findings)
        self.path = path
        self.name = printable(path)

    def now(self) -> Version:
        """The file as it is."""
        try:
            with open_regular(self.path) as file:
                data = file.read(LARGEST_FILE + 1)
        except OSError as error:
            return Version(None, "", f"{self.name}: cannot be read: {error.strerror}")
        source, findings = decode_source(data, self.name, self.path)
        if findings:
            return Version(None, _digest(data), f"{self.name}: {findings[0].headline}")
        return Version(_with_line_feeds(source.text), _digest(data))

    def save(self, text: str, digest: str) -> Version:
        """Write a text, with the line ends of the file and with its permissions; returns the file as it is then.

        Args:
            text: the text.
            digest: the version of the file that the user has seen.

        Raises:
            ChangedOnDisk: the file is another version. Nothing is written.
            UserError: the file cannot be written.
        """
        before = self.now()
        if before.digest != digest:
            raise ChangedOnDisk(before)
        target = self.path.resolve()
        data = target.read_bytes() if before.digest else b""
        mark = "\ufeff" if data.startswith(_MARK) else ""
        ends = "\r\n" if b"\r\n" in data else "\n"
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UserError(f"{self.name}: the text has half of a surrogate pair, which no file can hold") from None
        write_text(target, mark + text.replace("\n", ends), S_IMODE(target.stat().st_mode) if before.digest else None)
        return self.now()


def _with_line_feeds(text: str) -> str:
    r"""The text with `\n` as line ends, as a browser's editor has it."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def stamp(path: Path) -> Stamp:
    """Changes when a file does; empty if there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
