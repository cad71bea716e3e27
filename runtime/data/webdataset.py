"""Lists the images of WebDataset shards: tar files in which KEY.jpg is an image and KEY.cls its class.

A key is the path of a file up to the first dot in its name. The files of one key stand next to each other. The class is
a number or a name, as text. Source: https://github.com/webdataset/webdataset
"""

from __future__ import annotations

import sqlite3
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

from alexc.printable import printable

from ..errors import UserError
from .decode import KNOWN_ENDINGS
from .decoding_work import BadImage
from .folder_tree import ending
from .image_list import ImageList, SourceFile
from .labelled_images import MOST_LABELS, Label
from .packed_file import PackedFile, UnpackedFiles
from .packed_format import Listing, PackedFormat
from .packed_image import STORED, read_part
from .tar_file import tar_members

_LABEL = "cls"
_MEMBERS_THAT_TELL = 100
_LONGEST_LABEL = 255  # bytes
_LONGEST_NUMBER = 9  # digits


@dataclass(frozen=True)
class _Member:
    name: str
    offset: int
    size: int

    @property
    def key(self) -> str:
        folder, slash, name = self.name.rpartition("/")
        return folder + slash + name.partition(".")[0]


def is_tar(file: PackedFile) -> bool:
    """Whether a file begins as a tar file, compressed or not."""
    try:
        tarfile.TarInfo.frombuf(file.head[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
    except tarfile.TarError:
        return False
    return True


def _matches(file: PackedFile, _unpacked: UnpackedFiles) -> bool:
    if not is_tar(file) or file.form != STORED or file.is_compressed:
        return False
    found = False
    try:
        for member in islice(_members(file), _MEMBERS_THAT_TELL):
            found = found or member.name.endswith(f".{_LABEL}")
    except UserError:  # it is damaged further on: the list says so
        return found
    return found


def _members(file: PackedFile) -> Iterator[_Member]:
    for name, offset, size in tar_members(file.disk, file.offset, file.offset + file.size):
        yield _Member(name, offset, size)


def _listed(files: Sequence[PackedFile], listing: Listing) -> ImageList:
    files = sorted(files, key=lambda file: file.path)
    images = listing.labelled()
    for file, part in listing.in_turn(files):
        for key, members in groupby(_members(file), lambda member: member.key):
            image, label = _sample(file, list(islice(members, _MEMBERS_THAT_TELL)))
            if image is None:
                continue
            try:
                images.add(image, () if label is None else (label,), part)
            except sqlite3.IntegrityError:
                raise UserError(f"{printable(file.disk)} has the key {printable(key)} twice") from None
            except ValueError:
                raise UserError(f"{printable(file.disk)} has over {MOST_LABELS:,} classes") from None
    return listing.listed(images, "WebDataset shards", files, by_place=True)


def _sample(file: PackedFile, members: list[_Member]) -> tuple[SourceFile | None, Label | None]:
    """The image of a key, with its class."""
    found = next((member for member in members if ending(member.name) in KNOWN_ENDINGS), None)
    if found is None:
        return None, None
    named = next((member for member in members if member.name.endswith(f".{_LABEL}")), None)
    label, fault = (None, f"no label: {found.key}.{_LABEL} is missing") if named is None else _label(file, named)
    form = STORED if label is not None else f"unusable {fault}"
    path = f"{file.path}/{found.name}"
    return SourceFile(path, 0, found.size, file.mtime, file.archive, found.offset, form=form), label


def _label(file: PackedFile, member: _Member) -> tuple[Label | None, str]:
    """A class, or None and what is wrong with it."""
    wrong = f"{member.name} is no number and no name"
    if member.size > _LONGEST_LABEL:
        return None, wrong
    try:
        text = read_part(file.disk, member.offset, member.size).decode().strip()
    except (BadImage, UnicodeDecodeError):
        return None, wrong
    if text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER:
        return int(text), ""
    return text or None, wrong


WEBDATASET = PackedFormat("WebDataset shards", _matches, _listed)
