"""The folders in a zip or tar file, listed on disk: memory does not grow with the number of files."""

from __future__ import annotations

import os
import sqlite3
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from alexc.printable import printable

from ..files import require_regular_file
from ..progress import Progress
from .folder_names import path_in_its_form
from .folder_tree import Entry, FolderTree, with_slashes
from .image_list import SourceFile
from .memory_limit import memory_limit
from .packed_file import PackedFile
from .packed_image import STORED
from .tar_file import reading, tar_members

_LARGEST_DIRECTORY = 4_000_000_000  # bytes of memory for the list of a zip file: some millions of files
_MOST_FOLDERS = 64  # one in the other
_LONGEST_PATH = 4096  # bytes, as on disk


@dataclass(frozen=True, slots=True)
class _PackedEntry:
    name: str
    path: str
    offset: int
    size: int
    form: str

    def is_dir(self) -> bool:
        return self.offset < 0


class PackedTree(FolderTree):
    """The folders in an archive, whose paths are below that of the archive.

    Args:
        root: absolute path of the source, the archive as the user knows it.
        archive: the zip or tar file itself, not compressed as a whole.
        database: for the list.

    Raises:
        UserError: the archive is damaged.
    """

    def __init__(self, root: Path, archive: PackedFile, database: sqlite3.Connection) -> None:
        self._root, self._archive, self._database = root, archive, database
        database.execute("CREATE TABLE packed (folder, name, offset, size, form, PRIMARY KEY (folder, name))")
        self.ignored = 0
        self._last: list[str] = []
        with Progress(f"list {printable(root.name)}", archive.size >> 20, "MB") as progress:
            self._list(archive, progress)

    def _list(self, archive: PackedFile, progress: Progress) -> None:
        passed = 0
        for path, offset, size, form in _members(archive):
            progress.advance(max(0, (offset >> 20) - passed))
            passed = max(passed, offset >> 20)
            parts = [part for part in PurePosixPath(path).parts if part != "/"]
            if ".." in parts or not 0 < len(parts) <= _MOST_FOLDERS or len(os.fsencode(path)) > _LONGEST_PATH:
                self.ignored += 1
                continue
            *folders, name = parts
            self._add_folders(folders)
            self._add("/".join(folders), name, offset, size, form)

    def entries(self, folder: Path) -> Iterator[Entry]:
        """What a folder contains."""
        query = "SELECT name, offset, size, form FROM packed WHERE folder = ?"
        key = "" if folder == self._root else folder.relative_to(self._root).as_posix()
        for name, *place in self._database.execute(query, (os.fsencode(key),)):
            shown = os.fsdecode(name)
            yield _PackedEntry(shown, os.path.join(folder, shown), *place)  # noqa: PTH118 - called a million times

    def is_tree(self, root: Path) -> bool:
        """Whether `root` is a folder: it is the archive."""
        return root == self._root

    def identity(self, folder: Path) -> tuple[object, ...]:
        """What is the same for two paths of one folder; there are no links."""
        return (folder,)

    def source_file(self, entry: Entry, above: int, label: int) -> SourceFile:
        """A file of a class; its path is that of the entry without the first `above` characters."""
        assert isinstance(entry, _PackedEntry)
        place = self._archive
        return SourceFile(
            with_slashes(entry.path[above:]),
            label,
            entry.size,
            place.mtime,
            place.archive,
            entry.offset,
            form=entry.form,
        )

    def file_named(self, root: Path, top: Path, name: str) -> SourceFile:
        """The file `name` below the folder `top`."""
        path = path_in_its_form((top / name).relative_to(root).as_posix(), self._has)
        folder, _, last = path.rpartition("/")
        found = self._find(folder, last, folders=False)
        if found is None:
            return SourceFile(path, 0, 0, 0, "", form="unusable cannot be read: it is not in the archive")
        offset, size, form = found
        return SourceFile(path, 0, size, self._archive.mtime, self._archive.archive, offset, form=form)

    def _has(self, path: str) -> bool:
        folder, _, last = path.rpartition("/")
        return any(self._find(folder, last, folders) is not None for folders in (False, True))

    def packed_file(self, root: Path, entry: Entry) -> PackedFile:
        """A file in the archive."""
        assert isinstance(entry, _PackedEntry)
        path = Path(entry.path).relative_to(root).as_posix()
        place = self._archive
        return PackedFile(path, place.disk, place.archive, place.mtime, entry.offset, entry.size, entry.form)

    def _add_folders(self, folders: list[str]) -> None:
        if folders != self._last:  # most files are in the folder of the file before them
            for depth, name in enumerate(folders):
                self._add("/".join(folders[:depth]), name, -1, 0, STORED)
            self._last = folders

    def _add(self, folder: str, name: str, offset: int, size: int, form: str) -> None:
        """Add a file or folder. Of two files with one name the later one counts, as for programs that unpack."""
        if offset >= 0 and self._find(folder, name, folders=True) is not None:
            self.ignored += 1
            return
        row = (os.fsencode(folder), os.fsencode(name), offset, size, form)
        self._database.execute("INSERT OR REPLACE INTO packed VALUES (?, ?, ?, ?, ?)", row)

    def _find(self, folder: str, name: str, folders: bool) -> tuple[int, int, str] | None:
        """Offset, size and form of a file, or of a folder."""
        query = "SELECT offset, size, form FROM packed WHERE folder = ? AND name = ? AND (offset < 0) = ?"
        row = (os.fsencode(folder), os.fsencode(name), folders)
        found: tuple[int, int, str] | None = self._database.execute(query, row).fetchone()
        return found


def _members(archive: PackedFile) -> Iterable[tuple[str, int, int, str]]:
    """Path, offset, size and form of each file in a zip or tar file."""
    if not archive.head.startswith(b"PK"):
        return ((path, offset, size, STORED) for path, offset, size in tar_members(archive.disk))
    return _zip_members(archive.disk)


def _zip_members(path: Path) -> Iterator[tuple[str, int, int, str]]:
    with reading(path, "zip file"):
        require_regular_file(path)
        with memory_limit(_LARGEST_DIRECTORY), zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    for entry in entries:
        if not entry.filename.endswith("/"):
            form = f"zipped {entry.compress_type} {entry.file_size} {entry.CRC}"
            yield entry.filename, entry.header_offset, entry.compress_size, form
