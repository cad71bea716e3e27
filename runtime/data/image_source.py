"""The source of a store: a folder of images, with or without a label file, or ImageNet's archives."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from alexc.printable import printable

from ..errors import UserError
from .image_folder import list_folder, list_whole_folder
from .image_list import ImageList
from .imagenet_archives import ImageNetArchives, find_archives, list_archives
from .label_file import LabelFile, find_label_file, list_labelled
from .scratch_database import scratch_database


class ImageSource:
    """A source of images, which is listed when the list is needed.

    Args:
        root: the folder.
        whole: take all images of a folder of class folders, for testing; nothing is held out.
        archives: ImageNet's archives, if the folder contains them.
        labels: its label file, if it has one.
        database: an empty one, for the list.

    Attributes:
        root: absolute path of the folder.
    """

    def __init__(
        self,
        root: Path,
        whole: bool,
        archives: ImageNetArchives | None,
        labels: LabelFile | None,
        database: sqlite3.Connection,
    ) -> None:
        self.root, self.whole = root.absolute(), whole
        self._archives, self._labels, self._database = archives, labels, database

    @cached_property
    def images(self) -> ImageList:
        """The list of the images.

        Raises:
            UserError: the folder has no usable layout, its label file is wrong, or the archives do not belong together.
        """
        if self._labels is not None:
            return list_labelled(self._labels, self.whole, self._database)
        if self._archives is None:
            return (list_whole_folder if self.whole else list_folder)(self.root, self._database)
        return list_archives(self._archives, self._database)

    @cached_property
    def fingerprint(self) -> str:
        """A hash that changes when the source changes.

        For a folder it covers every file's name, size and time. For archives it covers only those of the archives,
        because listing their content takes minutes. With a label file, it also covers the names of the labels.
        """
        if self._labels is not None:
            said = f"{self.images.fingerprint()}{self.images.classes}"
            return hashlib.sha256(said.encode("utf-8", "surrogateescape")).hexdigest()
        if self._archives is None:
            return self.images.fingerprint()
        return hashlib.sha256(repr(self._archives.state()).encode()).hexdigest()


def has_folders_of_classes(root: Path) -> bool:
    """Whether the folders below `root` say the classes of the images: it has no label file and no archives.

    Raises:
        UserError: as `open_source`.
    """
    return find_archives(root) is None and find_label_file(root) is None


@contextmanager
def open_source(root: Path, whole: bool = False) -> Iterator[ImageSource]:
    """Detect what a folder contains.

    Args:
        root: the folder.
        whole: take all images of a folder of class folders, for testing; nothing is held out.

    Raises:
        UserError: one of ImageNet's archives is missing, `whole` is asked of archives, or a label file is wrong.
    """
    archives = find_archives(root)
    if whole and archives is not None:
        raise UserError(f"{printable(root)} has ImageNet's archives: leave --whole out, their splits are known")
    with scratch_database() as database:
        yield ImageSource(root, whole, archives, None if archives else find_label_file(root), database)
