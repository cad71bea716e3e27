"""Batches of rendered views for a network: made by threads, in order, a few ahead, in buffers that are used again."""

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
    """What a network is shown at once.

    Attributes:
        images: (N, 3, size, size), float32, channels last in memory; overwritten once the next batch is asked for.
        labels: (M,), int64, of the rows whose logits this process has; where an image has several views its label
            stands once for each.
        count: the images of the whole batch, whoever is shown them.
    """

    images: Tensor
    labels: Tensor
    count: int


class BatchLoader:
    """Renders batches on threads, which run beside training since numpy lets go of the interpreter's lock.

    Never more than `threads` batches are ahead of the one in use. A context manager: the threads end with it.

    Args:
        renderer: how an image becomes a view.
        size: pixels a side of a view.
        batch: the most views of a batch.
        threads: how many batches are made at once.
        pinned: whether the buffers lie in page-locked memory, from which a GPU copies faster.
        share: the part of each batch that is made here.
    """

    def __init__(
        self,
        renderer: Renderer,
        size: int,
        batch: int,
        threads: int,
        pinned: bool = False,
        share: BatchShard = WHOLE_BATCH,
    ) -> None:
        self._renderer, self._share = renderer, share
        shape = (share.rows_shown(batch), size, size, 3)
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
        """One batch for each group of image numbers, in order: of each its share.

        Args:
            split: where the images lie.
            groups: the image numbers of each batch.
            views: the views of an image, by its number; as many for every image.
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
                    batch.exception()  # waits: nobody may write into a buffer that the next call hands out

    def _render(
        self, split: Split, group: NDArray[np.int64], views: Callable[[int], Sequence[View]], buffer: Tensor
    ) -> Batch:
        out = buffer.numpy()
        # All views of an image are shown to the same process: a batch is cut between images.
        count = len(views(int(group[0]))) if len(group) else 1
        row = 0
        # All views are drawn before the first is rendered: pixels push what draws them out of the cache.
        own = [(index, views(index)) for index in self._share.own(group).tolist()]
        for index, shown in own:
            image = split.image(index)
            for view in shown:
                self._renderer.render(image, view, out[row])
                row += 1
        rows = self._share.rows_shown(len(group)) * count
        out[row:rows] = 0
        labels = self._share.labels(np.asarray(split.labels)[group]).repeat_interleave(count)
        return Batch(buffer[:rows].permute(0, 3, 1, 2), labels, len(group))


def groups_of(order: NDArray[np.int64], images: int) -> list[NDArray[np.int64]]:
    """The order cut into groups of `images`; the last one holds what is left."""
    return [order[start : start + images] for start in range(0, len(order), images)]
