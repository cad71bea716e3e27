"""The folders and files of a source: on disk, or in a zip or tar file that is read as if it were a folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from ..files import read_error
from .decode import KNOWN_ENDINGS
from .folder_names import is_of_a_system, path_in_its_form
from .image_list import SourceFile
from .packed_file import PackedFile


class Entry(Protocol):
    """A file or folder in a folder: what `os.DirEntry` and `packed_tree` have in common."""

    @property
    def name(self) -> str:
        """Its last part."""
        ...

    @property
    def path(self) -> str:
        """Its absolute path; in a zip or tar file, below the path of that file."""
        ...

    def is_dir(self) -> bool:
        """Whether it is a folder."""
        ...


class FolderTree:
    """The folders of a disk."""

    def entries(self, folder: Path) -> Iterator[Entry]:
        """What a folder contains.

        Raises:
            UserError: it cannot be read.
        """
        try:
            with os.scandir(folder) as found:
                yield from found
        except OSError as error:
            raise read_error(folder, error) from None

    def is_tree(self, root: Path) -> bool:
        """Whether `root` is a folder."""
        return root.is_dir()

    def identity(self, folder: Path) -> tuple[object, ...]:
        """What is the same for two paths of one folder.

        Raises:
            UserError: it cannot be read.
        """
        try:
            status = folder.stat()
        except OSError as error:
            raise read_error(folder, error) from None
        return status.st_dev, status.st_ino

    def source_file(self, entry: Entry, above: int, label: int) -> SourceFile:
        """A file of a class; its path is that of the entry without the first `above` characters."""
        path = with_slashes(entry.path[above:])  # called a million times: creating a Path each time would take seconds
        try:
            status = os.stat(entry.path)  # noqa: PTH116 - the same
        except OSError:  # a broken link: reading it later reports it by name
            return SourceFile(path, label, -1, 0)
        return SourceFile(path, label, status.st_size, status.st_mtime_ns)

    def file_named(self, root: Path, top: Path, name: str) -> SourceFile:
        """The file `name` below the folder `top` of the source `root`; its path is relative to the source."""
        assert root == top
        name = with_slashes(name)
        name = path_in_its_form(name, lambda path: _exists(os.path.join(top, path)))  # noqa: PTH118 - as below
        try:
            status = os.stat(os.path.join(top, name))  # noqa: PTH116, PTH118 - a million names: a Path takes seconds
        except (OSError, ValueError):  # it is reported by name when it is read
            return SourceFile(name, 0, -1, 0)
        return SourceFile(name, 0, status.st_size, status.st_mtime_ns)

    def packed_file(self, root: Path, entry: Entry) -> PackedFile | None:
        """A file of the source `root` that may hold many images; None if it is not a file, or cannot be read."""
        path = Path(entry.path)
        try:
            status = path.stat()
        except OSError:
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        shown = path.relative_to(root).as_posix()
        return PackedFile(shown, path, shown, status.st_mtime_ns, 0, status.st_size)

    def class_folders(self, top: Path) -> list[str]:
        """The names of the folders in a folder, sorted, without hidden ones and those of systems."""
        found = (entry.name for entry in self.entries(top) if is_folder(entry))
        return sorted(name for name in found if not name.startswith(".") and not is_of_a_system(name))

    def holds_images(self, folder: Path) -> bool:
        """Whether files in the folder itself have the names of images."""
        return any(ending(entry.name) in KNOWN_ENDINGS and not is_folder(entry) for entry in self.entries(folder))


DISK = FolderTree()


def _exists(path: str) -> bool:
    try:
        os.lstat(path)
    except (OSError, ValueError):
        return False
    return True


def is_folder(entry: Entry) -> bool:
    """Whether an entry is a folder; a link to itself, which leads nowhere, is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def with_slashes(path: str) -> str:
    """The path with `/` between its parts, as a store has it on every system."""
    return path if os.sep == "/" else path.replace(os.sep, "/")


def ending(name: str) -> str:
    """The ending of a file name, in lower case, such as ".jpg"."""
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - a million names: a Path for each would cost seconds
