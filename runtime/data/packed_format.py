"""What the readers of files that hold many images have in common."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from alexc.printable import printable

from ..progress import Progress
from .folder_layout import Part, names, part_of
from .image_list import ImageList
from .labelled_images import LabelledImages
from .packed_file import PackedFile, UnpackedFiles


@dataclass(frozen=True)
class Listing:
    """What a reader needs besides the files.

    Attributes:
        root: absolute path of the source.
        whole: list all images as one split, for testing.
        database: for the list.
        unpacked: takes files that cannot be read in place.
        beside: every file in the folder of the files.
        unread: the end of the report's line: which of these files are not read.
    """

    root: Path
    whole: bool
    database: sqlite3.Connection
    unpacked: UnpackedFiles
    beside: Sequence[PackedFile] = ()
    unread: str = ""

    def in_turn(self, files: Sequence[PackedFile]) -> Iterator[tuple[PackedFile, Part | None]]:
        """Each file with its split, while the progress is shown."""
        with Progress(f"list {printable(self.root.name)}", len(files), "files") as progress:
            for file, part in zip(files, parts_of(files), strict=True):
                yield file, part
                progress.advance()

    def labelled(self, several: bool = False) -> LabelledImages:
        """An empty list of images with labels."""
        return LabelledImages(printable(self.root), several, self.database)

    def listed(
        self,
        images: LabelledImages,
        kind: str,
        files: Sequence[PackedFile],
        classes: Sequence[str] | None = None,
        by_place: bool = False,
    ) -> ImageList:
        """The list of the images that a reader has added.

        Args:
            images: the images.
            kind: what the files are, for the report, such as "idx files".
            files: the files that were read.
            classes: as `LabelledImages.listed` has them.
            by_place: as `ImageList.sort` has it.

        Raises:
            UserError: as `LabelledImages.listed`.
        """
        read = f"{kind} {names(file.path for file in files)}"
        return images.listed(self.root, self.whole, read, self.unread, classes, by_place)


@dataclass(frozen=True)
class PackedFormat:
    """A format of files that hold many images.

    Attributes:
        name: what the files are, in the plural.
        matches: whether a file has this format, by its content.
        listed: the list of the images in files of this format; raises UserError.
        beside: the names of further files that are read.
    """

    name: str
    matches: Callable[[PackedFile, UnpackedFiles], bool]
    listed: Callable[[Sequence[PackedFile], Listing], ImageList]
    beside: tuple[str, ...] = ()


def parts_of(files: Sequence[PackedFile]) -> list[Part | None]:
    """The split of each file, by its name; where some files name one, the others are for training."""
    parts: list[Part | None] = [part_of(file.path) for file in files]
    rest: Part | None = "train" if any(parts) else None
    return [part or rest for part in parts]
