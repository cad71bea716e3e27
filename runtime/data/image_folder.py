"""Lists classes, splits and files of a folder of images, from names alone, without opening files."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from alexc.printable import printable

from ..errors import UserError
from ..progress import Progress
from .decode import KNOWN_ENDINGS
from .image_list import ImageList, SourceFile
from .store import SplitName

VALIDATION_NAMES = ("val", "validation", "valid", "test")
EXPECTED = (
    "expected DATA/train/<class>/ and DATA/val/<class>/ with images in them, or DATA/<class>/, "
    "of which a fifth becomes the validation split"
)
# fmt: off
_NOT_IMAGES = frozenset((
    ".txt", ".md", ".rst", ".json", ".jsonl", ".csv", ".tsv", ".xml", ".yaml", ".yml", ".html", ".htm", ".log", ".pdf",
    ".py", ".sh", ".ini", ".db", ".lock", ".zip", ".tar", ".gz", ".tgz", ".npy", ".npz", ".mat", ".pkl", ".h5", ".lmdb",
    ".tfrecord", ".mp4", ".avi", ".mov",
))
# fmt: on
_MOST_NAMES_SHOWN = 5


def list_folder(root: Path, database: sqlite3.Connection) -> ImageList:
    """List a folder in one of the layouts of `EXPECTED`.

    Args:
        root: the folder.
        database: an empty one, for the list.

    Raises:
        UserError: the folder has no such layout, a class is empty or in only one split, a folder cannot be read, or a
            link leads back to a folder that contains it.
    """
    root = root.absolute()
    if not root.is_dir():
        raise UserError(f"{printable(root)} is not a folder: {EXPECTED}")
    folders = _class_folders(root)
    if "train" not in folders:
        _refuse_lone_validation(root, folders)
        return _split_by_hash(root, root, "no train and val folders", database)
    validation = next((name for name in VALIDATION_NAMES if name in folders), None)
    if validation is None:
        return _split_by_hash(root, root / "train", "no val folder beside train", database)
    return _as_split(root, validation, folders, database)


def _as_split(root: Path, validation: str, folders: list[str], database: sqlite3.Connection) -> ImageList:
    classes, val_classes = _classes(root / "train"), _classes(root / validation)
    if classes != val_classes:
        raise UserError(
            f"{printable(root)}: train and {validation} have different classes; "
            + "; ".join(
                f"only in {split}: {_names(only)}"
                for split, only in (
                    ("train", set(classes) - set(val_classes)),
                    (validation, set(val_classes) - set(classes)),
                )
                if only
            )
        )
    images = ImageList(database, root, tuple(classes))
    ignored = _add_files(images, root / "train", "train") + _add_files(images, root / validation, "val")
    layout = f"train from train/, val from {validation}/"
    others = sorted(set(folders) - {"train", validation})
    if others:
        layout += f"; not read: {_names(others)}"
    images.sort(layout, ignored)
    return images


def _split_by_hash(root: Path, top: Path, why: str, database: sqlite3.Connection) -> ImageList:
    """Move a fifth of each class, at least one image, to val."""
    images = ImageList(database, root, tuple(_classes(top)))
    ignored = _add_files(images, top, "train")
    lone = images.lone_class()
    if lone is not None:
        raise UserError(
            f"{printable(top / images.classes[lone])} has one image, but each class needs two or more, "
            "to be split into training and validation: add some or remove the folder"
        )
    images.hold_out()
    images.sort(f"{why}: a fifth of each class, chosen by a hash of the path, is val", ignored)
    return images


def _classes(top: Path) -> list[str]:
    classes = _class_folders(top)
    if not classes:
        raise UserError(_no_classes(top))
    if len(classes) == 1:
        only = printable(top / classes[0])
        raise UserError(f"{printable(top)} has one class folder only, {only}: {EXPECTED}, with two classes or more")
    return classes


def _add_files(images: ImageList, top: Path, split: SplitName) -> int:
    """Add the files in a folder of class folders to the list; returns the number of ignored files."""
    ignored = 0
    above = len(os.path.join(images.root, ""))  # noqa: PTH118 - with one separator behind it, of "/" too
    with Progress(f"list {printable(top.name)}", len(images.classes), "folders") as progress:
        for label, name in enumerate(images.classes):
            found = 0
            for entry in _files(top / name, ()):
                if _is_ignored(entry.name):
                    ignored += 1
                else:
                    images.add(split, _source_file(entry, above, label))
                    found += 1
            if not found:
                raise UserError(f"{printable(top / name)} has no images: every class folder needs some, or remove it")
            progress.advance()
    return ignored


def _files(folder: Path, parents: tuple[tuple[int, int], ...]) -> Iterator[os.DirEntry[str]]:
    """The files in a folder and its subfolders; a hidden folder counts as a file."""
    status = folder.stat()
    identity = (status.st_dev, status.st_ino)
    if identity in parents:
        raise UserError(f"{printable(folder)} is a link back to a folder that holds it: remove the link")
    for entry in _entries(folder):
        if entry.is_dir() and not entry.name.startswith("."):
            yield from _files(Path(entry.path), (*parents, identity))
        else:
            yield entry


def _is_ignored(name: str) -> bool:
    return name.startswith(".") or _ending(name) in _NOT_IMAGES


def _source_file(entry: os.DirEntry[str], above: int, label: int) -> SourceFile:
    path = entry.path[above:]  # called a million times: creating a Path each time would take seconds
    try:
        status = entry.stat()
    except OSError:  # a broken link: reading it later reports it by name
        return SourceFile(path, label, -1, 0)
    return SourceFile(path, label, status.st_size, status.st_mtime_ns)


def _class_folders(top: Path) -> list[str]:
    return sorted(entry.name for entry in _entries(top) if not entry.name.startswith(".") and entry.is_dir())


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError as error:
        raise UserError(f"{printable(folder)} cannot be read: {error.strerror}") from None


def _refuse_lone_validation(root: Path, folders: list[str]) -> None:
    if folders and set(folders) <= set(VALIDATION_NAMES):
        raise UserError(f"{printable(root)} has {_names(folders)}, but no train folder: {EXPECTED}")


def _no_classes(top: Path) -> str:
    images = sum(_ending(entry.name) in KNOWN_ENDINGS for entry in _entries(top))
    if not images:
        return f"{printable(top)} has no class folders: {EXPECTED}"
    return (
        f"{printable(top)} has {images:,} images, but no class folders: {EXPECTED}. "
        "Put the images of each class into a folder with the class's name"
    )


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - a million names: a Path for each would cost seconds


def _names(names: Iterable[str]) -> str:
    ordered = sorted(names)
    shown = ", ".join(printable(name) for name in ordered[:_MOST_NAMES_SHOWN])
    more = len(ordered) - _MOST_NAMES_SHOWN
    return f"{shown} and {more:,} more" if more > 0 else shown
