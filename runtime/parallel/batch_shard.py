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
        read: (index, count): this process reads part `index` of `count` equal parts.
        loss: (index, count): the part whose loss it computes; None if other processes compute the loss.
    """

    multiple: int = 1
    read: tuple[int, int] = (0, 1)
    loss: tuple[int, int] | None = (0, 1)

    def rows_read(self, rows: int) -> int:
        """The number of rows that this process reads of a batch of `rows` rows; padding counts."""
        return self._padded(rows) // self.read[1]

    def select(self, rows: NDArray[Row]) -> NDArray[Row]:
        """The rows that this process reads, without padding. The last processes may have fewer."""
        index, parts = self.read
        size = self._padded(len(rows)) // parts
        return rows[index * size : (index + 1) * size]

    def labels(self, labels: Sequence[int] | NDArray[np.int64] | NDArray[np.int8]) -> Tensor:
        """(rows of the loss,) or (rows of the loss, outputs): the labels of the logits on this process.

        Padding rows have `NO_LABEL` everywhere.
        """
        given = np.asarray(labels)
        padded = np.full((self._padded(len(given)), *given.shape[1:]), NO_LABEL, given.dtype)
        padded[: len(given)] = given
        if self.loss is None:
            return torch.from_numpy(padded[:0])
        index, parts = self.loss
        size = len(padded) // parts
        return torch.from_numpy(padded[index * size : (index + 1) * size])

    def _padded(self, rows: int) -> int:
        return -(-rows // self.multiple) * self.multiple
