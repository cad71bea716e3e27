"""Reads ImageNet as it is distributed (ILSVRC 2012), two tar files and the devkit, without unpacking it.

ILSVRC2012_img_train.tar       a tar file for each class, n01440764.tar ..., with 1,281,167 images in total
ILSVRC2012_img_val.tar         ILSVRC2012_val_00000001.JPEG to ..._00050000.JPEG
ILSVRC2012_devkit_t12.tar.gz   or the folder that it unpacks to; in data/: meta.mat with the synset of each ILSVRC id,
                               and ILSVRC2012_validation_ground_truth.txt with the id of each validation image
"""

from __future__ import annotations

import io
import re
import sqlite3
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from alexc.printable import printable

from ..errors import UserError
from ..files import require_regular_file
from ..progress import Progress
from .image_list import ImageList, SourceFile
from .memory_limit import memory_limit
from .tar_file import Header, in_order, reading, tar_members

TRAIN, VAL = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
DEVKIT = "ILSVRC2012_devkit_t12"
META, GROUND_TRUTH = "meta.mat", "ILSVRC2012_validation_ground_truth.txt"
_LARGEST_DEVKIT = 64_000_000  # bytes, unpacked; it has about 10 MB
_LARGEST_META = 1_000_000_000  # bytes of memory; meta.mat is compressed, and a small one could fill the memory
_SYNSET = re.compile(r"n\d{8}")
_VAL_NAME = re.compile(r"ILSVRC2012_val_(\d{8})\.JPEG")


@dataclass(frozen=True)
class ImageNetArchives:
    """The folder of the archives, and the devkit: an archive or a folder."""

    root: Path
    devkit: Path

    def state(self) -> list[tuple[str, int, int]]:
        """Name, size and time of each archive, which change when an archive changes."""
        paths = [self.root / TRAIN, self.root / VAL, *self._devkit_files()]
        found = [(path.name, path.stat()) for path in paths]
        return [(name, status.st_size, status.st_mtime_ns) for name, status in found]

    def _devkit_files(self) -> list[Path]:
        if self.devkit.is_dir():
            return [self.devkit / "data" / name for name in (META, GROUND_TRUTH)]
        return [self.devkit]


def find_archives(root: Path) -> ImageNetArchives | None:
    """ImageNet's archives in a folder; None if there are none.

    Raises:
        UserError: only some of them are there.
    """
    root = root.absolute()
    found = (root / f"{DEVKIT}.tar.gz", root / DEVKIT)
    devkit = next((path for path in found if path.is_file() or path.is_dir()), None)
    train, val = (root / TRAIN).is_file(), (root / VAL).is_file()
    if not train and not val:
        return None
    missing = [name for name, there in ((TRAIN, train), (VAL, val), (f"{DEVKIT}.tar.gz", devkit)) if not there]
    if devkit is None or missing:
        raise UserError(
            f"{printable(root)} has some of ImageNet's archives, but lacks {' and '.join(missing)}: put all three "
            "into one folder; they need not be unpacked"
        )
    return ImageNetArchives(root, devkit)


def list_archives(archives: ImageNetArchives, database: sqlite3.Connection) -> ImageList:
    """List the content of the archives; the classes are the sorted synsets.

    Args:
        archives: the archives.
        database: an empty one, for the list.

    Raises:
        UserError: an archive is damaged, or the archives do not belong together.
    """
    synsets = _synsets_of_validation(archives)
    classes = _classes(archives.root / TRAIN)
    images = ImageList(database, archives.root, classes)
    labels = {name: label for label, name in enumerate(classes)}
    _add_training_images(images, archives, labels)
    ignored = _add_validation_images(images, archives, labels, synsets)
    images.sort(f"train from {TRAIN}, val from {VAL}, its classes from {archives.devkit.name}", ignored)
    return images


def _classes(train: Path) -> tuple[str, ...]:
    names = sorted(PurePosixPath(name).stem for name, _, _ in tar_members(train))
    strange = [name for name in names if not _SYNSET.fullmatch(name)]
    if strange or len(names) < 2 or len(set(names)) < len(names):
        what = printable(strange[0]) if strange else f"{len(set(names))} classes in {len(names)} files"
        raise UserError(
            f"{printable(train)}: expected a tar file for each class, such as n01440764.tar, but it has {what}"
        )
    return tuple(names)


def _add_training_images(images: ImageList, archives: ImageNetArchives, labels: dict[str, int]) -> None:
    path = archives.root / TRAIN
    mtime = path.stat().st_mtime_ns
    with Progress("list the training images", len(labels), "classes") as progress:
        for name, offset, size in tar_members(path):
            synset, found = PurePosixPath(name).stem, 0
            for image, start, length in tar_members(path, offset, offset + size):
                place = f"{TRAIN}/{synset}/{image}"
                images.add("train", SourceFile(place, labels[synset], length, mtime, TRAIN, start))
                found += 1
            if not found:
                raise UserError(f"{printable(path)}: class {synset} has no images")
            progress.advance()


def _add_validation_images(
    images: ImageList, archives: ImageNetArchives, labels: dict[str, int], synsets: list[str]
) -> int:
    path, ignored = archives.root / VAL, 0
    mtime = path.stat().st_mtime_ns
    with Progress("list the validation images", len(synsets), "images") as progress:
        for name, offset, size in tar_members(path):
            number = _VAL_NAME.fullmatch(PurePosixPath(name).name)
            if number is None:
                ignored += 1
                continue
            synset = _synset(path, name, int(number.group(1)), labels, synsets)
            images.add("val", SourceFile(f"{VAL}/{name}", labels[synset], size, mtime, VAL, offset))
            progress.advance()
    found = images.added("val")
    if found < len(synsets):
        raise UserError(
            f"{printable(path)} has {found:,} images, but {GROUND_TRUTH} lists {len(synsets):,}: download it again"
        )
    return ignored


def _synset(path: Path, name: str, number: int, labels: dict[str, int], synsets: list[str]) -> str:
    """The class of a validation image by its number."""
    shown = f"{printable(path)}: {printable(name)}"
    if not 1 <= number <= len(synsets):
        raise UserError(f"{shown} is beyond the {len(synsets):,} images that {GROUND_TRUTH} lists")
    synset = synsets[number - 1]
    if synset not in labels:
        raise UserError(
            f"{shown} is of class {synset}, which {TRAIN} does not have: these archives do not belong together"
        )
    return synset


def _synsets_of_validation(archives: ImageNetArchives) -> list[str]:
    """The synset of each validation image, in the order of their numbers."""
    shown = printable(archives.devkit)
    synset_of = _synset_of_ids(_devkit_file(archives.devkit, META), shown)
    lines = _devkit_file(archives.devkit, GROUND_TRUTH).split()
    try:
        return [synset_of[int(line)] for line in lines]
    except (ValueError, KeyError) as error:
        raise UserError(f"{shown}: {GROUND_TRUTH} has {printable(error)}, which is no id of {META}") from None


def _synset_of_ids(content: bytes, shown: str) -> dict[int, str]:
    import scipy.io  # type: ignore[import-untyped]  # half a second, and few need it

    try:
        with memory_limit(_LARGEST_META):
            synsets = scipy.io.loadmat(io.BytesIO(content), squeeze_me=True)["synsets"]
        found = {int(each["ILSVRC2012_ID"]): str(each["WNID"]) for each in synsets}
    except Exception as error:  # its parser raises almost any exception for broken data
        reason = printable(error) or type(error).__name__
        raise UserError(f"{shown}: {META} cannot be read ({reason}): download the devkit again") from None
    return found


def _devkit_file(devkit: Path, name: str) -> bytes:
    """A file of the devkit's folder data/.

    Raises:
        UserError: it is missing, not a file, or larger than any devkit.
    """
    missing = UserError(f"{printable(devkit)} has no data/{name}: expected the devkit of ILSVRC 2012, task 1 and 2")
    if devkit.is_dir():
        try:
            return _content(devkit / "data" / name)
        except OSError:
            raise missing from None
    with reading(devkit), tarfile.open(devkit, "r:gz", tarinfo=Header) as archive:
        for member in in_order(archive, _LARGEST_DEVKIT):
            file = archive.extractfile(member) if member.name.endswith(f"data/{name}") else None
            if file is not None:
                return file.read()
    raise missing


def _content(path: Path) -> bytes:
    require_regular_file(path)
    if path.stat().st_size > _LARGEST_DEVKIT:
        raise UserError(f"{printable(path)} has {path.stat().st_size:,} bytes: expected a file of the devkit")
    return path.read_bytes()
