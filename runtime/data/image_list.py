"""The list of a source's images, in order, on disk: memory does not grow with their number."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .decode import read_file
from .packed_image import STORED, packed_image
from .store import SPLITS, SplitName

_VALIDATION_SHARE = 5  # one in five
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that may be an image.

    Attributes:
        path: relative to the source folder, with `/`; for a file in an archive, below the archive's name.
        label: the class index; 0 where an image can have several.
        size: bytes; -1 if the file cannot be accessed, such as a broken link.
        mtime: the time of the last change, ns; for a file in an archive, that of the archive.
        archive: the file that contains it, relative to the source folder; None for an ordinary file. It is empty where
            the source is this file, and an absolute path where its content was unpacked.
        offset: the position of its bytes in the archive.
        labels: the class indices, in order, where an image can have several; else None.
        form: how the archive holds the image: a form of `packed_image`.
    """

    path: str
    label: int
    size: int
    mtime: int
    archive: str | None = None
    offset: int = 0
    labels: tuple[int, ...] | None = None
    form: str = STORED

    def read(self, root: Path) -> bytes:
        """The bytes of the file, which is below `root`.

        Raises:
            BadImage: it cannot be read, is damaged, or is too large.
        """
        if self.archive is None:
            return read_file(root / self.path)
        return packed_image(root / self.archive, self.offset, self.size, self.form)


class ImageList:
    """The images of a source: filled by `add`, then sorted, then read.

    Args:
        database: holds the list and nothing else.
        root: absolute path of the source folder.
        classes: class names; a label is an index into this tuple.
        several_labels: whether a file can have several labels, or none.
    """

    def __init__(
        self, database: sqlite3.Connection, root: Path, classes: tuple[str, ...], several_labels: bool = False
    ) -> None:
        self.root, self.classes, self.several_labels = root, classes, several_labels
        self.layout = ""
        self.ignored = 0
        self._database = database
        self._starts: dict[SplitName, int] = {}
        self._counts: dict[SplitName, int] = {}
        database.execute("CREATE TABLE found (split, label, path, size, mtime, archive, offset, labels, form)")

    def __len__(self) -> int:
        return sum(self._counts.values())

    def add(self, split: SplitName, file: SourceFile) -> None:
        """Add a file, in any order."""
        # Bytes: a path need not be UTF-8, and bytes are sorted as their code points are.
        row = (
            SPLITS.index(split),
            file.label,
            os.fsencode(file.path),
            file.size,
            file.mtime,
            file.archive,
            file.offset,
            None if file.labels is None else json.dumps(file.labels),
            file.form,
        )
        self._database.execute("INSERT INTO found VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def added(self, split: SplitName) -> int:
        """The number of files of a split so far."""
        query = "SELECT COUNT(*) FROM found WHERE split = ?"
        return int(self._database.execute(query, (SPLITS.index(split),)).fetchone()[0])

    def lone_class(self) -> int | None:
        """The label of a class with fewer than two files; None if there is none."""
        query = "SELECT label FROM found GROUP BY label HAVING COUNT(*) < 2"
        row = self._database.execute(query).fetchone()
        return None if row is None else int(row[0])

    def class_in_one_split(self) -> int | None:
        """The label of a class that has files in only one split; None if there is none."""
        query = "SELECT label FROM found GROUP BY label HAVING COUNT(DISTINCT split) < 2 ORDER BY label"
        row = self._database.execute(query).fetchone()
        return None if row is None else int(row[0])

    def hold_out(self) -> None:
        """Make a fifth of each class, at least one file, the validation split, by the hash of the path."""
        self._database.create_function("sha256", 1, lambda path: hashlib.sha256(path).digest(), deterministic=True)
        self._database.execute(
            """
            UPDATE found SET split = 1 WHERE rowid IN (
                SELECT file FROM (
                    SELECT rowid AS file,
                           ROW_NUMBER() OVER (PARTITION BY label ORDER BY sha256(path)) AS place,
                           COUNT(*) OVER (PARTITION BY label) AS files
                    FROM found
                ) WHERE place <= MAX(1, files / ?)
            )
            """,
            (_VALIDATION_SHARE,),
        )

    def sort(self, layout: str, ignored: int, by_place: bool = False) -> None:
        """Sort the list after the last `add`.

        Args:
            layout: how the source was read, a sentence for the report.
            ignored: the number of files that are clearly not images.
            by_place: sort by archive and position instead of class and path, so that archives are read in order.
        """
        self.layout, self.ignored = layout, ignored
        order = "archive, offset" if by_place else "label, path"
        self._database.execute(f"CREATE TABLE listed AS SELECT * FROM found ORDER BY split, {order}")  # noqa: S608
        self._database.execute("DROP TABLE found")
        start = 1  # SQLite numbers the rows of this table from 1, in their order
        for number, split in enumerate(SPLITS):
            query = "SELECT COUNT(*) FROM listed WHERE split = ?"
            self._starts[split] = start
            self._counts[split] = self._database.execute(query, (number,)).fetchone()[0]
            start += self._counts[split]

    def count(self, split: SplitName) -> int:
        """The number of files of a split."""
        return self._counts[split]

    def files(self, split: SplitName, start: int, stop: int) -> tuple[SourceFile, ...]:
        """The files of a split from index `start` up to `stop`."""
        first = self._starts[split]
        query = "SELECT * FROM listed WHERE rowid >= ? AND rowid < ? ORDER BY rowid"
        end = first + min(stop, self._counts[split])
        return tuple(_file(row) for row in self._database.execute(query, (first + start, end)))

    def spread(self, most: int) -> tuple[SourceFile, ...]:
        """At most `most` files, evenly spaced over the whole list."""
        step = max(1, len(self) // most)
        query = "SELECT * FROM listed WHERE (rowid - 1) % ? = 0 ORDER BY rowid LIMIT ?"
        return tuple(_file(row) for row in self._database.execute(query, (step, most)))

    def fingerprint(self) -> str:
        """SHA-256 of every file's split, path, class, size and time."""
        digest = hashlib.sha256()
        for split in SPLITS:
            for file in self._all(split):
                label = file.label if file.labels is None else file.labels
                entry = f"{split}\0{file.path}\0{label}\0{file.size}\0{file.mtime}\0"
                digest.update(entry.encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def _all(self, split: SplitName) -> Iterator[SourceFile]:
        for start in range(0, self.count(split), _ROWS_AT_ONCE):
            yield from self.files(split, start, start + _ROWS_AT_ONCE)


def _file(row: tuple[int, int, bytes, int, int, str | None, int, str | None, str]) -> SourceFile:
    _, label, path, size, mtime, archive, offset, labels, form = row
    several = None if labels is None else tuple(json.loads(labels))
    return SourceFile(os.fsdecode(path), label, size, mtime, archive, offset, several, form)
