"""Lists the images that `labels.csv` or `labels.tsv` names, each with one class or with several labels.

The first line names the columns:

    file     the path of an image, relative to the folder of the label file, with `/`
    label    the class of the image; or
    labels   its labels, separated by spaces: several, one or none
    split    optional: train, val or test; without it, a fifth of the images becomes the validation split

Values may be quoted as in CSV. Further columns are not read.
"""

from __future__ import annotations

import csv
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from alexc.printable import printable

from ..errors import UserError
from ..files import read_error, require_regular_file
from .decoding_work import BadImage
from .folder_layout import Part, names, part_named
from .folder_names import composed
from .folder_tree import DISK, FolderTree
from .image_list import ImageList
from .labelled_images import MOST_LABELS, LabelledImages
from .packed_file import PackedFile

NAMES = ("labels.csv", "labels.tsv")
FORM = "expected a first line such as `file,label`, `file,labels` or `file,labels,split`"
_LONGEST_NAME = 255  # characters, as in the name of a class folder
_LONGEST_LINE = 1_000_000  # bytes
_UTF8_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class LabelFile:
    """A file of labels.

    Attributes:
        path: the file; in an archive, below the path of the archive.
        columns: the names in its first line.
        root: the source, a folder or an archive.
        tree: the tree that the file is in.
        packed: where the file is in the archive; None for a file on disk.
    """

    path: Path
    columns: tuple[str, ...]
    root: Path
    tree: FolderTree = DISK
    packed: PackedFile | None = None

    @property
    def several(self) -> bool:
        """Whether an image can have several labels."""
        return "labels" in self.columns


@dataclass(frozen=True)
class _Row:
    line: int
    file: str
    labels: tuple[str, ...]
    part: Part | None


def find_label_file(root: Path) -> LabelFile | None:
    """The label file of a folder, or None. Beside class folders, a file of this name with other columns is not read.

    Raises:
        UserError: it cannot be read, its columns are not those of a label file, or there are two.
    """
    found = [file for name in NAMES if (file := _label_file(root.absolute() / name, root.absolute())) is not None]
    if len(found) > 1:
        raise _two_files(root)
    return found[0] if found else None


def find_packed_label_file(root: Path, tree: FolderTree) -> LabelFile | None:
    """The label file of an archive, or None: in its top folder, or in the only folder there.

    Raises:
        UserError: as `find_label_file`.
    """
    inner = tree.class_folders(root)
    for top in (root, root / inner[0]) if len(inner) == 1 else (root,):
        named = [entry for entry in tree.entries(top) if entry.name in NAMES and not entry.is_dir()]
        found = [_label_file(Path(entry.path), root, tree, tree.packed_file(root, entry)) for entry in named]
        known = [file for file in found if file is not None]
        if len(known) > 1:
            raise _two_files(top)
        if known:
            return known[0]
    return None


def list_labelled(file: LabelFile, whole: bool, database: sqlite3.Connection) -> ImageList:
    """List the images that a label file names.

    Args:
        file: the label file.
        whole: list all images as one split, "train", for testing.
        database: an empty one, for the list.

    Raises:
        UserError: a line is wrong; or there are too few images or labels, or a class is in only one split.
    """
    images = LabelledImages(printable(file.path), file.several, database)
    matched = sum(_add(images, row, file) for row in _rows(file))
    kind = "several labels per image" if file.several else "classes"
    left = [name for name in file.columns if name not in ("file", "label", "labels", "split")]
    unread = f"; not read: the columns {names(left)}" if left else ""
    unread += f"; file names in another Unicode form: {matched:,}" if matched else ""
    return images.listed(file.root, whole, f"{kind} from {file.path.name}", unread)


def _two_files(root: Path) -> UserError:
    return UserError(f"{printable(root)} has {' and '.join(NAMES)}: keep one of them")


def _label_file(path: Path, root: Path, tree: FolderTree = DISK, packed: PackedFile | None = None) -> LabelFile | None:
    if packed is None and not path.exists():
        return None
    line, header = next(csv_lines(path, packed), (1, []))
    columns = tuple(name.strip() for name in header)
    if len(set(columns)) == len(columns) and "file" in columns and ("label" in columns) != ("labels" in columns):
        return LabelFile(path, columns, root, tree, packed)
    if tree.class_folders(path.parent):
        return None
    raise UserError(f"{printable(path)}:{line}: has the columns {names(columns) or 'of an empty file'}: {FORM}")


def csv_lines(path: Path, packed: PackedFile | None = None) -> Iterator[tuple[int, list[str]]]:
    """The values of each line that is not empty, with the number of the line.

    Args:
        path: the file.
        packed: where it is in an archive.

    Raises:
        UserError: a line is too long, not UTF-8, or not valid CSV.
    """

    def decoded() -> Iterator[str]:
        with path.open("rb") if packed is None else packed.open() as lines:
            for number, line in enumerate(iter(lambda: lines.readline(_LONGEST_LINE + 1), b""), 1):
                if len(line) > _LONGEST_LINE:
                    raise _wrong(path, number, f"has more than {_LONGEST_LINE:,} bytes")
                try:
                    yield (line.removeprefix(_UTF8_MARK) if number == 1 else line).decode()
                except UnicodeDecodeError:
                    raise _wrong(path, number, "is not UTF-8 text") from None

    reader = csv.reader(decoded(), delimiter="\t" if path.suffix == ".tsv" else ",", strict=True)
    try:
        if packed is None:
            require_regular_file(path)
        for values in reader:
            if values:
                yield reader.line_num, values
    except csv.Error as error:
        raise _wrong(path, reader.line_num, f"is not valid CSV: {error}") from None
    except OSError as error:
        raise read_error(path, error) from None
    except (BadImage, EOFError, zlib.error) as error:
        raise UserError(f"{printable(path)} is damaged: {error}") from None


def _add(images: LabelledImages, row: _Row, file: LabelFile) -> bool:
    """Add an image; returns whether its name is in another Unicode form than the one that the line has."""
    found = file.tree.file_named(file.root, file.path.parent, row.file)
    try:
        images.add(found, row.labels, row.part, row.line)
    except ValueError:
        raise _wrong(file.path, row.line, f"has one label more than {MOST_LABELS:,}, which are too many") from None
    except sqlite3.IntegrityError:
        several = "" if file.several else "; the column `labels` can have several for one file"
        what = f"names {printable(row.file)} again, as line {images.line_of(found.path)}{several}"
        raise _wrong(file.path, row.line, what) from None
    return not found.path.endswith(row.file)


def _rows(file: LabelFile) -> Iterator[_Row]:
    lines = csv_lines(file.path, file.packed)
    next(lines)
    for line, values in lines:
        if len(values) != len(file.columns):
            raise _wrong(file.path, line, f"has {len(values)} values, but line 1 names {len(file.columns)} columns")
        row = dict(zip(file.columns, values, strict=True))
        path = PurePosixPath(row["file"].strip())
        if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in str(path):
            what = f"names the file {printable(row['file'])!r}: expected a path below the folder of the label file"
            raise _wrong(file.path, line, what)
        written = row["labels"].split() if file.several else [row["label"].strip()]
        labels = tuple(map(composed, written))
        if "" in labels or any(len(label) > _LONGEST_NAME for label in labels):
            raise _wrong(file.path, line, f"has a label of no character, or of more than {_LONGEST_NAME}")
        part = part_named(row["split"].strip()) if "split" in row else None
        if part is None and "split" in row:
            raise _wrong(file.path, line, f"has the split {printable(row['split'])!r}: expected train, val or test")
        yield _Row(line, str(path), labels, part)


def _wrong(path: Path, line: int, what: str) -> UserError:
    return UserError(f"{printable(path)}:{line}: this line {what}")
