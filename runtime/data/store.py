"""The store: prepared images for training, decoded once and memory-mapped.

A store is a folder:

    train-00000.u8 ...   raw pixels, uint8, (images, height, width, channels); for images of 16 bits train-00000.u16
                         ..., uint16, the lower byte first; in a store of JPEGs train-00000.jpegs ..., consecutive JPEG
                         files
    train-ends.npy       in a store of JPEGs only: int64 (N,), where each image ends in its shard
    train-labels.npy     int64 (N,); if an image can have several labels, those of all images, one after the other
    train-label-ends.npy only if an image can have several labels: int64 (N,), where those of each image end
    train-files.jsonl    the source path of each image, relative to the source folder, a JSON string per line
    train-sum.npy        int64 (height, width, channels): the sum of all training images, which gives the exact mean
    val-...              the same without the sum
    source.json          where the images came from and what was there, to detect changes
    manifest.json        everything else, and the hash of every file above except source.json; written last
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from alexc.nearby import FOLDER, nearby
from alexc.printable import printable

from ..errors import UserError
from ..files import require_regular_file
from ..progress import Progress
from ..sides import MOST_CHANNELS, Sides, height_and_width, sides_text
from .shard_pixels import CHANGED, JpegPixels, RawPixels, Shard, damaged_store
from .split import FileNames, LabelSets, Split

FORMAT = "alexc image store"
VERSION = 3
SEVERAL_LABELS = 4  # the version of a store whose images can have several labels, which version 3 does not know
ANY_SHAPE = 5  # the version of a store of other images than RGB squares of 8 bits; they can have several labels
# Version 2 has the same format; its pixels were scaled by Pillow, which differs by 0.003 grey levels on average.
READ_VERSIONS = (2, VERSION, SEVERAL_LABELS, ANY_SHAPE)
MANIFEST = "manifest.json"
SOURCE = "source.json"
_LARGEST_SIDE = 4096  # pixels of a stored image
STEPS_OF_16_BITS = 257  # between two values of 8 bits: 65,535 is 257 * 255
_WHY_SMALLER = {
    True: "since the crop is cut from an image whose shorter side has `resize` pixels",
    False: "since the crop is cut from an image that is scaled to `resize`",
}
SplitName = Literal["train", "val"]
SPLITS: tuple[SplitName, SplitName] = ("train", "val")
_FILES_BESIDE_SHARDS = 256
_CHECKED_AT_ONCE = 64_000_000  # bytes of pixels that are checked in less than 0.2 seconds


@dataclass(frozen=True)
class Geometry:
    """How an image file becomes the pixels of a store: scaled, then cut to its centre.

    Attributes:
        resize: pixels of the shorter side after scaling; or the (height, width) that it is scaled to exactly.
        crop: pixels a side of the central square, or the central (height, width).
        channels: 1 for grey, 2 for grey and alpha, 3 for RGB, 4 for RGB and alpha.
        bits: per channel; 16 for grey images alone.

    Raises:
        UserError: these do not fit each other.
    """

    resize: Sides = 256
    crop: Sides = 256
    channels: int = 3
    bits: int = 8

    def __post_init__(self) -> None:
        height, width = height_and_width(self.crop)
        object.__setattr__(self, "crop", height if height == width else (height, width))
        most = height_and_width(self.resize)
        if not (1 <= height <= most[0] and 1 <= width <= most[1] and max(most) <= _LARGEST_SIDE):
            raise UserError(
                f"resize {sides_text(self.resize)} and crop {sides_text(self.crop)} do not fit: expected "
                f"1 <= crop <= resize <= {_LARGEST_SIDE}, " + _WHY_SMALLER[isinstance(self.resize, int)]
            )
        if not 1 <= self.channels <= MOST_CHANNELS:
            raise UserError(f"images of {self.channels} channels cannot be stored: expected 1 to {MOST_CHANNELS}")
        if self.bits not in (8, 16) or (self.bits == 16 and self.channels != 1):
            raise UserError(
                f"images of {self.channels} channels of {self.bits} bits cannot be stored: expected 8, or 16 for grey "
                "images of one channel"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of a stored image."""
        return (*height_and_width(self.crop), self.channels)

    @property
    def image_bytes(self) -> int:
        """Bytes of a stored image as raw pixels."""
        return prod(self.shape) * self.bits // 8

    @property
    def is_rgb_square(self) -> bool:
        """Whether stores of version 3 can hold these images."""
        return isinstance(self.resize, int) and isinstance(self.crop, int) and (self.channels, self.bits) == (3, 8)

    def as_values(self) -> dict[str, int | list[int]]:
        """The fields as JSON has them. Three channels and eight bits are left out, as stores of version 3 do."""
        sides = {"resize": self.resize, "crop": self.crop}
        return {
            **{name: each if isinstance(each, int) else list(each) for name, each in sides.items()},
            **({} if self.channels == 3 else {"channels": self.channels}),
            **({} if self.bits == 8 else {"bits": self.bits}),
        }

    @classmethod
    def of_values(cls, values: Mapping[str, Any]) -> Geometry:
        """The geometry with the values of `as_values`."""
        fields: dict[str, Any] = {
            name: tuple(each) if isinstance(each, list) else each for name, each in dict(values).items()
        }
        return cls(**fields)

    def options(self) -> str:
        """The options of `alexc prepare` that say this."""
        channels = "" if self.channels == 3 else f" --channels {self.channels}"
        bits = "" if self.bits == 8 else f" --bits {self.bits}"
        return f"--resize {sides_text(self.resize)} --crop {sides_text(self.crop)}{channels}{bits}"

    def in_words(self) -> str:
        """The fields in words, for a message."""
        scaled = f"shorter side {self.resize}" if isinstance(self.resize, int) else f"size {sides_text(self.resize)}"
        channels = f"{self.channels} channel{'s' if self.channels > 1 else ''}"
        bits = "" if self.bits == 8 else f" of {self.bits} bits"
        return f"{scaled} and crop {sides_text(self.crop)}, {channels}{bits}"


@dataclass(frozen=True)
class ColorSums:
    """Exact integer sums over every stored pixel of the training split.

    Attributes:
        pixels: the number of pixels.
        values: the sum of each channel, (channels,).
        products: the sums of the products of two channels, (channels, channels).
    """

    pixels: int
    values: tuple[int, ...]
    products: tuple[tuple[int, ...], ...]

    def covariance(self, largest: int = 255) -> NDArray[np.float64]:
        """(channels, channels), of the values on the 0..1 scale; exact up to the last rounding.

        Args:
            largest: the value of a pixel that is 1 on that scale.
        """
        n, scale, channels = self.pixels, (self.pixels * largest) ** 2, range(len(self.values))
        return np.array(
            [[(n * self.products[i][j] - self.values[i] * self.values[j]) / scale for j in channels] for i in channels]
        )


@dataclass(frozen=True)
class PrepareFindings:
    """What `prepare` found.

    Attributes:
        layout: how the source folder was read, a sentence for the report.
        exif: whether EXIF orientations were applied.
        treatments: how often each conversion of `decode` was needed.
        small: the number of images whose shorter side was scaled up.
        ignored: the number of files that are clearly not images.
        quarantined: (file, reason) of each image that could not be used.
        duplicates: groups of files with the same content in different classes or splits.
    """

    layout: str
    exif: bool
    treatments: Mapping[str, int]
    small: int
    ignored: int
    quarantined: tuple[tuple[str, str], ...]
    duplicates: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, eq=False, repr=False)
class Store:
    """A prepared data set.

    Attributes:
        path: its folder.
        classes: class names; a label is an index into this tuple.
        geometry: how the images were scaled and cut.
        quality: of the JPEGs; None for raw pixels.
        train: the training images.
        val: the validation images.
        identity: SHA-256 of the manifest: equal for the same images and options, wherever the store is.
        mean_image: (H, W, channels), 0..255, the exact mean of the training split (section 2 of the paper).
        eigenvalues: (channels,), descending, of the covariance of the training split's colours on the 0..1 scale.
        eigenvectors: (channels, channels), column i belongs to eigenvalue i; its largest component is positive.
        preparation: what `prepare` found.
    """

    path: Path
    classes: tuple[str, ...]
    geometry: Geometry
    quality: int | None
    train: Split
    val: Split
    identity: str
    mean_image: NDArray[np.float64]
    eigenvalues: NDArray[np.float64]
    eigenvectors: NDArray[np.float64]
    preparation: PrepareFindings

    @property
    def several_labels(self) -> bool:
        """Whether an image can have several labels, or none."""
        return self.train.label_sets is not None

    def __repr__(self) -> str:
        images = f"{len(self.train):,} images to train, {len(self.val):,} to validate"
        return f"<Store {printable(self.path)}: {images}, {len(self.classes):,} classes>"


def is_store(folder: Path) -> bool:
    """Whether the folder contains a finished store of any version."""
    return (folder / MANIFEST).is_file()


def open_store(path: Path) -> Store:
    """Open a finished store, and keep its files open from then on; reads no pixels.

    Raises:
        UserError: `path` is not a store, is unfinished, has another version, or lacks a part.
    """
    manifest, identity = _read_manifest(path)
    try:
        return _open(path, manifest, identity)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged_store(path / MANIFEST, f"{type(error).__name__} {error}") from None


def check_store(store: Store) -> None:
    """Compare every shard with its hash; `open_store` has checked all other files.

    Raises:
        UserError: some differ; the message names them.
    """
    parts = [(split, shard) for split in (store.train, store.val) for shard in range(len(split.shards))]
    changed = []
    with Progress("verify", len(parts), "files") as progress:
        for split, shard in parts:
            if not split.is_intact(shard):
                changed.append(printable(split.shards[shard].file))
            progress.advance()
    if changed:
        raise damaged_store(store.path, f"{', '.join(changed)}: {CHANGED}")


def check_while_reading(store: Store) -> None:
    """Check the shards of a small store now, and those of a large one as they are read, in at most 1 % of the time.

    Raises:
        UserError: a shard of a small store is damaged.
    """
    if store.train.bytes + store.val.bytes <= _CHECKED_AT_ONCE:
        check_store(store)
    else:
        store.train.check_as_read()
        store.val.check_as_read()


def principal_colors(covariance: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Eigenvalues, descending, and eigenvectors, in columns, of a covariance (section 4.1 of the paper).

    The sign of an eigenvector is arbitrary; here its largest component is positive.
    """
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    largest = vectors[np.abs(vectors).argmax(axis=0), range(len(values))]
    return values, np.ascontiguousarray(vectors * np.where(largest < 0, -1.0, 1.0))


def read_source(path: Path) -> dict[str, Any]:
    """The `source` of the `StoreContent` that was written.

    Raises:
        UserError: it is missing or damaged.
    """
    content = _parse(path / SOURCE, _read(path / SOURCE))
    if not isinstance(content, dict):
        raise damaged_store(path / SOURCE, "expected a JSON object")
    return content


def _read_manifest(path: Path) -> tuple[dict[str, Any], str]:
    shown = printable(path)
    if not is_store(path):
        raise UserError(f"{shown} {_why_no_store(path)}")
    content = _read(path / MANIFEST)
    manifest = _parse(path / MANIFEST, content)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise UserError(f"{shown} is not a store: {MANIFEST} was not written by alexc")
    if manifest.get("version") not in READ_VERSIONS:
        read = " and ".join((", ".join(map(str, READ_VERSIONS[:-1])), str(READ_VERSIONS[-1])))
        raise UserError(
            f"{shown} is a store of version {manifest.get('version')}; this alexc reads versions {read}: "
            "prepare it again into another folder"
        )
    return manifest, hashlib.sha256(content).hexdigest()


def _why_no_store(path: Path) -> str:
    if path.name.endswith(".partial") or path.with_name(f"{path.name}.partial").is_dir():
        return "is an unfinished store: run `alexc prepare` again, and it continues"
    if not path.is_dir():
        return f"is not a folder: expected a store that `alexc prepare` made{nearby(path, FOLDER)}"
    return f"is not a store (it has no {MANIFEST}): make one with `alexc prepare DATA --out STORE`"


def _open(path: Path, manifest: dict[str, Any], identity: str) -> Store:
    geometry = Geometry.of_values(manifest["geometry"])
    classes = tuple(manifest["classes"])
    shards = {name: tuple(Shard(**shard) for shard in manifest["splits"][name]["shards"]) for name in SPLITS}
    train, val = (_open_split(path, geometry, len(classes), manifest, name, shards[name]) for name in SPLITS)
    _allow_open_files(sum(map(len, shards.values())))
    for split in (train, val):
        split.hold()
    unit = 1 if geometry.bits == 8 else STEPS_OF_16_BITS
    eigenvalues, eigenvectors = principal_colors(_color_sums(manifest).covariance(255 * unit))
    return Store(
        path=path,
        classes=classes,
        geometry=geometry,
        quality=manifest["quality"],
        train=train,
        val=val,
        identity=identity,
        mean_image=_load_array(path, manifest, "train-sum.npy") / (len(train) * unit),
        eigenvalues=eigenvalues,
        eigenvectors=eigenvectors,
        preparation=_preparation(manifest["preparation"]),
    )


def _open_split(
    path: Path, geometry: Geometry, classes: int, manifest: dict[str, Any], name: SplitName, shards: tuple[Shard, ...]
) -> Split:
    _check_shards(path, shards)
    count = sum(shard.images for shard in shards)
    labels = _load_array(path, manifest, f"{name}-labels.npy")
    several = f"{name}-label-ends.npy" in manifest["sha256"]
    ends = _label_ends(path, manifest, name, len(labels)) if several else None
    images = labels if ends is None else ends
    _check_hash(path, manifest, f"{name}-files.jsonl")
    files = FileNames(path / f"{name}-files.jsonl")
    if not len(files) == len(images) == count:
        raise ValueError(f"{name} has {count} images, but labels of {len(images)} and {len(files)} files")
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"{name} has a label outside 0..{classes - 1}")
    of_images = labels if ends is None else LabelSets(labels, ends)
    if manifest["quality"] is None:
        return Split(_raw(path, geometry, shards), shards, of_images, files)
    return Split(_jpegs(path, geometry, shards, manifest, name), shards, of_images, files)


def _label_ends(path: Path, manifest: dict[str, Any], name: SplitName, labels: int) -> NDArray[np.int64]:
    ends = _load_array(path, manifest, f"{name}-label-ends.npy")
    if np.any(np.diff(ends, prepend=0) < 0) or (int(ends[-1]) if len(ends) else 0) != labels:
        raise ValueError(f"{name}-label-ends.npy does not fit {name}-labels.npy")
    return ends


def _raw(path: Path, geometry: Geometry, shards: tuple[Shard, ...]) -> RawPixels:
    for shard in shards:
        if shard.bytes != shard.images * geometry.image_bytes:
            raise ValueError(f"{shard.file} has {shard.bytes} bytes, too many or too few for its images")
    return RawPixels(path, geometry.shape, shards, geometry.bits)


def _jpegs(
    path: Path, geometry: Geometry, shards: tuple[Shard, ...], manifest: dict[str, Any], name: SplitName
) -> JpegPixels:
    ends = _load_array(path, manifest, f"{name}-ends.npy")
    start = 0
    for shard in shards:
        own = ends[start : start + shard.images]
        if len(own) != shard.images or np.any(np.diff(own, prepend=0) <= 0) or int(own[-1]) != shard.bytes:
            raise ValueError(f"{name}-ends.npy does not fit {shard.file}")
        start += shard.images
    return JpegPixels(path, geometry.shape, shards, ends)


def _preparation(value: dict[str, Any]) -> PrepareFindings:
    quarantined = tuple((file, reason) for file, reason in value["quarantined"])
    duplicates = tuple(tuple(group) for group in value["duplicates"])
    return PrepareFindings(**value | {"quarantined": quarantined, "duplicates": duplicates})


def _color_sums(manifest: dict[str, Any]) -> ColorSums:
    sums = manifest["color_sums"]
    return ColorSums(sums["pixels"], tuple(sums["values"]), tuple(map(tuple, sums["products"])))


def _check_shards(path: Path, shards: tuple[Shard, ...]) -> None:
    for shard in shards:
        if Path(shard.file).name != shard.file:  # a store may come from someone else
            raise ValueError(f"{shard.file!r} is not a file name")
        try:
            require_regular_file(path / shard.file)
            size = (path / shard.file).stat().st_size
        except OSError as error:
            raise damaged_store(path / shard.file, error.strerror) from None
        if size != shard.bytes:
            raise damaged_store(path / shard.file, f"it has {size:,} bytes, expected {shard.bytes:,}")


def _allow_open_files(shards: int) -> None:
    """Raise the limit of open files: each mapped shard needs one, and ImageNet has more than the usual 1,024."""
    if sys.platform == "win32":  # it has no such limit for mapped files
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = shards + _FILES_BESIDE_SHARDS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        enough = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(ValueError, OSError):  # macOS has a lower limit that it does not tell
            resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))


def _load_array(path: Path, manifest: dict[str, Any], name: str) -> NDArray[np.int64]:
    """A checked array that stays on disk; its header is read as plain values."""
    _check_hash(path, manifest, name)
    try:
        array: NDArray[np.int64] = np.asarray(np.load(path / name, mmap_mode="r", allow_pickle=False))
    except ValueError:  # its message advises to load the file unsafely
        raise damaged_store(path / name, "it is not an array of numbers") from None
    return array


def _check_hash(path: Path, manifest: dict[str, Any], name: str) -> None:
    try:
        require_regular_file(path / name)
        with (path / name).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise damaged_store(path / name, error.strerror) from None
    if digest != manifest["sha256"][name]:
        raise damaged_store(path / name, CHANGED)


def _read(path: Path) -> bytes:
    try:
        require_regular_file(path)
        return path.read_bytes()
    except OSError as error:
        raise damaged_store(path, error.strerror) from None


def _parse(path: Path, content: bytes) -> Any:  # noqa: ANN401 - JSON is any of them
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise damaged_store(path, f"not JSON ({error})") from None
