"""The weights of another program, under the names of a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alexc.runtime.layer_matching import Match, in_words
from alexc.runtime.network_file import ModuleFile
from alexc.runtime.weights_import import import_weights

from .printable import printable
from .table import Table, page_html, page_text

_CAFFES = ".caffemodel"


@dataclass(frozen=True, repr=False)
class ImportedWeights:
    """A file of weights that was imported; prints as `alexc weights import` does, and Jupyter shows a table.

    Attributes:
        path: the file that was written.
        network: the name of the network.
        matches: the pairs of layers: `source` in the file, `target` in the network.
        notes: what was done with the order of colours.
    """

    path: Path
    network: str
    matches: tuple[Match, ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def text(self, width: int | None = None) -> str:
        """The text of `alexc weights import`; for a terminal of `width` columns, with wrapped cells."""
        return page_text(self._parts(), width)

    def _repr_html_(self) -> str:
        return page_html(self._parts())

    def _parts(self) -> list[str | Table]:
        rows = [(printable(match.source), "->", match.target, in_words(match.shapes)) for match in self.matches]
        table = Table([("in the file", "", f"in {self.network}", "tensors"), *rows], spare=["tensors"])
        notes = ["\n".join(self.notes)] if self.notes else []
        layers = "1 layer" if len(self.matches) == 1 else f"{len(self.matches)} layers"
        return [table, *notes, f"{printable(self.path)}  written: {layers}"]


def imported_weights(
    file: Path, network: ModuleFile, target: Path, without: Sequence[str] = (), bgr: bool | None = None
) -> ImportedWeights:
    """Import weights; the arguments are those of `import_weights`.

    Raises:
        UserError: the file cannot be read, its layers do not match the network's, or `target` cannot be written.
    """
    imported = import_weights(file, network, without, target, bgr)
    notes = []
    if imported.turned:
        notes.append(f"turned from blue, green, red to red, green, blue: {printable(', '.join(imported.turned))}")
        if bgr is None:
            notes.append("if the network was trained on red, green, blue, import it with --no-bgr")
    elif bgr is None and file.suffix == _CAFFES and network.input_shape[0] == 1:
        notes.append(f"{network.name} reads one channel, so there is no order of colours to turn")
    return ImportedWeights(target, network.name, tuple(imported.matches), tuple(notes))
