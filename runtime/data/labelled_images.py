"""Makes the list of images out of what a source yields of each: its place, its labels, and its split.

Every source but folders of classes and ImageNet's archives is read this way. So they hold out images, name splits and
check classes in the same way.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from alexc.printable import printable

from ..errors import UserError
from .folder_layout import Part
from .image_list import ImageList, SourceFile

MOST_LABELS = 100_000
Label = str | int


class LabelledImages:
    """The images of a source, before its classes are known.

    Args:
        shown: the name of the source for messages, safe to print.
        several: whether an image can have several labels, or none.
        database: for the images.
    """

    def __init__(self, shown: str, several: bool, database: sqlite3.Connection) -> None:
        self._shown, self._several, self._database = shown, several, database
        self._known: dict[Label, int] = {}  # each label with the number that the table has for it
        database.execute(
            "CREATE TABLE named (path BLOB PRIMARY KEY, part, labels, size, mtime, archive, offset, form, line)"
        )

    def add(self, file: SourceFile, labels: Sequence[Label], part: Part | None, line: int = 0) -> None:
        """Add an image; its labels in `file` do not count. An unusable one has no label.

        Args:
            file: its place.
            labels: its labels, one if it cannot have several.
            part: its split, if the source names one.
            line: where the source names it, for `line_of`.

        Raises:
            ValueError: there are over `MOST_LABELS` labels.
            sqlite3.IntegrityError: there is an image of this path already.
        """
        numbers = {self._known.setdefault(label, len(self._known)) for label in labels}
        if len(self._known) > MOST_LABELS:
            raise ValueError
        place = (file.size, file.mtime, file.archive, file.offset, file.form, line)
        row = (os.fsencode(file.path), part, json.dumps(sorted(numbers)), *place)
        self._database.execute("INSERT INTO named VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def line_of(self, path: str) -> int:
        """The line of an image."""
        ((line,),) = self._database.execute("SELECT line FROM named WHERE path = ?", (os.fsencode(path),))
        return int(line)

    def listed(
        self,
        root: Path,
        whole: bool,
        read: str,
        unread: str = "",
        classes: Sequence[str] | None = None,
        by_place: bool = False,
    ) -> ImageList:
        """The list of the images that are in a split.

        Args:
            root: absolute path of the source.
            whole: list all images as one split, "train", for testing.
            read: what was read, the begin of the sentence about it.
            unread: what was not read, the end of it.
            classes: the names of all labels that are numbers, from 0 on; by default the names are the labels.
            by_place: as `ImageList.sort` has it.

        Raises:
            UserError: there are too few images or labels, or a class is in only one split.
        """
        ordered = self._ordered(whole) if classes is None else list(range(len(classes)))
        parts = {part for (part,) in self._database.execute("SELECT DISTINCT part FROM named")}
        validation: Part | None = None if whole else "val" if "val" in parts else "test" if "test" in parts else None
        if not whole and parts != {None} and "train" not in parts:
            raise UserError(
                f"{self._shown} names no image of the split train: training needs some; --whole takes all for testing"
            )
        number = {label: place for place, label in enumerate(ordered)}
        images = ImageList(self._database, root, tuple(classes or map(str, ordered)), self._several)
        self._fill(images, [number.get(label) for label in self._known], whole, validation)
        if not whole:
            self._split(images, validation)
        images.sort(read + _splits_text(whole, parts, validation, unread), 0, by_place)
        self._database.execute("DROP TABLE named")
        return images

    def _ordered(self, whole: bool) -> list[Label]:
        """The labels in the order of their class indices."""
        least = 1 if self._several or whole else 2
        if len(self._known) < least:
            expected = "at least one label" if least == 1 else "at least two classes"
            raise UserError(f"{self._shown} names {len(self._known)} labels: expected {expected}")
        numbers = sorted(label for label in self._known if isinstance(label, int))
        return [*numbers, *sorted(label for label in self._known if isinstance(label, str))]

    def _fill(self, images: ImageList, places: list[int | None], whole: bool, validation: Part | None) -> None:
        query = "SELECT path, part, labels, size, mtime, archive, offset, form FROM named"
        for path, part, written, size, mtime, archive, offset, form in self._database.execute(query):
            if whole or part in (None, "train", validation):
                named = [places[each] for each in json.loads(written)]
                labels = tuple(sorted(label for label in named if label is not None))
                file = SourceFile(os.fsdecode(path), 0, size, mtime, archive, offset, form=form)
                if None in named:
                    file = replace(file, form="unusable its label is not one of the classes")
                file = replace(file, labels=labels) if self._several else replace(file, label=(*labels, 0)[0])
                images.add("val" if part and part == validation else "train", file)

    def _split(self, images: ImageList, validation: Part | None) -> None:
        """Check that both splits have images of each class, or hold out a fifth of the images."""
        if validation is None:
            lone = images.lone_class()
            if lone is not None or not images.added("train"):
                what = "the images" if self._several or lone is None else f"class {printable(images.classes[lone])}"
                raise UserError(f"{self._shown} names too few images of {what} to hold some out for validation")
            images.hold_out()
        elif not self._several:
            lone = images.class_in_one_split()
            if lone is not None:
                name = printable(images.classes[lone])
                raise UserError(f"{self._shown} has images of class {name} in only one of train and {validation}")


def _splits_text(whole: bool, parts: set[Part | None], validation: Part | None, unread: str) -> str:
    left = sorted(part for part in parts if part not in (None, "train", validation) and not whole)
    text = ""
    if whole:
        text += ": all images, for testing"
    elif validation is None:
        text += ": a fifth of the images, chosen by a hash of the path, is val"
    elif validation != "val":
        text += f", val from its split {validation}"
    return text + unread + (f"; not read: the split {left[0]}" if left else "")
