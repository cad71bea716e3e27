"""The source of a store: a folder of images or a file that holds them, told by its content."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path

from alexc.nearby import FOLDER, nearby
from alexc.printable import printable

from ..errors import UserError
from ..files import read_error, require_regular_file
from .folder_layout import EXPECTED, find_layout
from .folder_tree import DISK, FolderTree
from .image_folder import list_folder, list_whole_folder
from .image_list import ImageList
from .imagenet_archives import ImageNetArchives, find_archives, list_archives
from .label_file import LabelFile, find_label_file, find_packed_label_file, list_labelled
from .packed_file import PackedFile, UnpackedFiles
from .packed_format import Listing
from .packed_source import READ, PackedSource, find_packed, is_archive, packed_source
from .packed_tree import PackedTree
from .scratch_database import scratch_database


class ImageSource:
    """A source of images, which is listed when the list is needed.

    Args:
        root: the folder or file.
        whole: take all images of a folder of class folders, for testing; nothing is held out.
        archives: ImageNet's archives, if the folder contains them.
        labels: its label file, if it has one.
        database: an empty one, for the list.
        unpacked: takes files that cannot be read in place.

    Attributes:
        root: absolute path of the folder or file.
    """

    def __init__(
        self,
        root: Path,
        whole: bool,
        archives: ImageNetArchives | None,
        labels: LabelFile | None,
        database: sqlite3.Connection,
        unpacked: UnpackedFiles,
    ) -> None:
        self.root, self.whole = root.absolute(), whole
        self._archives, self._labels, self._database, self._unpacked = archives, labels, database, unpacked

    @cached_property
    def images(self) -> ImageList:
        """The list of the images.

        Raises:
            UserError: the folder has no usable layout, a file is damaged, or its parts do not belong together.
        """
        if self._labels is not None:
            return list_labelled(self._labels, self.whole, self._database)
        if self._archives is not None:
            return list_archives(self._archives, self._database)
        tree, packed = self._opened
        if self._packed_labels is not None:
            return list_labelled(self._packed_labels, self.whole, self._database)
        if packed is not None:
            listing = Listing(self.root, self.whole, self._database, self._unpacked, packed.beside, packed.unread)
            return packed.format.listed(packed.files, listing)
        images = (list_whole_folder if self.whole else list_folder)(self.root, self._database, tree)
        if isinstance(tree, PackedTree):
            images.layout = f"the folders in {printable(self.root.name)}: {images.layout}"
            images.ignored += tree.ignored
        return images

    @cached_property
    def fingerprint(self) -> str:
        """A hash that changes when the source changes.

        For a folder it covers every file's name, size and time. For files that hold many images it covers only those
        files, because listing their content can take minutes. With a label file, it also covers the names of the
        labels.
        """
        if self._labels is not None:
            return _hash(f"{self.images.fingerprint()}{self.images.classes}")
        if self._archives is not None:
            return _hash(repr(self._archives.state()))
        if not self.root.is_dir():
            file = _file(self.root)
            return _hash(repr((file.size, file.mtime)))
        return self.images.fingerprint() if self._packed is None else _hash(repr(self._packed.state()))

    @property
    def has_training(self) -> bool:
        """Whether the source says which images are for training, by the names of its folders or files."""
        if self._labels is not None or self._archives is not None:
            return True
        tree, packed = self._opened
        if self._packed_labels is not None:
            return True
        return find_layout(self.root, tree).holds_out if packed is None else packed.has_training

    @cached_property
    def _opened(self) -> tuple[FolderTree, PackedSource | None]:
        return (DISK, self._packed) if self.root.is_dir() else self._content()

    @cached_property
    def _packed_labels(self) -> LabelFile | None:
        """The label file in an archive."""
        tree, _ = self._opened
        return find_packed_label_file(self.root, tree) if isinstance(tree, PackedTree) else None

    @cached_property
    def _packed(self) -> PackedSource | None:
        """The files in the folder that hold many images."""
        return find_packed(DISK, self.root, self._unpacked)

    def _content(self) -> tuple[FolderTree, PackedSource | None]:
        """What the file `root` holds: the folders of an archive, or images."""
        file = _file(self.root)
        packed = packed_source([file], self.root, self._unpacked)
        if packed is not None:
            return DISK, packed
        if not is_archive(file):
            raise UserError(f"{printable(self.root)} is not a folder: {EXPECTED}; and no file that is read: {READ}")
        plain = self._unpacked.plain(file)
        packed = packed_source([plain], self.root, self._unpacked)
        if packed is not None:
            return DISK, packed
        tree = PackedTree(self.root, plain, self._database)
        return tree, find_packed(tree, self.root, self._unpacked)


def has_folders_of_classes(root: Path) -> bool:
    """Whether the folders below `root` say the classes of the images: nothing else in it does.

    Raises:
        UserError: as `open_source`.
    """
    if find_archives(root) is not None or find_label_file(root) is not None:
        return False
    with ExitStack() as stack:
        return find_packed(DISK, root.absolute(), UnpackedFiles(stack)) is None


@contextmanager
def open_source(root: Path, whole: bool = False) -> Iterator[ImageSource]:
    """Detect what a folder or file contains.

    Args:
        root: the folder or file.
        whole: take all images of a folder of class folders, for testing; nothing is held out.

    Raises:
        UserError: one of ImageNet's archives is missing, `whole` is asked of archives, or a label file is wrong.
    """
    archives = find_archives(root)
    if whole and archives is not None:
        raise UserError(f"{printable(root)} has ImageNet's archives: leave --whole out, their splits are known")
    with scratch_database() as database, ExitStack() as stack:
        labels = None if archives else find_label_file(root)
        yield ImageSource(root, whole, archives, labels, database, UnpackedFiles(stack))


def _file(root: Path) -> PackedFile:
    """The source itself, which is a file; its path in the source is empty, as `SourceFile.archive` has it."""
    try:
        require_regular_file(root)
        status = root.stat()
    except FileNotFoundError:
        there = nearby(root, FOLDER, ".zip", ".tar", ".tgz", ".gz", ".parquet")
        raise UserError(f"{printable(root)} is not a folder: {EXPECTED}{there}") from None
    except OSError as error:
        raise read_error(root, error) from None
    return PackedFile(root.name, root, "", status.st_mtime_ns, 0, status.st_size)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
