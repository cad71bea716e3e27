"""The data loader: threads render batches of views, in order, a few ahead, into reused buffers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..augmentations.augmentation import View
from ..parallel.batch_shard import BatchShard
from .split import Split
from .views import Renderer

WHOLE_BATCH = BatchShard()


@dataclass(frozen=True, eq=False)
class Batch:
    """A batch on one rank.

    Attributes:
        images: (N, 3, size, size), float32, channels last; the next batch may overwrite it.
        labels: (M,), int64, for the rows whose logits this rank has; with several views per image, one label per view.
            For images with several labels (M, outputs), int8, 0 or 1.
        count: the number of images of the whole batch, over all ranks.
    """

    images: Tensor
    labels: Tensor
    count: int


class BatchLoader:
    """Renders batches on threads. They run during training, because numpy releases the interpreter's lock.

    At most `threads` batches are ahead of the one in use. A context manager: the threads end with it.

    Args:
        renderer: turns an image into a view.
        size: pixels a side of a view.
        batch: the largest number of views in a batch.
        threads: the number of batches that are rendered at the same time.
        pinned: whether the buffers are in page-locked memory, which a GPU copies faster.
        share: the part of each batch that this rank renders.
        outputs: of the network: the columns of the labels, if an image can have several.
    """

    def __init__(
        self,
        renderer: Renderer,
        size: int,
        batch: int,
        threads: int,
        pinned: bool = False,
        share: BatchShard = WHOLE_BATCH,
        outputs: int = 0,
    ) -> None:
        self._renderer, self._share, self._outputs = renderer, share, outputs
        shape = (share.rows_read(batch), size, size, 3)
        self._buffers = [torch.empty(shape, pin_memory=pinned) for _ in range(threads + 1)]
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="feed")

    def __enter__(self) -> BatchLoader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._threads.shutdown(cancel_futures=True)

    def batches(
        self, split: Split, groups: Sequence[NDArray[np.int64]], views: Callable[[int], Sequence[View]]
    ) -> Generator[Batch]:
        """A batch for each group of image numbers, in order: this rank's part of it.

        Args:
            split: the images.
            groups: the image numbers of each batch.
            views: the views of an image, by its number; the same number for every image.
        """
        free = list(self._buffers)
        underway: deque[tuple[Tensor, Future[Batch]]] = deque()
        waiting = iter(groups)

        def start_next() -> None:
            group = next(waiting, None)
            if group is not None:
                buffer = free.pop()
                underway.append((buffer, self._threads.submit(self._render, split, group, views, buffer)))

        try:
            for _ in self._buffers[1:]:
                start_next()
            while underway:
                buffer, batch = underway.popleft()
                ready = batch.result()
                start_next()
                yield ready
                free.append(buffer)
        finally:
            for _, batch in underway:
                if not batch.cancel():
                    batch.exception()  # waits, because no thread may write into a buffer that the next call returns

    def _render(
        self, split: Split, group: NDArray[np.int64], views: Callable[[int], Sequence[View]], buffer: Tensor
    ) -> Batch:
        out = buffer.numpy()
        # All views of an image go to the same rank: a batch is split between images.
        count = len(views(int(group[0]))) if len(group) else 1
        row = 0
        # All views are drawn before the first is rendered, because rendering evicts the drawing code from the cache.
        own = [(index, views(index)) for index in self._share.select(group).tolist()]
        for index, shown in own:
            image = split.image(index)
            for view in shown:
                self._renderer.render(image, view, out[row])
                row += 1
        rows = self._share.rows_read(len(group)) * count
        out[row:rows] = 0
        labels = self._share.labels(split.targets(group, self._outputs)).repeat_interleave(count, dim=0)
        return Batch(buffer[:rows].permute(0, 3, 1, 2), labels, len(group))


def groups_of(order: NDArray[np.int64], images: int) -> list[NDArray[np.int64]]:
    """Cut the order into groups of `images`; the last group may be smaller."""
    return [order[start : start + images] for start in range(0, len(order), images)]
