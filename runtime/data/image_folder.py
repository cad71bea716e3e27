"""Lists classes, splits and files of a folder of images, from names alone, without opening files."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from alexc.printable import printable

from ..errors import UserError
from ..progress import Progress
from .decode import KNOWN_ENDINGS
from .folder_layout import (
    EXPECTED,
    FolderLayout,
    find_layout,
    is_ignored,
    names,
    unwrapped,
)
from .folder_names import composed, is_of_a_system
from .folder_tree import DISK, Entry, FolderTree, ending, is_folder
from .image_list import ImageList
from .store import SplitName


def list_folder(root: Path, database: sqlite3.Connection, tree: FolderTree = DISK) -> ImageList:
    """List a folder in one of the layouts of `EXPECTED`.

    Args:
        root: the folder.
        database: an empty one, for the list.
        tree: the folders of a disk, or of the archive `root`.

    Raises:
        UserError: the folder has no such layout, a class is empty or in only one split, a folder cannot be read, or a
            link leads back to a folder that contains it.
    """
    layout = find_layout(root.absolute(), tree)
    if layout.is_flat:
        return _split_by_hash(layout, layout.top, "no train and val folders", database)
    train, validation = layout.folder("train"), layout.folder("val") or layout.folder("test")
    if train is None:
        raise UserError(f"{printable(layout.top)} has {names(layout.splits)}, but no train folder: {EXPECTED}")
    if validation is None:
        return _split_by_hash(layout, train, f"no val folder beside {layout.shown(train)}", database)
    return _as_split(layout, train, validation, database)


def list_whole_folder(root: Path, database: sqlite3.Connection, tree: FolderTree = DISK) -> ImageList:
    """List every image of a folder of class folders as one split, "train"; the other one is empty.

    Args:
        root: the folder; one class is enough.
        database: an empty one, for the list.
        tree: the folders of a disk, or of the archive `root`.

    Raises:
        UserError: as `list_folder`, or the folder has several splits.
    """
    layout = find_layout(root.absolute(), tree)
    if len(layout.splits) > 1:
        raise UserError(f"{printable(layout.top)} has {names(layout.splits)}: name one of these folders")
    top = unwrapped(layout.top / next(iter(layout.splits), ""), tree)
    classes = _classes(tree, top, least=1)
    images = ImageList(database, layout.root, tuple(classes))
    images.sort("all images, for testing" + _forms(classes), _add_files(images, tree, top, classes, "train"))
    return images


def _as_split(layout: FolderLayout, train: Path, validation: Path, database: sqlite3.Connection) -> ImageList:
    tree = layout.tree
    classes, val_classes = _classes(tree, train), _classes(tree, validation)
    if classes.keys() != val_classes.keys():
        raise UserError(
            f"{printable(layout.top)}: {layout.shown(train)} and {layout.shown(validation)} have different classes; "
            + "; ".join(
                f"only in {layout.shown(split)}: {names(only)}"
                for split, only in (
                    (train, set(classes) - set(val_classes)),
                    (validation, set(val_classes) - set(classes)),
                )
                if only
            )
        )
    images = ImageList(database, layout.root, tuple(classes))
    ignored = _add_files(images, tree, train, classes, "train")
    ignored += _add_files(images, tree, validation, val_classes, "val") + _folders_of_systems(tree, layout.top)
    read = f"train from {layout.shown(train)}/, val from {layout.shown(validation)}/"
    read += _not_read(layout, train, validation) + _forms(classes, val_classes)
    images.sort(read, ignored)
    return images


def _split_by_hash(layout: FolderLayout, top: Path, why: str, database: sqlite3.Connection) -> ImageList:
    """Move a fifth of each class, at least one image, to val."""
    tree = layout.tree
    classes = _classes(tree, top)
    images = ImageList(database, layout.root, tuple(classes))
    ignored = _add_files(images, tree, top, classes, "train")
    ignored += 0 if layout.is_flat else _folders_of_systems(tree, layout.top)
    lone = images.lone_class()
    if lone is not None:
        raise UserError(
            f"{printable(top / images.classes[lone])} has one image, but each class needs two or more, "
            "to be split into training and validation: add some or remove the folder"
        )
    images.hold_out()
    why += ": a fifth of each class, chosen by a hash of the path, is val"
    images.sort(why + _not_read(layout, top) + _forms(classes), ignored)
    return images


def _not_read(layout: FolderLayout, *read: Path) -> str:
    if layout.is_flat:
        return ""
    found = layout.tree.class_folders(layout.top)
    left = [name for name in found if not any(folder.is_relative_to(layout.top / name) for folder in read)]
    return f"; not read: {names(left)}" if left else ""


def _classes(tree: FolderTree, top: Path, least: int = 2) -> dict[str, list[str]]:
    """The folders of each class, sorted by the name of the class; several if it is written in several Unicode forms."""
    folders = tree.class_folders(top)
    classes: dict[str, list[str]] = {name: [] for name in sorted({composed(folder) for folder in folders})}
    for folder in folders:
        classes[composed(folder)].append(folder)
    if not classes:
        raise UserError(_no_classes(tree, top))
    if len(classes) < least:
        only = printable(top / folders[0])
        raise UserError(f"{printable(top)} has one class folder only, {only}: {EXPECTED}, with two classes or more")
    _refuse_hidden_splits(tree, top, folders)
    return classes


def _forms(*splits: Mapping[str, list[str]]) -> str:
    """How many classes have folders in several Unicode forms, as the end of a sentence; "" if none has."""
    forms: dict[str, set[str]] = {}
    for classes in splits:
        for name, folders in classes.items():
            forms.setdefault(name, set()).update(folders)
    several = sum(len(each) > 1 for each in forms.values())
    return f"; class names in several Unicode forms: {several:,}" if several else ""


def _folders_of_systems(tree: FolderTree, top: Path) -> int:
    """The number of folders, beside those of the user, that a system made; those in class folders are counted there."""
    return sum(is_of_a_system(entry.name) for entry in tree.entries(top))


def _refuse_hidden_splits(tree: FolderTree, top: Path, classes: Sequence[str]) -> None:
    """Refuse folders without images that all hold the same folders: they are probably splits."""
    shared: set[str] | None = None
    for name in classes:
        if tree.holds_images(top / name):
            return
        inner = set(tree.class_folders(top / name))
        shared = inner if shared is None else shared & inner
        if len(shared) < 2:  # one folder in each class, such as images/, holds the images of the class
            return
    if shared and len(classes) > 1:
        raise UserError(
            f"{printable(top)}: each of its folders, {names(classes)}, holds the same folders, {names(shared)}, as "
            f"splits do: {EXPECTED}. Rename them to train and val, or put the images of each class directly into "
            "its folder"
        )


def _add_files(
    images: ImageList, tree: FolderTree, top: Path, classes: Mapping[str, list[str]], split: SplitName
) -> int:
    """Add the files in the folders of the classes in `top` to the list; returns the number of ignored files."""
    ignored = _folders_of_systems(tree, top)
    above = len(os.path.join(images.root, ""))  # noqa: PTH118 - with one separator behind it, of "/" too
    with Progress(f"list {printable(top.name)}", len(images.classes), "folders") as progress:
        for label, folders in enumerate(classes.values()):
            found = 0
            for entry in chain.from_iterable(files_below(tree, top / folder) for folder in folders):
                if is_ignored(entry.name):
                    ignored += 1
                else:
                    images.add(split, tree.source_file(entry, above, label))
                    found += 1
            if not found:
                empty = printable(top / folders[0])
                raise UserError(f"{empty} has no images: every class folder needs some, or remove it")
            progress.advance()
    return ignored


def files_below(tree: FolderTree, top: Path) -> Iterator[Entry]:
    """The files in a folder and its subfolders; a hidden folder, or one of a system, counts as a file.

    Raises:
        UserError: a folder is reached twice, by a link; a few links could lead to millions of paths.
    """
    waiting, seen = [top], set[tuple[object, ...]]()
    while waiting:
        folder = waiting.pop()
        if (found := tree.identity(folder)) in seen:
            holds_it = any(tree.identity(parent) == found for parent in folder.parents)
            where = "back to a folder that holds it" if holds_it else "to a folder that is in the class already"
            raise UserError(f"{printable(folder)} is a link {where}: remove the link")
        seen.add(found)
        for entry in tree.entries(folder):
            if is_folder(entry) and not entry.name.startswith(".") and not is_of_a_system(entry.name):
                waiting.append(Path(entry.path))
            else:
                yield entry


def _no_classes(tree: FolderTree, top: Path) -> str:
    images = sum(ending(entry.name) in KNOWN_ENDINGS for entry in tree.entries(top))
    if not images:
        return f"{printable(top)} has no class folders: {EXPECTED}"
    return (
        f"{printable(top)} has {images:,} images, but no class folders: {EXPECTED}. "
        "Put the images of each class into a folder with the class's name"
    )
