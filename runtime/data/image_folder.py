"""What lies in a folder of images: classes, splits, files; read from names alone, no file is opened."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from alexc.runtime.data.decode import KNOWN_ENDINGS
from alexc.runtime.data.store import SPLITS, SplitName
from alexc.runtime.errors import UserError
from alexc.runtime.printable import printable

VALIDATION_NAMES = ("val", "validation", "valid", "test")
VALIDATION_SHARE = 5  # one in five
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


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that may be an image.

    Attributes:
        path: relative to the source folder, with `/`.
        label: the class index.
        size: bytes; -1 when the file cannot be looked at, such as a broken link.
        mtime: time of the last change, ns.
    """

    path: str
    label: int
    size: int
    mtime: int


@dataclass(frozen=True)
class ImageFolder:
    """A folder of images, listed.

    Attributes:
        root: absolute path of the folder.
        classes: the sorted names of the class folders, as torchvision's ImageFolder has them.
        splits: the files of each split, sorted by class and path.
        layout: how the folder was read, a sentence for the report.
        ignored: how many files are clearly not meant as images.
    """

    root: Path
    classes: tuple[str, ...]
    splits: Mapping[SplitName, tuple[SourceFile, ...]]
    layout: str
    ignored: int

    def __len__(self) -> int:
        return sum(len(files) for files in self.splits.values())

    def fingerprint(self) -> str:
        """SHA-256 of every file's split, path, size and time: differs as soon as something changes in the folder."""
        digest = hashlib.sha256()
        for name in SPLITS:
            for file in self.splits[name]:
                entry = f"{name}\0{file.path}\0{file.label}\0{file.size}\0{file.mtime}\0"
                digest.update(entry.encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


def list_images(root: Path) -> ImageFolder:
    """List a folder in one of the layouts of `EXPECTED`.

    Raises:
        UserError: when there is no such layout, a class is empty or in one split only, a folder cannot be read or
            a link leads back to a folder that holds it.
    """
    root = root.absolute()
    if not root.is_dir():
        raise UserError(f"{printable(root)} is not a folder: {EXPECTED}")
    folders = _class_folders(root)
    if "train" not in folders:
        _refuse_lone_validation(root, folders)
        return _split_by_hash(root, root, "no train and val folders")
    validation = next((name for name in VALIDATION_NAMES if name in folders), None)
    if validation is None:
        return _split_by_hash(root, root / "train", "no val folder beside train")
    return _as_split(root, validation, folders)


def _as_split(root: Path, validation: str, folders: list[str]) -> ImageFolder:
    train, val = _Listing(root, root / "train"), _Listing(root, root / validation)
    if train.classes != val.classes:
        raise UserError(
            f"{printable(root)}: train and {validation} have different classes; "
            + "; ".join(
                f"only in {split}: {_names(only)}"
                for split, only in (
                    ("train", set(train.classes) - set(val.classes)),
                    (validation, set(val.classes) - set(train.classes)),
                )
                if only
            )
        )
    layout = f"train from train/, val from {validation}/"
    others = sorted(set(folders) - {"train", validation})
    if others:
        layout += f"; not read: {_names(others)}"
    return ImageFolder(
        root,
        tuple(train.classes),
        {"train": tuple(train.files), "val": tuple(val.files)},
        layout,
        train.ignored + val.ignored,
    )


def _split_by_hash(root: Path, top: Path, why: str) -> ImageFolder:
    """Of each class a fifth, at least one image, becomes val: those whose path has the least hash."""
    listing = _Listing(root, top)
    held_out: set[str] = set()
    for label, group in groupby(listing.files, key=lambda file: file.label):
        files = sorted(group, key=_path_hash)
        if len(files) < 2:
            raise UserError(
                f"{printable(top / listing.classes[label])} has one image, but each class needs two or more, "
                "to be split into training and validation: add some or remove the folder"
            )
        held_out.update(file.path for file in files[: max(1, len(files) // VALIDATION_SHARE)])
    return ImageFolder(
        root,
        tuple(listing.classes),
        {
            "train": tuple(file for file in listing.files if file.path not in held_out),
            "val": tuple(file for file in listing.files if file.path in held_out),
        },
        f"{why}: a fifth of each class, chosen by a hash of the path, is val",
        listing.ignored,
    )


def _path_hash(file: SourceFile) -> bytes:
    return hashlib.sha256(file.path.encode("utf-8", "surrogateescape")).digest()


class _Listing:
    """The classes and files below one folder of class folders."""

    def __init__(self, root: Path, top: Path) -> None:
        self.root = root
        self.ignored = 0
        self.classes = _class_folders(top)
        if not self.classes:
            raise UserError(_no_classes(top))
        if len(self.classes) == 1:
            only = printable(top / self.classes[0])
            raise UserError(f"{printable(top)} has one class folder only, {only}: {EXPECTED}, with two classes or more")
        self.files: list[SourceFile] = []
        for label, name in enumerate(self.classes):
            found = list(self._images(top / name, label, ()))
            if not found:
                raise UserError(f"{printable(top / name)} has no images: every class folder needs some, or remove it")
            self.files += sorted(found, key=lambda file: file.path)

    def _images(self, folder: Path, label: int, parents: tuple[tuple[int, int], ...]) -> Iterator[SourceFile]:
        status = folder.stat()
        identity = (status.st_dev, status.st_ino)
        if identity in parents:
            raise UserError(f"{printable(folder)} is a link back to a folder that holds it: remove the link")
        for entry in _entries(folder):
            if entry.name.startswith("."):
                self.ignored += 1
            elif entry.is_dir():
                yield from self._images(Path(entry.path), label, (*parents, identity))
            elif _ending(entry.name) in _NOT_IMAGES:
                self.ignored += 1
            else:
                yield self._source_file(entry, label)

    def _source_file(self, entry: os.DirEntry[str], label: int) -> SourceFile:
        path = Path(entry.path).relative_to(self.root).as_posix()
        try:
            status = entry.stat()
        except OSError:  # a broken link: reading it later says so, and quarantines it by name
            return SourceFile(path, label, -1, 0)
        return SourceFile(path, label, status.st_size, status.st_mtime_ns)


def _class_folders(top: Path) -> list[str]:
    return sorted(entry.name for entry in _entries(top) if not entry.name.startswith(".") and entry.is_dir())


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
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
