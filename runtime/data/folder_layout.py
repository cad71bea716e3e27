"""Finds out how a folder of images is laid out: which folders are splits, and which are classes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from alexc.nearby import FOLDER, nearby
from alexc.printable import printable

from ..errors import UserError
from .folder_names import is_of_a_system
from .folder_tree import DISK, FolderTree, ending

EXPECTED = (
    "expected DATA/train/<class>/ and DATA/val/<class>/ with images in them, or DATA/<class>/, "
    "of which a fifth becomes the validation split"
)
Part = Literal["train", "val", "test"]
# fmt: off
_NOT_IMAGES = frozenset((
    ".txt", ".md", ".rst", ".json", ".jsonl", ".csv", ".tsv", ".xml", ".yaml", ".yml", ".html", ".htm", ".log", ".pdf",
    ".py", ".sh", ".ini", ".db", ".lock", ".zip", ".tar", ".gz", ".tgz", ".npy", ".npz", ".mat", ".pkl", ".h5", ".lmdb",
    ".tfrecord", ".mp4", ".avi", ".mov",
))
# fmt: on
_MOST_NAMES_SHOWN = 5
_USUAL_NAMES = ("train", "val", "validation", "valid", "test")  # of several folders for one part, the first of these
_WORDS: Mapping[str, Part] = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "validation", "valid", "dev", "eval", "evaluation"), "val"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
_FILLER = r"(?:images?|imgs?|photos?|pictures?|pics?|samples?|data|datasets?|sets?|splits?|folders?)"
_FILLER_WORD = re.compile(_FILLER)
_SPLIT_WORD = re.compile(rf"{_FILLER}?({'|'.join(_WORDS)}){_FILLER}?")


@dataclass(frozen=True)
class FolderLayout:
    """How a folder of images is laid out.

    Attributes:
        root: the folder.
        top: where the splits or classes are: the folder itself, or the only folder in it.
        splits: the part that each split folder in `top` holds; empty if the folders in `top` are classes.
        tree: the folders of a disk, or of the archive `root`.
    """

    root: Path
    top: Path
    splits: Mapping[str, Part]
    tree: FolderTree = DISK

    @property
    def is_flat(self) -> bool:
        """Whether the folders in `top` are classes."""
        return not self.splits

    @property
    def holds_out(self) -> bool:
        """Whether there are folders for training and for validation, so that a store of both can be made."""
        return {"train"} < set(self.splits.values())

    def folder(self, part: Part) -> Path | None:
        """The folder with the class folders of a part; None if there is none.

        Raises:
            UserError: there are several, and none has a usual name.
        """
        found = sorted(name for name, kind in self.splits.items() if kind == part)
        usual = [name for name in _USUAL_NAMES if name in found]
        if len(found) > 1 and not usual:
            raise UserError(f"{printable(self.top)} has several folders for {part}, {names(found)}: keep one of them")
        return unwrapped(self.top / [*usual, *found][0], self.tree) if found else None

    def shown(self, folder: Path) -> str:
        """The path of a folder below the root, safe to print."""
        return printable(folder.relative_to(self.root))


def find_layout(root: Path, tree: FolderTree = DISK) -> FolderLayout:
    """Detect splits and classes by the names of folders, and by which of them hold images.

    A folder is a split if its name says so, in any case: `train`, `Training`, `train_set`, `images_test`, or
    `flowers_train` beside `flowers_test`. A folder `train` beside folders of other names is a class, unless it holds
    class folders.

    Raises:
        UserError: `root` is not a folder or cannot be read, or `train` may be a split as well as a class.
    """
    if not tree.is_tree(root):
        raise UserError(f"{printable(root)} is not a folder: {EXPECTED}{nearby(root, FOLDER)}")
    top = unwrapped(root, tree, keep_splits=True)
    folders = tree.class_folders(top)
    splits = _splits(folders)
    return FolderLayout(root, top, splits if _are_splits(tree, top, folders, splits) else {}, tree)


def unwrapped(folder: Path, tree: FolderTree, keep_splits: bool = False) -> Path:
    """The folder itself or, where it holds nothing but one folder of folders, that one, and so on.

    Args:
        folder: the folder.
        tree: the tree that it belongs to.
        keep_splits: stop at a folder whose only folder is a split.

    Raises:
        UserError: a link leads back to a folder that contains it.
    """
    seen: set[tuple[object, ...]] = set()
    while True:
        if (found := tree.identity(folder)) in seen:
            raise UserError(f"{printable(folder)} is a link back to a folder that holds it: remove the link")
        seen.add(found)
        inner = tree.class_folders(folder)
        if len(inner) != 1 or tree.holds_images(folder) or (keep_splits and _splits(inner)):
            return folder
        if not tree.class_folders(folder / inner[0]) or tree.holds_images(folder / inner[0]):
            return folder
        folder /= inner[0]


def part_named(word: str) -> Part | None:
    """The split that a word stands for, in any case; None if it stands for none."""
    return _WORDS.get(word.casefold())


def part_of(path: str) -> Part | None:
    """The split that a file belongs to, by its name or that of a folder above it: "train" for "train-images.gz".

    "t10k" is the name of MNIST's ten thousand test images.
    """
    if "t10k" in path.casefold():
        return "test"
    found = (_part_and_rest(name) for name in reversed(path.split("/")))
    return next((part for part, _ in filter(None, found)), None)


def is_ignored(name: str) -> bool:
    """Whether a file, or a folder that counts as one, is clearly not an image, by its name."""
    return name.startswith(".") or ending(name) in _NOT_IMAGES or is_of_a_system(name)


def names(of: Iterable[str]) -> str:
    """The first names, and the number of the others; safe to print."""
    ordered = sorted(of)
    shown = ", ".join(printable(name) for name in ordered[:_MOST_NAMES_SHOWN])
    more = len(ordered) - _MOST_NAMES_SHOWN
    return f"{shown} and {more:,} more" if more > 0 else shown


def _splits(folders: Sequence[str]) -> dict[str, Part]:
    """The folders with the name of a split, and its part."""
    found = {name: split for name in folders if (split := _part_and_rest(name)) is not None}
    return {
        name: part
        for name, (part, rest) in found.items()
        if not rest or any(rest == other and part != another for another, other in found.values())
    }


def _part_and_rest(name: str) -> tuple[Part, tuple[str, ...]] | None:
    """The split that a name stands for, and its other words: ("train", ("seg",)) for "seg_train"."""
    words = re.findall(r"[^\W\d_]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name))
    parts: list[Part] = []
    rest: list[str] = []
    for word in map(str.casefold, words):
        if match := _SPLIT_WORD.fullmatch(word):
            parts.append(_WORDS[match[1]])
        elif not _FILLER_WORD.fullmatch(word):
            rest.append(word)
    return (parts[0], tuple(rest)) if len(parts) == 1 else None


def _are_splits(tree: FolderTree, top: Path, folders: Sequence[str], splits: Mapping[str, Part]) -> bool:
    """Whether folders that have the names of splits are splits; else they are classes."""
    others = [name for name in folders if name not in splits]
    if not others:
        return True
    if "train" not in splits.values():
        return False
    if len(set(splits.values())) > 1:
        return True
    nested = [name for name in splits if tree.class_folders(top / name) and not tree.holds_images(top / name)]
    beside = [name for name in others if tree.holds_images(top / name)]
    if nested and beside:
        raise UserError(
            f"{printable(top)}: {names(nested)} holds folders, as a split does, but {names(beside)} beside it hold "
            f"images, as classes do: {EXPECTED}. Move the others away, or put the images of class {names(nested)} "
            "directly into its folder"
        )
    return bool(nested)
