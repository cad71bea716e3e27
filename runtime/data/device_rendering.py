"""Renders views on the device that trains: threads cut 8-bit windows, and the device does the rest, a batch at once."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..augmentations.view import Views
from .store import STEPS_OF_16_BITS
from .views import Renderer, central_view

_FIRST_COLOR = 4  # column of a table


def table_of(views: Views, channels: int = 3) -> Tensor:
    """What `DeviceRenderer` must know of views of so many channels: a row for each, float64.

    The columns are top, left, mirrored, divisor, the added colour, and for each hole its top, left, bottom and right.
    """
    count = len(views)
    colors = np.zeros((count, channels)) if views.colors is None else views.colors
    columns = (views.places, views.mirrored, np.full(count, views.divisor), colors, *views.holes)
    return torch.from_numpy(np.column_stack(columns).astype(np.float64, copy=False))


class Rendering:
    """Views that a device renders.

    Args:
        views: (N, channels, height, width).
        copied: the point where a GPU has copied what it reads; None on a CPU, which is done at once.
        rendered: the point where it has rendered the views.
    """

    def __init__(
        self, views: Tensor, copied: torch.cuda.Event | None = None, rendered: torch.cuda.Event | None = None
    ) -> None:
        self._views, self._copied, self._rendered = views, copied, rendered

    def wait_for_copies(self) -> None:
        """Wait until the device has read the windows."""
        if self._copied is not None:
            self._copied.synchronize()

    def images(self) -> Tensor:
        """The views; what a GPU is told next waits for them."""
        if self._rendered is not None:
            stream = torch.cuda.current_stream(self._views.device)
            stream.wait_event(self._rendered)
            self._views.record_stream(stream)
        return self._views


class DeviceRenderer:
    """Gives the values of a `Renderer`, bit for bit, for a batch at once.

    Args:
        renderer: what to compute.
        device: where.
    """

    def __init__(self, renderer: Renderer, device: torch.device) -> None:
        mean, factor = renderer.mean_image, renderer.factor
        self._device = device
        self._stream: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._size, self._channels = renderer.size, renderer.channels
        # A tensor: a GPU divides by a plain number in another way.
        self._steps = None if renderer.bits == 8 else torch.tensor([float(STEPS_OF_16_BITS)], device=device)
        self._mean = torch.from_numpy(mean).to(device)
        self._is_one_color = bool((mean == mean[0, 0]).all())
        self._center = central_view(mean.shape[:2], renderer.size) if renderer.central else None
        self._factor = None if factor is None else torch.from_numpy(factor.astype(np.float32)).to(device)

    def start(self, pixels: Tensor, table: Tensor, stored: Tensor | None = None) -> Rendering:
        """Begin to render a batch; a GPU does so beside what it computes.

        Args:
            pixels: (N, height, width, channels), windows as `Renderer.cut` makes them; for a GPU in page-locked memory.
                With `stored` (N,), the numbers of images there.
            table: of the views, as `table_of` makes it; the views of further rows are zero.
            stored: whole images that lie on the device.
        """
        if self._stream is None:
            return Rendering(self._padded(pixels, table, stored))
        with torch.cuda.stream(self._stream):
            pixels, table = (each.to(self._device, non_blocking=True) for each in (pixels, table))
            copied, rendered = torch.cuda.Event(), torch.cuda.Event()  # type: ignore[no-untyped-call]
            copied.record()
            views = self._padded(pixels, table, stored)
            rendered.record()
            return Rendering(views, copied, rendered)

    def _padded(self, pixels: Tensor, table: Tensor, stored: Tensor | None) -> Tensor:
        views, count = [], len(table)
        if count and stored is None:
            views.append(self.render(pixels[:count], table))
        elif count and stored is not None:
            views.append(self.render(stored, table, pixels[:count]))
        if len(pixels) > count or not views:
            shape = (len(pixels) - count, *self._size, self._channels)
            views.append(torch.zeros(shape, device=pixels.device).permute(0, 3, 1, 2))
        return views[0] if len(views) == 1 else torch.cat(views)

    def render(self, pixels: Tensor, table: Tensor, images: Tensor | None = None) -> Tensor:
        """The finished views (N, channels, height, width), float32, channels last; all tensors are on the device.

        Args:
            pixels: (N, height, width, channels): the window of each view, not mirrored.
            table: of the views, as `table_of` makes it.
            images: (N,), the number of each view's image; `pixels` are then whole images, as they are stored.
        """
        height, width = self._size
        forward = torch.arange(width, device=pixels.device)
        columns = torch.where(table[:, 2:3].bool(), width - 1 - forward, forward)[:, None, :]  # of the window
        rows = torch.arange(height, device=pixels.device)[None, :, None]
        tops, lefts = table[:, 0, None, None].long(), table[:, 1, None, None].long()
        if images is None:
            places = torch.arange(len(table), device=pixels.device)[:, None, None], rows, columns
        else:
            places = images[:, None, None], tops + rows, lefts + columns
        views = pixels[places].float()
        if self._steps is not None:
            views /= self._steps
        first_edge = _FIRST_COLOR + self._channels
        colors = table[:, None, None, _FIRST_COLOR:first_edge].float()
        views += colors - self._subtracted(tops + rows, lefts + columns)
        if self._factor is not None:
            views *= self._factor
        views /= table[:, 3, None, None, None].float()
        for edge in range(first_edge, table.shape[1], 4):
            top, left, bottom, right = table[:, edge : edge + 4, None, None].unbind(1)
            in_columns = (forward >= left) & (forward < right)
            views.masked_fill_(((rows >= top) & (rows < bottom) & in_columns)[..., None], 0)
        return views.permute(0, 3, 1, 2)

    def _subtracted(self, rows: Tensor, columns: Tensor) -> Tensor:
        """What is subtracted from views at these places of the stored image, for (N, height, width, channels)."""
        if self._is_one_color:
            return self._mean[0, 0]
        if self._center is not None:
            top, left = self._center.top, self._center.left
            height, width = self._size
            return self._mean[top : top + height, left : left + width]
        return self._mean[rows, columns]
