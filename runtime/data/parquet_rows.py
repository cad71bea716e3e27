"""Reads images out of the rows of a Parquet file, a row group at a time."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from alexc.printable import printable

from ..errors import UserError
from .decoding_work import BadImage
from .memory_limit import memory_limit

LARGEST_ROW_GROUP = 1 << 30  # bytes of images; a worker holds one row group
_MEMORY = 4 * LARGEST_ROW_GROUP  # for a row group and its compressed pages


def parquet_package() -> Any:  # noqa: ANN401 - an optional package, without types
    """The module `pyarrow.parquet`.

    Raises:
        UserError: it is not installed.
    """
    try:
        import pyarrow.parquet as parquet  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        raise UserError("Parquet files need the package pyarrow: pip install 'alexc[parquet]'") from None
    return parquet


def image_of_row(path: Path, group: int, number: int, column: str) -> bytes:
    """The image in row `number` of a row group: a column of bytes, or of records with a field `bytes`.

    Raises:
        BadImage: the row group is damaged, or the row has no image.
    """
    rows = _row_group(path, path.stat().st_mtime_ns if path.exists() else 0, group, column)
    if isinstance(rows, str):
        raise BadImage(rows)
    value = rows[number].as_py() if number < len(rows) else None
    content = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(content, bytes) or not content:
        raise BadImage("the row has no image")
    return content


@lru_cache(maxsize=1)  # a shard reads the rows in order
def _row_group(path: Path, _mtime: int, group: int, column: str) -> Any:  # noqa: ANN401 - pyarrow's column
    """A column of a row group, or the reason why it cannot be read."""
    parquet = parquet_package()
    try:
        with memory_limit(_MEMORY), parquet.ParquetFile(path) as file:
            return file.read_row_group(group, [column], use_threads=False).column(0)
    except Exception as error:  # its parser raises almost any exception for broken data
        return f"damaged: row group {group} cannot be read ({printable(error) or type(error).__name__})"
