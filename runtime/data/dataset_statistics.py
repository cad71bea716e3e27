"""Statistics of the training data that a network needs; a run keeps them, so it works without the store."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexc.printable import printable

from ..errors import UserError
from ..files import require_regular_file, write_bytes
from .store import Geometry, Store

_LARGEST_BYTES = 1 << 30
_PICKLED = "pickle"  # in numpy's messages, which advise to load such arrays unsafely


@dataclass(frozen=True, eq=False)
class DatasetStatistics:
    """The attributes of a `Store` that are not about single images.

    Attributes:
        classes: class names; a label is an index into this tuple.
        geometry: how an image is scaled and cut.
        mean_image: (H, W, channels), 0..255, the mean of the training split.
        eigenvalues: (channels,), descending, of the covariance of the colours on the 0..1 scale.
        eigenvectors: (channels, channels), column i belongs to eigenvalue i.
        identity: the store's hash.
    """

    classes: tuple[str, ...]
    geometry: Geometry
    mean_image: NDArray[np.float64]
    eigenvalues: NDArray[np.float64]
    eigenvectors: NDArray[np.float64]
    identity: str


def statistics_of(store: Store) -> DatasetStatistics:
    """The statistics of a store."""
    return DatasetStatistics(
        store.classes, store.geometry, store.mean_image, store.eigenvalues, store.eigenvectors, store.identity
    )


def save_statistics(statistics: DatasetStatistics, path: Path) -> None:
    """Write an .npz file, atomically."""
    content = io.BytesIO()
    np.savez_compressed(
        content,
        classes=np.array(statistics.classes),
        geometry=_geometry_array(statistics.geometry),
        mean_image=statistics.mean_image,
        eigenvalues=statistics.eigenvalues,
        eigenvectors=statistics.eigenvectors,
        identity=np.array(statistics.identity),
    )
    write_bytes(path, content.getvalue())


def load_statistics(path: Path) -> DatasetStatistics:
    """Read a file of `save_statistics`.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        require_regular_file(path)
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _LARGEST_BYTES:
                raise ValueError(f"it holds more than {_LARGEST_BYTES:,} bytes")
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return DatasetStatistics(
                classes=tuple(str(name) for name in arrays["classes"]),
                geometry=_geometry_of(arrays["geometry"]),
                mean_image=arrays["mean_image"],
                eigenvalues=arrays["eigenvalues"],
                eigenvectors=arrays["eigenvectors"],
                identity=str(arrays["identity"]),
            )
    except FileNotFoundError:
        raise UserError(f"{printable(path)} is missing: expected a run that `alexc train` made") from None
    except (
        OSError, KeyError, TypeError, ValueError, EOFError, MemoryError, RecursionError, zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        reason = "it holds something else than numbers" if _PICKLED in str(error) else printable(error)
        raise UserError(f"{printable(path)} is damaged ({reason}): train again, or restore the file") from None


def _geometry_array(geometry: Geometry) -> NDArray[np.generic]:
    """The two numbers of RGB squares, as in files of an earlier alexc; JSON for other images."""
    if geometry.is_rgb_square:
        return np.array([geometry.resize, geometry.crop])
    return np.array(json.dumps(geometry.as_values()))


def _geometry_of(array: NDArray[np.generic]) -> Geometry:
    if array.dtype.kind == "U":
        return Geometry.of_values(json.loads(str(array)))
    resize, crop = (int(side) for side in array)
    return Geometry(resize, crop)
