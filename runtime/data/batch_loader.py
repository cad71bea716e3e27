"""The data loader: threads render batches of views, in order, a few ahead, into reused buffers."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..augmentations.view import View, Views, ViewsOf
from ..parallel.batch_shard import BatchShard
from ..sides import Sides, height_and_width
from .device_rendering import DeviceRenderer, Rendering, table_of
from .split import Images, number_in_source, source_of
from .views import Renderer

_WHOLE_BATCH = BatchShard()
_NO_TABLE = torch.empty(0, 0)
NOTHING_STORED: Mapping[Images, Tensor] = {}


@dataclass(frozen=True, eq=False)
class Batch:
    """A batch on one rank.

    Attributes:
        images: (N, channels, height, width), float32, channels last, on the device that renders; on the CPU the next
            batch may overwrite it.
        labels: (M,), int64, for the rows whose logits this rank has; with several views per image, one label per view.
            For images with several labels (M, outputs), int8, 0 or 1.
        count: the number of images of the whole batch, over all ranks.
        weight: if classes have weights, the sum of those of all micro-batches of the step, over all ranks.
    """

    images: Tensor
    labels: Tensor
    count: int
    weight: float | None = None


@dataclass(frozen=True, eq=False)
class _Drawn:
    """What a thread makes of a batch.

    Attributes:
        pixels: (N, height, width, channels), in a buffer: finished views, or if a device renders, the windows of
            `table`, as `Renderer.cut` makes them; (N,), int64, the numbers of the images if these lie on the device.
        table: of the views, as `table_of` makes it; empty if the threads render.
        labels: as in `Batch`.
        count: as in `Batch`.
    """

    pixels: Tensor
    table: Tensor
    labels: Tensor
    count: int


class BatchLoader:
    """Renders batches on threads. They run during training, because numpy releases the interpreter's lock.

    At most `threads` batches are ahead of the one in use. A context manager: the threads end with it.

    Args:
        renderer: turns an image into a view.
        size: of a view.
        batch: the largest number of views in a batch.
        threads: the number of batches that are rendered at the same time.
        on_device: where views are rendered: the threads then cut 8-bit windows only; by default the threads render.
        stored: of splits whose whole images lie on that device, as `stored_on` returns them: their windows are not cut.
        share: the part of each batch that this rank renders.
        outputs: of the network: the columns of the labels, if an image can have several.
    """

    def __init__(
        self,
        renderer: Renderer,
        size: Sides,
        batch: int,
        threads: int,
        on_device: torch.device | None = None,
        stored: Mapping[Images, Tensor] = NOTHING_STORED,
        share: BatchShard = _WHOLE_BATCH,
        outputs: int = 0,
    ) -> None:
        self._renderer, self._share, self._outputs, self._stored = renderer, share, outputs, stored
        self._on_device = None if on_device is None else DeviceRenderer(renderer, on_device)
        shape = (share.rows_read(batch), *height_and_width(size), renderer.channels)
        dtype = torch.uint8 if on_device is not None and renderer.bits == 8 else torch.float32
        pinned = on_device is not None and on_device.type == "cuda"  # a GPU copies such memory while it computes
        self._buffers = [torch.empty(shape, dtype=dtype, pin_memory=pinned) for _ in range(threads + 1)]
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="feed")
        if on_device is not None:
            _use_one_core_each(self._threads, threads)

    def __enter__(self) -> BatchLoader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._threads.shutdown(cancel_futures=True)

    def batches(self, split: Images, groups: Sequence[NDArray[np.int64]], views: ViewsOf) -> Generator[Batch]:
        """A batch for each group of image numbers, in order: this rank's part of it.

        Args:
            split: the images.
            groups: the image numbers of each batch.
            views: the views of images.
        """
        drawn = self._drawn(split, groups, views)
        if self._on_device is None:
            return self._rendered(drawn)
        return self._rendered_on_device(drawn, self._on_device, self._stored.get(source_of(split)))

    def _rendered(self, drawn: Generator[_Drawn]) -> Generator[Batch]:
        with closing(drawn):
            for each in drawn:
                yield Batch(each.pixels.permute(0, 3, 1, 2), each.labels, each.count)

    def _rendered_on_device(
        self, drawn: Generator[_Drawn], renderer: DeviceRenderer, stored: Tensor | None
    ) -> Generator[Batch]:
        """Render one batch ahead of the one in use; a GPU does so while it computes the step before."""
        ahead: deque[tuple[_Drawn, Rendering]] = deque()

        def oldest() -> Batch:
            drawn, rendering = ahead.popleft()
            return Batch(rendering.images(), drawn.labels, drawn.count)

        with closing(drawn):
            for each in drawn:
                rendering = renderer.start(each.pixels, each.table, stored)
                ahead.append((each, rendering))
                if len(ahead) > 1:
                    yield oldest()
                rendering.wait_for_copies()  # the next batch may overwrite the windows
            while ahead:
                yield oldest()

    def _drawn(self, split: Images, groups: Sequence[NDArray[np.int64]], views: ViewsOf) -> Generator[_Drawn]:
        """What the threads make of each group, in order; the next one may overwrite its pixels."""
        free = list(self._buffers)
        underway: deque[tuple[Tensor, Future[_Drawn]]] = deque()
        waiting = iter(groups)

        def start_next() -> None:
            group = next(waiting, None)
            if group is not None:
                buffer = free.pop()
                underway.append((buffer, self._threads.submit(self._draw, split, group, views, buffer)))

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

    def _draw(self, split: Images, group: NDArray[np.int64], views: ViewsOf, buffer: Tensor) -> _Drawn:
        count = len(views(group[:1])) if len(group) else 1
        own = self._share.select(group)
        shown = views(own)
        rows = self._share.rows_read(len(group)) * count
        labels = self._share.labels(split.targets(group, self._outputs)).repeat_interleave(count, dim=0)
        table = _NO_TABLE if self._on_device is None else table_of(shown, self._renderer.channels)
        if source_of(split) in self._stored:
            numbers = torch.zeros(rows, dtype=torch.int64)
            in_store = torch.tensor([number_in_source(split, index) for index in own.tolist()], dtype=torch.int64)
            numbers[: len(shown)] = in_store.repeat_interleave(count)
            return _Drawn(numbers, table, labels, len(group))
        windows = None
        if self._on_device is not None and shown.windows is None and not shown.adjusted:
            windows = split.windows(own.repeat(count), shown.places, self._renderer.size)
        out = buffer.numpy()
        if windows:
            # One call, which lets go of the interpreter's lock once: the thread that launches kernels needs it.
            torch.cat(windows, out=buffer[: len(shown)].view(-1, windows[0].shape[1]))
        else:
            self._write(split, own, shown, out)
        out[len(shown) : rows] = 0
        return _Drawn(buffer[:rows], table, labels, len(group))

    def _write(self, split: Images, images: NDArray[np.int64], views: Views, out: NDArray[Any]) -> None:
        """Write each view of each image, or if a device renders, its window."""
        write: Callable[[NDArray[Any], View, NDArray[Any]], None]
        write = self._renderer.render if self._on_device is None else self._renderer.cut
        # All views are made before the first is rendered, because rendering evicts this code from the cache.
        shown, numbers = list(zip(views, out, strict=False)), images.tolist()
        count = len(shown) // max(1, len(numbers))
        for place, index in enumerate(numbers):
            image = split.image(index)
            for view, target in shown[place * count : (place + 1) * count]:
                write(image, view, target)


def _use_one_core_each(pool: ThreadPoolExecutor, threads: int) -> None:
    """Let torch use one core in each thread of the pool, and as many as before elsewhere."""
    elsewhere, all_started = torch.get_num_threads(), threading.Barrier(threads)

    def use_one_core() -> None:
        torch.get_num_threads()  # a thread that never asked takes the number of the process later
        torch.set_num_threads(1)  # of this thread, and of threads that begin later
        all_started.wait()

    wait([pool.submit(use_one_core) for _ in range(threads)])
    torch.set_num_threads(elsewhere)


def groups_of(order: NDArray[np.int64], images: int) -> list[NDArray[np.int64]]:
    """Cut the order into groups of `images`; the last group may be smaller."""
    return [order[start : start + images] for start in range(0, len(order), images)]
