"""The pixels in the shards of a store: raw ones are mapped into memory, JPEGs are decoded at each use."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alexc.printable import printable

from ..errors import UserError
from .plain_jpeg import markers_of, plain_jpeg

if TYPE_CHECKING:
    from torch import Tensor

Pixels = NDArray[Any]  # uint8; uint16 for images of 16 bits
CHANGED = "its content is not what was written"


@dataclass(frozen=True)
class Shard:
    """One file of images: its name, the number of images and bytes, and the SHA-256 of the bytes."""

    file: str
    images: int
    bytes: int
    sha256: str


class _MappedShard:
    """The bytes of a shard's file, without a copy; they stay available even if the file is removed.

    Args:
        path: the file.
        size: its size in bytes.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise damaged_store(path, str(error)) from None
        self._content: NDArray[np.uint8] = np.frombuffer(self._map, np.uint8)
        self._tensor: Tensor | None = None

    def content(self) -> NDArray[np.uint8]:
        # Reading beyond the end of the file would kill the process with SIGBUS, without a message.
        if self._map.size() < len(self._map):
            raise damaged_store(self._path, "it was cut off while it was in use")
        return self._content

    def tensor(self) -> Tensor:
        """The same bytes; nothing may write to them."""
        if self._tensor is None:
            import torch  # the workers of `prepare` do without it

            # torch would warn of an array that cannot be written.
            place = {**self._content.__array_interface__, "data": (self._content.ctypes.data, False)}
            bytes_of_file = np.asarray(SimpleNamespace(__array_interface__=place, kept=self._content))
            self._tensor = torch.from_numpy(bytes_of_file)
        return self._tensor


class RawPixels:
    """Memory-mapped raw pixels.

    Args:
        folder: the store's.
        shape: (height, width, channels) of an image.
        shards: the files, in the order of the images.
        bits: per channel, 8 or 16.
    """

    def __init__(self, folder: Path, shape: tuple[int, int, int], shards: tuple[Shard, ...], bits: int = 8) -> None:
        self._folder, self._shape, self._shards = folder, shape, shards
        self._type = np.dtype("u1" if bits == 8 else "<u2")
        self._maps: dict[int, _MappedShard] = {}

    def image(self, shard: int, place: int) -> Pixels:
        """(H, W, channels): image number `place` of a shard, a read-only view of the file.

        Raises:
            UserError: the shard was removed or cut off since the store was opened.
        """
        image: Pixels = self.mapped(shard).view(self._type).reshape(-1, *self._shape)[place]
        return image

    def tensor(self, shard: int) -> Tensor | None:
        """(bytes,): a whole shard, if a pixel is there as it is, in 8 bits.

        Raises:
            UserError: the shard was removed or cut off since the store was opened.
        """
        self.mapped(shard)
        return self._maps[shard].tensor() if self._type.itemsize == 1 else None

    def windows(
        self, tensors: Sequence[Tensor], images: NDArray[np.int64], places: NDArray[np.int64], size: tuple[int, int]
    ) -> list[Tensor]:
        """The window (height, channels * width) of each image, a view of the shard that holds it.

        Args:
            tensors: for each window, its shard.
            images: (N,), the place of each image in its shard.
            places: (N, 2), the first row and column of each window.
            size: height and width of all windows.
        """
        rows, columns, channels = self._shape
        row = columns * channels
        starts = images * (rows * row) + places @ np.array((row, channels))
        shape = (size[0], size[1] * channels)
        return [shard.as_strided(shape, (row, 1), start) for shard, start in zip(tensors, starts.tolist(), strict=True)]

    def mapped(self, shard: int) -> NDArray[np.uint8]:
        """(bytes,): a whole shard, mapped at its first use."""
        if shard not in self._maps:
            described = self._shards[shard]
            self._maps[shard] = _MappedShard(self._folder / described.file, described.bytes)
        return self._maps[shard].content()

    def damaged(self, shard: int, reason: str) -> UserError:
        """The error for a damaged shard."""
        return damaged_store(self._folder / self._shards[shard].file, reason)

    def is_intact(self, shard: int) -> bool:
        """Whether a shard has the hash of the bytes that were written.

        Raises:
            UserError: the shard was removed or cut off since the store was opened.
        """
        return hashlib.sha256(self.mapped(shard).data).hexdigest() == self._shards[shard].sha256

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_maps": {}}  # pickling a map would copy every pixel


class JpegPixels(RawPixels):
    """Consecutive JPEG files, decoded at each use.

    Args:
        folder: the store's.
        shape: (height, width, channels) of an image; one or three channels.
        shards: the files, in the order of the images.
        ends: (N,), where the bytes of each image end in its shard.
    """

    def __init__(
        self, folder: Path, shape: tuple[int, int, int], shards: tuple[Shard, ...], ends: NDArray[np.int64]
    ) -> None:
        super().__init__(folder, shape, shards)
        self._ends = ends
        self._starts = first_images(shards)

    def image(self, shard: int, place: int) -> NDArray[np.uint8]:
        """(H, W, channels): image number `place` of a shard.

        Raises:
            UserError: it cannot be decoded, or its size differs from the store's.
        """
        index = self._starts[shard] + place
        start = int(self._ends[index - 1]) if place else 0
        content = self.mapped(shard)[start : int(self._ends[index])].tobytes()
        height, width, channels = self._shape
        pixels = None if markers_of(content) is None else plain_jpeg(content, width, height, channels)
        if pixels is None:
            raise self.damaged(shard, f"image {place} is not a valid JPEG of {height} x {width} pixels")
        return pixels

    def tensor(self, shard: int) -> None:  # noqa: ARG002
        """None: no pixel is there as it is."""
        return


def damaged_store(path: Path, reason: object) -> UserError:
    """The error for a store of which this file is damaged."""
    return UserError(
        f"the store is damaged: {printable(path)}: {printable(reason)}; delete the store and prepare it again"
    )


def first_images(shards: tuple[Shard, ...]) -> list[int]:
    """The number of the first image of each shard, and the total number."""
    starts = [0]
    for shard in shards:
        starts.append(starts[-1] + shard.images)
    return starts
