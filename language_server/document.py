"""The text of an open document, which changes part by part."""

from __future__ import annotations

from lsprotocol.types import TextDocumentContentChangeEvent, TextDocumentContentChangePartial
from pygls.workspace import TextDocument

from .positions import Positions


class Document(TextDocument):
    """A document whose lines end as the protocol says: pygls also ends them at form feeds and at other characters.

    Attributes:
        text: the newest text.
        version: its version, in the editor's count.
    """

    version: int

    def __init__(self, uri: str, text: str, version: int, encoding: str) -> None:
        super().__init__(uri, text, version)
        self.text = text
        self._encoding = encoding

    @property
    def source(self) -> str:
        """The newest text."""
        return self.text

    def apply_change(self, change: TextDocumentContentChangeEvent) -> None:
        """Change a part of the text, or the whole text."""
        if isinstance(change, TextDocumentContentChangePartial):
            self.text = Positions(self.text, self._encoding).edited(change.range, change.text)
        else:
            self.text = change.text
