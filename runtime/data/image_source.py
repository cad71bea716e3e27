"""What a store is made from: a folder of images, or the archives in which ImageNet is distributed."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from .image_folder import list_folder
from .image_list import ImageList
from .imagenet_archives import ImageNetArchives, find_archives, list_archives
from .scratch_database import scratch_database


class ImageSource:
    """A source of images, listed when that is asked for.

    Args:
        root: the folder.
        archives: ImageNet's, where they are what lies in it.
        database: an empty one, for the list.

    Attributes:
        root: absolute path of the folder.
    """

    def __init__(self, root: Path, archives: ImageNetArchives | None, database: sqlite3.Connection) -> None:
        self.root = root.absolute()
        self._archives, self._database = archives, database

    @cached_property
    def images(self) -> ImageList:
        """The list of the images.

        Raises:
            UserError: when the folder has no usable layout, or the archives do not fit each other.
        """
        if self._archives is None:
            return list_folder(self.root, self._database)
        return list_archives(self._archives, self._database)

    @cached_property
    def fingerprint(self) -> str:
        """Differs as soon as something changes in the source.

        Of a folder it is a hash of every file's name, size and time; of archives of their own, since to list their
        content takes minutes.
        """
        if self._archives is None:
            return self.images.fingerprint()
        return hashlib.sha256(repr(self._archives.state()).encode()).hexdigest()


@contextmanager
def open_source(root: Path) -> Iterator[ImageSource]:
    """Look what lies in a folder.

    Raises:
        UserError: when one of ImageNet's archives is missing.
    """
    with scratch_database() as database:
        yield ImageSource(root, find_archives(root), database)
