"""Finds out which files of a source hold many images, by their content, and in which format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from alexc import git_lfs
from alexc.printable import printable

from ..errors import UserError
from .cifar_batches import CIFAR_BINARY, CIFAR_PYTHON
from .decode import KNOWN_ENDINGS
from .folder_layout import is_ignored, names, part_of
from .folder_tree import FolderTree, ending, is_folder
from .idx_files import IDX
from .packed_file import PackedFile, UnpackedFiles
from .packed_format import PackedFormat, parts_of
from .parquet_files import PARQUET
from .webdataset import WEBDATASET, is_tar

FORMATS = (IDX, PARQUET, CIFAR_PYTHON, WEBDATASET, CIFAR_BINARY)
READ = "a zip or tar file of a folder; " + "; ".join(format.name for format in FORMATS)
_MOST_FILES = 20_000  # of a folder; one with more holds images
_DEEPEST = 4  # folders, one in the other


@dataclass(frozen=True)
class PackedSource:
    """The files of a source that hold many images, their format, and all files of their folder."""

    format: PackedFormat
    files: Sequence[PackedFile]
    beside: Sequence[PackedFile]

    def state(self) -> list[tuple[str, int, int]]:
        """Path, size and time of each file that is read, which change when a file changes."""
        read = [*self.files, *(file for file in self.beside if file.name in self.format.beside)]
        return [(file.path, file.size, file.mtime) for file in read]

    @property
    def has_training(self) -> bool:
        """Whether files are named as those of a training split."""
        return "train" in parts_of(self.files)

    @property
    def unread(self) -> str:
        """The end of the report's line: which files beside are not read, but for texts."""
        read = {file.path for file in self.files}
        left = [file.path for file in self.beside if file.path not in read and file.name not in self.format.beside]
        left = [path for path in left if not is_ignored(path.rpartition("/")[2])]
        return f"; not read: {names(left)}" if left else ""


def find_packed(tree: FolderTree, root: Path, unpacked: UnpackedFiles) -> PackedSource | None:
    """The files that hold many images in a folder, or in the only folder or the splits in it; None if there are none.

    Args:
        tree: the tree of the folder.
        root: absolute path of the folder.
        unpacked: takes files that cannot be read in place.

    Raises:
        UserError: files have different formats or are pointers of Git LFS, or an archive should be named itself.
    """
    folders = [root]
    for _ in range(_DEEPEST):
        beside = sorted(_files(tree, root, folders), key=lambda file: file.path)
        found = packed_source(beside, root, unpacked)
        pointers = [file.path for file in beside if file.head.startswith(git_lfs.START)]
        if (found is not None or pointers) and not _holds_images(tree, folders):
            if pointers:
                raise UserError(f"{printable(root)}: {names(pointers)}: {git_lfs.IS_POINTER}")
            return found
        inner = [folder / name for folder in folders for name in tree.class_folders(folder)]
        if len(inner) != 1 and not (inner and all(part_of(folder.name) for folder in inner)):
            _refuse_archives(beside, root, holds_folders=bool(inner))
            return None
        folders = inner
    return None


def packed_source(beside: Sequence[PackedFile], root: Path, unpacked: UnpackedFiles) -> PackedSource | None:
    """The files among `beside` that hold many images.

    Raises:
        UserError: files have different formats.
    """
    found: dict[str, tuple[PackedFormat, list[PackedFile]]] = {}
    for file in beside:
        format = next((format for format in FORMATS if format.matches(file, unpacked)), None)
        if format is not None:
            found.setdefault(format.name, (format, []))[1].append(file)
    if len(found) > 1:
        said = "; ".join(f"{name}: {names(file.path for file in files)}" for name, (_, files) in found.items())
        raise UserError(f"{printable(root)} has files of several formats, {said}: keep those of one format")
    return next((PackedSource(format, files, beside) for format, files in found.values()), None)


def is_archive(file: PackedFile) -> bool:
    """Whether a file is a zip or tar file, compressed or not."""
    return file.head.startswith(b"PK\3\4") or is_tar(file)


def _files(tree: FolderTree, root: Path, folders: Sequence[Path]) -> list[PackedFile]:
    """The files in folders that may hold many images."""
    entries = [entry for folder in folders for entry in islice(tree.entries(folder), _MOST_FILES)]
    if len(entries) >= _MOST_FILES:
        return []
    likely = [
        entry
        for entry in entries
        if not entry.name.startswith(".") and ending(entry.name) not in KNOWN_ENDINGS and not is_folder(entry)
    ]
    return [file for entry in likely if (file := tree.packed_file(root, entry)) is not None]


def _holds_images(tree: FolderTree, folders: Sequence[Path]) -> bool:
    """Whether folders in some folders hold images, or folders of images: then a file beside them is not the source."""
    inner = [folder / name for folder in folders for name in tree.class_folders(folder)]
    splits = [folder / name for folder in inner if part_of(folder.name) for name in tree.class_folders(folder)]
    return any(tree.holds_images(folder) for folder in (*inner, *splits))


def _refuse_archives(files: Sequence[PackedFile], root: Path, holds_folders: bool) -> None:
    """Tell what to do with archives where nothing else is."""
    archives = [] if holds_folders else [file.path for file in files if is_archive(file)]
    if archives:
        one = "this file itself, or unpack it" if len(archives) == 1 else "one of these files, or unpack them"
        raise UserError(f"{printable(root)} holds {names(archives)}: name {one}")
