"""Lists the images of Parquet files, as the Hugging Face hub writes image sets.

A row is an image: a column of records with the field `bytes`, the bytes of an image file, and a column of labels,
numbers or names, or lists of them. The file's metadata may name the classes of the numbers.
Source: https://huggingface.co/docs/datasets/image_dataset
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from alexc.printable import printable

from ..errors import UserError
from .image_list import ImageList, SourceFile
from .labelled_images import MOST_LABELS, Label
from .memory_limit import memory_limit
from .packed_file import PackedFile
from .packed_format import Listing, PackedFormat
from .packed_image import STORED
from .parquet_rows import LARGEST_ROW_GROUP, parquet_package
from .tar_file import reading

_MARK = b"PAR1"
_IMAGES = ("image", "img")  # names of columns, the usual one first
_LABELS = ("label", "labels", "fine_label", "class")
_METADATA = b"huggingface"
_MOST_ROWS = 50_000_000
_MEMORY = 4 * LARGEST_ROW_GROUP
_ROWS_AT_ONCE = 4096
_NO_LABEL = "unusable the row has no label"


@dataclass(frozen=True)
class _Columns:
    """The columns that are read: images, labels, whether a label is a list, and the names of the classes."""

    image: str
    label: str
    several: bool
    classes: tuple[str, ...] | None


def _listed(files: Sequence[PackedFile], listing: Listing) -> ImageList:
    files = sorted(files, key=lambda file: file.path)
    columns = _columns(_open(files[0]), files[0])
    images, rows = listing.labelled(columns.several), 0
    for file, part in listing.in_turn(files):
        opened = _open(file)
        rows += opened.metadata.num_rows
        if rows > _MOST_ROWS:
            raise UserError(f"{printable(listing.root)} has over {_MOST_ROWS:,} rows in its Parquet files")
        if _columns(opened, file) != columns:
            raise UserError(f"{printable(listing.root)}: its Parquet files have different columns or classes")
        with memory_limit(_MEMORY), reading(file.disk, "Parquet file"):
            for image, labels in _images(file, opened, columns):
                try:
                    images.add(image, labels, part)
                except ValueError:
                    raise UserError(f"{printable(file.disk)} has over {MOST_LABELS:,} labels") from None
    return listing.listed(images, "Parquet files", files, columns.classes, by_place=True)


def _open(file: PackedFile) -> Any:  # noqa: ANN401 - pyarrow's file
    parquet = parquet_package()
    if file.form != STORED or file.offset:
        raise UserError(f"{printable(file.disk)} has Parquet files in it: unpack it, and name the folder")
    with memory_limit(_MEMORY), reading(file.disk, "Parquet file"):
        return parquet.ParquetFile(file.disk)


def _columns(opened: Any, file: PackedFile) -> _Columns:  # noqa: ANN401 - pyarrow's file
    import pyarrow as arrow  # type: ignore[import-not-found,import-untyped,unused-ignore]

    def holds_bytes(type: Any) -> bool:  # noqa: ANN401 - pyarrow's type
        if arrow.types.is_struct(type):
            return any(field.name == "bytes" and holds_bytes(field.type) for field in type)
        return bool(arrow.types.is_binary(type) or arrow.types.is_large_binary(type))

    schema = opened.schema_arrow
    shown = printable(file.path)
    found = [field.name for field in schema if holds_bytes(field.type)]
    image = next((name for name in _IMAGES if name in found), found[0] if len(found) == 1 else None)
    label = next((name for name in _LABELS if name in schema.names), None)
    if image is None or label is None:
        columns = printable(", ".join(schema.names))
        raise UserError(f"{shown} has the columns {columns}: expected `image`, with the field `bytes`, and `label`")
    type = schema.field(label).type
    several = bool(arrow.types.is_list(type) or arrow.types.is_large_list(type))
    value = type.value_type if several else type
    if not (arrow.types.is_integer(value) or arrow.types.is_string(value) or arrow.types.is_large_string(value)):
        raise UserError(f"{shown}: the column {printable(label)} has values of type {value}: expected numbers or names")
    return _Columns(image, label, several, _classes(schema.metadata or {}, label))


def _classes(metadata: dict[bytes, bytes], label: str) -> tuple[str, ...] | None:
    """The names of the classes, which the `datasets` library writes into the metadata."""
    try:
        feature = json.loads(metadata.get(_METADATA, b"{}"))["info"]["features"][label]
        names = feature.get("feature", feature)["names"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return tuple(names) if 1 < len(set(names)) == len(names) <= MOST_LABELS else None


def _images(file: PackedFile, opened: Any, columns: _Columns) -> Iterator[tuple[SourceFile, tuple[Label, ...]]]:  # noqa: ANN401
    """Each row of a file, with its labels."""
    number = 0
    width = len(str(opened.metadata.num_rows))
    for group in range(opened.metadata.num_row_groups):
        described = opened.metadata.row_group(group)
        if described.total_byte_size > LARGEST_ROW_GROUP:
            raise UserError(
                f"{printable(file.disk)}: row group {group} has {described.total_byte_size:,} bytes: write the file "
                f"with row groups of at most {LARGEST_ROW_GROUP:,}"
            )
        place = 0
        for batch in opened.iter_batches(_ROWS_AT_ONCE, [group], [columns.label], use_threads=False):
            for value in batch.column(0).to_pylist():
                labels = _labels(value, columns)
                form = _NO_LABEL if labels is None else f"row {group} {place} {columns.image}"
                path = f"{file.path}/{number:0{width}d}"
                yield SourceFile(path, 0, 0, file.mtime, file.archive, number, form=form), labels or ()
                number, place = number + 1, place + 1


def _labels(value: Any, columns: _Columns) -> tuple[Label, ...] | None:  # noqa: ANN401 - any value of a row
    """The labels of a row; None if it has none, which test sets say by -1."""
    values = value if columns.several else [value]
    if values is None or any(each is None or each == "" or each == -1 for each in values):
        return None
    return tuple(values)


PARQUET = PackedFormat("Parquet files", lambda file, _: file.head.startswith(_MARK), _listed)
