"""Which rows of a batch one of several processes is shown, and of which it has the logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

NO_LABEL = -100  # what torch's losses leave out

Row = TypeVar("Row", bound=np.generic)


@dataclass(frozen=True)
class BatchShard:
    """A part of every batch; the whole where nothing is said.

    A batch is filled up with empty rows to `multiple`, so that every process has as many: they have no label.

    Attributes:
        multiple: of what each batch's rows are made a multiple.
        shown: which part of how many this process is shown.
        judged: which part of how many it has the logits of; None where other processes have them.
    """

    multiple: int = 1
    shown: tuple[int, int] = (0, 1)
    judged: tuple[int, int] | None = (0, 1)

    def rows_shown(self, rows: int) -> int:
        """How many rows this process is shown of a batch of so many, empty ones counted."""
        return self._filled(rows) // self.shown[1]

    def own(self, rows: NDArray[Row]) -> NDArray[Row]:
        """Of something that a batch has a row of each, what this process is shown: less where the batch ends."""
        index, parts = self.shown
        size = self._filled(len(rows)) // parts
        return rows[index * size : (index + 1) * size]

    def labels(self, labels: Sequence[int] | NDArray[np.int64]) -> Tensor:
        """(rows judged,), int64: the labels that go with the logits here; `NO_LABEL` for empty rows."""
        filled = np.full(self._filled(len(labels)), NO_LABEL, np.int64)
        filled[: len(labels)] = labels
        if self.judged is None:
            return torch.from_numpy(filled[:0])
        index, parts = self.judged
        size = len(filled) // parts
        return torch.from_numpy(filled[index * size : (index + 1) * size])

    def _filled(self, rows: int) -> int:
        return -(-rows // self.multiple) * self.multiple
