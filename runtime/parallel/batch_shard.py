"""The rows of a batch that one process reads, and those that it computes the loss of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

NO_LABEL = -100  # torch's losses ignore this label

Row = TypeVar("Row", bound=np.generic)


@dataclass(frozen=True)
class BatchShard:
    """One process's part of every batch; by default the whole batch.

    A batch is padded to a multiple of `multiple` rows, so that all processes have the same number. Padding rows have no
    label.

    Attributes:
        multiple: the number of rows of each padded batch is a multiple of this.
        shown: (index, count): which of `count` equal parts this process reads.
        judged: (index, count): of which part it has the logits; None if other processes have them.
    """

    multiple: int = 1
    shown: tuple[int, int] = (0, 1)
    judged: tuple[int, int] | None = (0, 1)

    def rows_shown(self, rows: int) -> int:
        """The number of rows that this process reads of a batch of `images` images, with padding."""
        return self._filled(rows) // self.shown[1]

    def own(self, rows: NDArray[Row]) -> NDArray[Row]:
        """The rows of `values` that belong to this process; the last batch may have fewer."""
        index, parts = self.shown
        size = self._filled(len(rows)) // parts
        return rows[index * size : (index + 1) * size]

    def labels(self, labels: Sequence[int] | NDArray[np.int64]) -> Tensor:
        """(rows of the loss,), int64: the labels of the logits on this process; `NO_LABEL` for padding rows."""
        filled = np.full(self._filled(len(labels)), NO_LABEL, np.int64)
        filled[: len(labels)] = labels
        if self.judged is None:
            return torch.from_numpy(filled[:0])
        index, parts = self.judged
        size = len(filled) // parts
        return torch.from_numpy(filled[index * size : (index + 1) * size])

    def _filled(self, rows: int) -> int:
        return -(-rows // self.multiple) * self.multiple
