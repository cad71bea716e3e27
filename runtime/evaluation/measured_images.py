"""Chooses the images that a network is measured on, for `alexc evaluate` and `alexc train --test-only`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alexc.printable import printable

from ..cores import available_cores
from ..data.folder_layout import FolderLayout, Part, find_layout, names
from ..data.image_source import has_folders_of_classes, open_source
from ..data.prepare import default_destination, store_for
from ..data.split import Split
from ..data.store import SOURCE, Geometry, Store, is_store, read_source
from ..errors import UserError

_NAMES = {"train": "training images", "val": "validation images", "test": "test images"}


@dataclass(frozen=True, eq=False)
class MeasuredImages:
    """Images to measure a network on.

    Attributes:
        store: the store that holds them.
        split: the images.
        name: what they are, for the report, such as "validation images".
    """

    store: Store
    split: Split
    name: str


def measured_images(data: Path, geometry: Geometry, part: Part | None, training: bool) -> MeasuredImages:
    """The images to measure on. They are prepared first if they have no store.

    Of a folder that is only tested, every image is measured: of its val folder or, if it has none, of its test folder
    or of all its classes. Of a folder that training reads too, the images that training holds out are measured.

    Args:
        data: a store or a source of images.
        geometry: how images are scaled and cut, and their channels.
        part: the part to measure on; by default the validation images, or all where nothing is held out.
        training: whether the network was trained on `data`, or takes its mean and colours from it.

    Raises:
        UserError: the images do not exist, cannot be prepared, or have no such part.
    """
    workers = available_cores()
    if not data.is_dir() or is_store(data) or (data / SOURCE).is_file() or not has_folders_of_classes(data):
        store = store_for(data, geometry, workers, whole=_is_only_tested(data, training))
        source = _source(store)
        if part == "test" and len(store.val) and source.is_dir() and has_folders_of_classes(source):
            return measured_images(source, geometry, part, training=True)
        return _part_of(store, part)
    layout = find_layout(data.absolute())
    if training or (layout.holds_out and _is_prepared(data, geometry)):
        if part != "test":
            return _part_of(store_for(data, geometry, workers), part)
        if layout.is_flat:
            raise _missing(layout, part)
    folder, name = _folder_of(layout, part)
    store = store_for(folder, geometry, workers, whole=True)
    return MeasuredImages(store, store.train, name)


def _is_only_tested(data: Path, training: bool) -> bool:
    """Whether all images of a source are measured: nothing was trained on it, and it names no images for training."""
    if training or is_store(data) or (data / SOURCE).is_file():
        return False
    with open_source(data) as source:
        return not source.has_training


def _source(store: Store) -> Path:
    """The folder that a store was made of; it may not exist any more."""
    return Path(str(read_source(store.path).get("folder")))


def _is_prepared(data: Path, geometry: Geometry) -> bool:
    return any(is_store(default_destination(data, geometry, jpeg=jpeg)) for jpeg in (False, True))


def _part_of(store: Store, part: Part | None) -> MeasuredImages:
    if not len(store.val):
        if part in (None, "test"):
            return MeasuredImages(store, store.train, "images")
        raise UserError(f"{printable(store.path)} holds one set of images, for testing: leave --split out")
    if part == "test":
        raise UserError(
            f"{printable(store.path)} holds training and validation images only: name the folder of the test images "
            "with --data"
        )
    return MeasuredImages(store, store.train if part == "train" else store.val, _NAMES[part or "val"])


def _folder_of(layout: FolderLayout, part: Part | None) -> tuple[Path, str]:
    """The folder of class folders that is measured whole, and a word for its images."""
    if layout.is_flat:
        if part in (None, "test"):
            return layout.top, "images"
        raise _missing(layout, part)
    for each in (part,) if part else ("val", "test", "train"):
        folder = layout.folder(each)
        if folder is not None:
            return folder, _NAMES[each]
    raise _missing(layout, part)


def _missing(layout: FolderLayout, part: Part | None) -> UserError:
    found = "class folders" if layout.is_flat else names(layout.splits)
    return UserError(
        f"--split {part}: {printable(layout.top)} has no folder for it, but {found}: leave --split out, or name the "
        "folder of the images with --data"
    )
