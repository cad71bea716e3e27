"""Makes a store from a source of images: in parallel, resumable after kill -9, completed by one rename.

The list of images and the results per image stay on disk, so memory does not grow with their number.

While it is made, everything is in STORE.partial:

    lock          held by the process that works here
    source.json   what is being made: partial work for anything else is discarded
    store/        becomes STORE by one rename
    records/      the results of each finished shard
    old/          for an instant, the store that the new one replaces
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexc.printable import printable, shell_line

from ..bytes_text import bytes_text
from ..errors import UserError
from ..files import sync_folder, write_bytes
from ..folder_lock import LOCK, folder_lock
from ..notebook import training_bar
from ..progress import Progress
from ..sides import sides_text
from .duplicates import Duplicates
from .image_list import ImageList, SourceFile
from .image_source import ImageSource, open_source
from .scratch_database import scratch_database
from .shard_pixels import Shard
from .shards import (
    ShardRecord,
    ShardTask,
    is_finished,
    keep_shard,
    make_shard,
    read_image_sum,
    read_record,
    shard_file,
    shard_length,
)
from .store import (
    READ_VERSIONS,
    SOURCE,
    SPLITS,
    VERSION,
    ColorSums,
    Geometry,
    PrepareFindings,
    SplitName,
    Store,
    is_store,
    open_store,
    read_source,
)
from .store_writing import SplitContent, StoreContent, StoredImage, write_store
from .worker_pool import WorkerDied, run_in_workers, start_importing

_BAD_SHARE = 0.01
_QUARANTINE = "quarantine.txt"
_PARTIAL_NAMES = frozenset((LOCK, SOURCE, "store", "records", "old", _QUARANTINE))
_MOST_FILES_SHOWN = 10
_JPEG_CHANNELS = (1, 3)
_JPEG_SHARE = 1 / 8  # of the size of raw pixels: the room that is checked for; photographs take 1/9 by default


@dataclass(frozen=True)
class _Form:
    """The form of a store.

    Attributes:
        geometry: how images are scaled and cut, and their channels.
        exif: apply EXIF orientations; ImageNet's convention is to ignore them.
        quality: of JPEGs in the store; None for raw pixels.
        whole: take all images of a folder of class folders, for testing; nothing is held out.
    """

    geometry: Geometry
    exif: bool
    quality: int | None
    whole: bool


@dataclass(frozen=True)
class _Slice:
    """The files of a shard: consecutive files of a split."""

    split: SplitName
    number: int
    start: int
    stop: int

    @property
    def name(self) -> str:
        return f"{self.split}-{self.number:05d}"


@dataclass(frozen=True)
class _Work:
    """A store in progress: its source, form and folder."""

    images: ImageList
    form: _Form
    partial: Path

    @cached_property
    def slices(self) -> tuple[_Slice, ...]:
        """The files of each shard."""
        return _slices(self.images)

    @property
    def records(self) -> Path:
        return self.partial / "records"

    def files(self, part: _Slice) -> tuple[SourceFile, ...]:
        return self.images.files(part.split, part.start, part.stop)

    def task(self, part: _Slice) -> ShardTask:
        return ShardTask(
            name=part.name,
            root=self.images.root,
            files=self.files(part),
            pixels=self.partial / "store",
            records=self.records,
            geometry=self.form.geometry,
            exif=self.form.exif,
            quality=self.form.quality,
            summed=part.split == "train",
            parent=os.getpid(),
        )

    def unfinished(self) -> list[_Slice]:
        return [part for part in self.slices if not is_finished(self.records, part.name)]

    def finished(self) -> Iterator[tuple[_Slice, ShardRecord]]:
        """Each shard and its results, after all are finished."""
        for part in self.slices:
            yield part, read_record(self.records, part.name)


def prepare(
    source: Path,
    destination: Path,
    geometry: Geometry,
    workers: int,
    exif: bool = False,
    bad_share: float = _BAD_SHARE,
    quality: int | None = None,
    whole: bool = False,
    wait: bool = False,
) -> Store:
    """Make a store of the images in `source`, or continue an interrupted call.

    The result is the same, byte for byte, for any number of workers and interruptions. A finished store of the same
    source and options is returned at once. If the source has changed, a new store is made beside the old one, and
    replaces it when it is complete.

    Args:
        source: a folder in a layout of `image_folder`, `label_file` or `imagenet_archives`, or a file or folder of
            files in one of `packed_source.FORMATS`.
        destination: the store's folder; the work is done beside it, in a folder with ".partial" appended.
        geometry: how images are scaled and cut, and their channels.
        workers: the number of processes that decode images.
        exif: apply EXIF orientations; ImageNet's convention is to ignore them.
        bad_share: the largest share of unusable files, 0..1; with more, the call fails.
        quality: of JPEGs in the store; None for raw pixels.
        whole: take all images of a folder of class folders, for testing: as "train", and nothing as "val".
        wait: wait for another process that makes this store, and take what it made.

    Raises:
        UserError: the source has no usable layout, too many bad files, or changes during the work; or the destination
            is something else than a store of this source, or cannot be written.
    """
    if quality is not None and (geometry.channels not in _JPEG_CHANNELS or geometry.bits > 8):
        raise UserError(
            f"JPEGs hold 1 or 3 channels of 8 bits, not {geometry.channels} of {geometry.bits} bits: store raw pixels"
        )
    destination, form = destination.resolve(), _Form(geometry, exif, quality, whole)
    if not destination.exists():
        start_importing()  # it takes about as long as to list the source
    with open_source(source, whole) as opened:
        wanted = _origin(opened, form)
        _check_destination(destination, opened.root, wanted)
        partial = destination.with_name(f"{destination.name}.partial")
        if _is_current(destination, wanted) and not partial.exists():
            _say(f"{printable(destination)} is up to date")
            return open_store(destination)
        try:
            destination.parent.mkdir(parents=True, exist_ok=True)
            _check_partial(partial)
            with folder_lock(partial, wait):
                if not _is_current(destination, wanted):
                    _restore_old(partial, destination)
                    _make(_Work(opened.images, form, partial), wanted, workers, bad_share)
                    _publish(partial, destination)
                shutil.rmtree(partial, ignore_errors=True)  # another process may make its lock in it meanwhile
        except OSError as error:
            step = "" if wait else "; choose another folder with --out"
            raise UserError(f"{printable(destination)} cannot be made: {_reason(error)}{step}") from None
    return open_store(destination)


def store_for(data: Path, geometry: Geometry, workers: int, whole: bool = False) -> Store:
    """The store of some images: `data` itself, or the store of a source of images, prepared first if it is missing.

    Args:
        data: a store or a source of images.
        geometry: how images are scaled and cut, and their channels.
        workers: the number of processes that decode images.
        whole: take all images of a folder of class folders, for testing, as `prepare` does.

    Raises:
        UserError: the store does not fit `geometry`, or the images changed since it was made.
    """
    if is_store(data):
        return _fitting(open_store(data), geometry)
    if (data / SOURCE).is_file():
        raise UserError(f"{printable(data)} is an unfinished store: run `alexc prepare` again, and it continues")
    raw, jpegs = (default_destination(data, geometry, jpeg=jpeg, whole=whole) for jpeg in (False, True))
    destination = jpegs if is_store(jpegs) and not is_store(raw) else raw
    if not is_store(destination):
        if data.exists():
            _check_writable(destination, data, geometry, whole)
            _say(f"{printable(data)} is not prepared yet: making the store {printable(destination)}")
        prepare(data, destination, geometry, workers, whole=whole, wait=True)
        return open_store(destination)
    quality = read_source(destination).get("quality")
    with open_source(data, whole) as opened:
        current = _is_current(destination, _origin(opened, _Form(geometry, False, quality, whole)))
    if not current:
        again = f"alexc prepare {shell_line(data)} {geometry.options()}"
        if quality is not None:
            again += f" --format jpeg --quality {quality}"
        again += " --whole" if whole else ""
        raise UserError(
            f"{printable(data)} has changed since its store {printable(destination)} was made: run `{again}` again"
        )
    return open_store(destination)


def _check_writable(destination: Path, data: Path, geometry: Geometry, whole: bool) -> None:
    there = next(folder for folder in destination.absolute().parents if folder.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        options = f"{geometry.options()}{' --whole' if whole else ''}"
        command = f"alexc prepare {shell_line(data)} {options} --out STORE"
        raise UserError(
            f"{printable(there)} cannot be written, so the store {printable(destination)} cannot be made: make one "
            f"elsewhere with `{command}`, and give --data STORE"
        )


def default_destination(
    source: Path, geometry: Geometry, exif: bool = False, jpeg: bool = False, whole: bool = False
) -> Path:
    """The default store of a source, under `stores/` in the current folder."""
    root = source.resolve()
    options = json.dumps([str(root), geometry.as_values(), exif, *(["whole"] if whole else [])])
    kind = "-jpeg" if jpeg else ""
    digest = hashlib.sha256(options.encode()).hexdigest()[:6]
    return Path("stores") / f"{root.name or 'root'}-{sides_text(geometry.crop)}{kind}-{digest}"


def _origin(source: ImageSource, form: _Form) -> dict[str, object]:
    """The source and options of a store, as far as they are known without opening an image."""
    whole: dict[str, object] = {"whole": True} if form.whole else {}  # stores of an earlier alexc do not say it
    return whole | {
        "version": VERSION,
        "folder": str(source.root.resolve()),
        "fingerprint": source.fingerprint,
        "geometry": form.geometry.as_values(),
        "exif": form.exif,
        "quality": form.quality,
    }


def _fitting(store: Store, geometry: Geometry) -> Store:
    if store.geometry != geometry:
        raise UserError(
            f"{printable(store.path)} holds images with {store.geometry.in_words()}, "
            f"but the network wants {geometry.in_words()}: "
            f"run `alexc prepare DATA {geometry.options()}` and train from that store"
        )
    return store


def _check_destination(destination: Path, root: Path, wanted: dict[str, object]) -> None:
    shown = printable(destination)
    if destination.is_relative_to(root.resolve()):
        raise UserError(
            f"the store {shown} would lie in the folder of images: choose another folder with --out, or work elsewhere"
        )
    if not destination.exists():
        return
    if not is_store(destination):
        if destination.is_dir() and not any(destination.iterdir()):
            return
        raise UserError(f"{shown} exists and is not a store; it was left as it is: choose another folder with --out")
    made_from = read_source(destination)
    for key, what in (
        ("folder", "the images of"),
        ("geometry", "sizes"),
        ("exif", "EXIF orientations applied:"),
        ("quality", "images kept as"),
        ("whole", "all images as one split:"),
    ):
        old, new = made_from.get(key), wanted.get(key)
        if old != new:
            if key == "quality":
                old, new = _kept_as(old), _kept_as(new)
            raise UserError(
                f"{shown} is a store of {what} {printable(old)}, not {printable(new)}; it was left as it is: "
                "choose another folder with --out"
            )


def _kept_as(quality: object) -> str:
    return "raw pixels" if quality is None else f"JPEGs of quality {quality}"


def _check_partial(partial: Path) -> None:
    with suppress(FileNotFoundError):  # another process may have finished, and removed it
        strange = {entry.name for entry in partial.iterdir()} - _PARTIAL_NAMES
        strange = {name for name in strange if not name.endswith(".tmp")}
        if strange:
            raise UserError(
                f"{printable(partial)} is needed for the work, but holds {printable(min(strange))}, "
                "which is not alexc's: move it, or choose another folder with --out"
            )


def _is_current(destination: Path, wanted: dict[str, object]) -> bool:
    """Whether there is a store of exactly these files; an older version of the format is good enough."""
    if not is_store(destination):
        return False
    made_of = read_source(destination)
    return made_of.get("version") in READ_VERSIONS and made_of | {"version": VERSION} == wanted


def _restore_old(partial: Path, destination: Path) -> None:
    """Put the replaced store back if a call ended between the two renames of `_publish`."""
    if is_store(partial / "old") and not destination.exists():
        (partial / "old").rename(destination)


def _make(work: _Work, wanted: dict[str, object], workers: int, bad_share: float) -> None:
    """Make a complete store in the folder `store` of the work."""
    _clear_stale_work(work.partial, wanted)
    _check_space(work)
    try:
        _make_shards(work, workers)
    finally:
        _remove_temporary(work.partial)  # of shards that were made, but not kept
    quarantined = _quarantined(work)
    _check_quarantine(work, quarantined, bad_share)
    root = work.images.root
    with open_source(root, work.form.whole) as now:
        if now.fingerprint != wanted["fingerprint"]:
            raise UserError(f"{printable(root)} changed while it was prepared: run the same command again")
    content = StoreContent(
        classes=work.images.classes,
        geometry=work.form.geometry,
        quality=work.form.quality,
        splits={split: _split_content(work, split) for split in SPLITS},
        image_sum=_image_sum(work),
        color_sums=_color_sums(work),
        preparation=_preparation(work, quarantined),
        source=wanted,
    )
    write_store(work.partial / "store", content)


def _clear_stale_work(partial: Path, wanted: dict[str, object]) -> None:
    try:
        stale = read_source(partial) != wanted
    except UserError:
        stale = True
    if stale:
        for name in ("store", "records"):
            shutil.rmtree(partial / name, ignore_errors=True)
        write_bytes(partial / SOURCE, json.dumps(wanted).encode())
    for name in ("store", "records"):
        (partial / name).mkdir(exist_ok=True)
    _remove_temporary(partial)


def _remove_temporary(partial: Path) -> None:
    for name in ("store", "records"):
        for left_over in (partial / name).glob("*.tmp"):
            left_over.unlink()


def _slices(images: ImageList) -> tuple[_Slice, ...]:
    slices: list[_Slice] = []
    for split in SPLITS:
        files = images.count(split)
        length = shard_length(files)
        starts = range(0, files, length)
        slices += [_Slice(split, number, start, min(start + length, files)) for number, start in enumerate(starts)]
    return tuple(slices)


def _check_space(work: _Work) -> None:
    images, geometry = sum(part.stop - part.start for part in work.unfinished()), work.form.geometry
    needed = images * geometry.image_bytes * (1 if work.form.quality is None else _JPEG_SHARE)
    free = shutil.disk_usage(work.partial).free
    if needed > free:
        height, width, channels = geometry.shape
        raw = f"{height} x {width} x {channels * geometry.bits // 8} bytes"
        kind = raw if work.form.quality is None else f"{height} x {width} pixels as JPEGs"
        raise UserError(
            f"{printable(work.partial.parent)} has {bytes_text(free)} free, but {images:,} images of {kind} "
            f"need {bytes_text(needed)}: free some, or choose another disk with --out"
        )


def _make_shards(work: _Work, workers: int) -> None:
    todo = work.unfinished()
    if not todo:
        return
    done = len(work.images) - sum(part.stop - part.start for part in todo)
    with Progress("prepare", len(work.images), "images", done) as progress, ThreadPoolExecutor(workers) as disk:
        syncing: deque[Future[None]] = deque()

        def keep(task: ShardTask) -> None:
            syncing.append(disk.submit(keep_shard, task))
            if len(syncing) > workers:
                syncing.popleft().result()
            progress.advance(len(task.files))

        try:
            run_in_workers(make_shard, map(work.task, todo), workers, keep)
            for shard in syncing:
                shard.result()
        except WorkerDied as death:
            in_work = [task.files for task in death.tasks if isinstance(task, ShardTask)]
            raise UserError(
                "a worker process died, killed from outside or out of memory. The work so far is kept: run the "
                "same command again, with fewer --workers if memory is short. In progress were "
                + "; ".join(f"{printable(files[0].path)} to {printable(files[-1].path)}" for files in in_work)
            ) from None


def _quarantined(work: _Work) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for part, record in work.finished():
        if record.bad:
            files = work.files(part)
            found += [(files[position].path, reason) for position, reason in record.bad]
    return tuple(found)


def _check_quarantine(work: _Work, quarantined: tuple[tuple[str, str], ...], bad_share: float) -> None:
    """Fail if too many files are bad, or all files of a class."""
    images, listed = work.images, work.partial / _QUARANTINE
    lines = [f"{printable(file)}: {printable(reason)}" for file, reason in quarantined]
    shown = "\n".join(["", *(f"  {line}" for line in lines[:_MOST_FILES_SHOWN])])
    if len(lines) > _MOST_FILES_SHOWN:
        shown += f"\n  and {len(lines) - _MOST_FILES_SHOWN:,} more"
    write_bytes(listed, "".join(f"{line}\n" for line in lines).encode())
    share = len(quarantined) / len(images)
    if share > bad_share:
        raise UserError(
            f"{len(quarantined):,} of {len(images):,} files in {printable(images.root)} are not usable images, "
            f"{share:.1%}, over the limit of {bad_share:.1%}: repair or remove them, or raise --bad-share. "
            f"The work so far is kept; all are listed in {printable(listed)}:{shown}"
        )
    for split in () if images.several_labels else filter(images.count, SPLITS):
        good = Counter(image.label for image in _stored_images(work, split))
        for label, name in enumerate(images.classes):
            if not good[label]:
                raise UserError(f"class {printable(name)} has no usable image in {split}:{shown}")


def _shards(work: _Work, split: SplitName) -> tuple[Shard, ...]:
    return tuple(
        Shard(
            shard_file(part.name, work.form.quality, work.form.geometry.bits),
            record.images,
            record.ends[-1],
            record.sha256,
        )
        for part, record in work.finished()
        if part.split == split and record.images
    )


def _split_content(work: _Work, split: SplitName) -> SplitContent:
    labels = None
    if work.images.several_labels:
        labels = sum(len(image.labels or ()) for image in _stored_images(work, split))
    return SplitContent(_shards(work, split), _stored_images(work, split), labels)


def _stored_images(work: _Work, split: SplitName) -> Iterator[StoredImage]:
    for part, record in work.finished():
        if part.split == split:
            for file, end in zip(_good(work.files(part), record), record.ends, strict=True):
                yield StoredImage(file.label, file.path, end, file.labels)


def _good(files: Sequence[SourceFile], record: ShardRecord) -> list[SourceFile]:
    bad = {position for position, _ in record.bad}
    return [file for position, file in enumerate(files) if position not in bad]


def _image_sum(work: _Work) -> NDArray[np.int64]:
    total = np.zeros(work.form.geometry.shape, np.int64)
    for part in work.slices:
        if part.split == "train":
            total += read_image_sum(work.records, part.name)
    return total


def _color_sums(work: _Work) -> ColorSums:
    sums = [record.color_sums for part, record in work.finished() if part.split == "train"]
    channels = range(work.form.geometry.channels)
    return ColorSums(
        sum(one.pixels for one in sums),
        tuple(sum(one.values[i] for one in sums) for i in channels),
        tuple(tuple(sum(one.products[i][j] for one in sums) for j in channels) for i in channels),
    )


def _preparation(work: _Work, quarantined: tuple[tuple[str, str], ...]) -> PrepareFindings:
    treatments: Counter[str] = Counter()
    small = 0
    for _, record in work.finished():
        treatments.update(record.treatments)
        small += record.small
    return PrepareFindings(
        layout=work.images.layout,
        exif=work.form.exif,
        treatments=dict(treatments),
        small=small,
        ignored=work.images.ignored,
        quarantined=quarantined,
        duplicates=_duplicates(work),
    )


def _duplicates(work: _Work) -> tuple[tuple[str, ...], ...]:
    with scratch_database() as database:
        found = Duplicates(database)
        for part, record in work.finished():
            for digest, file in zip(record.digests, _good(work.files(part), record), strict=True):
                label = file.label if file.labels is None else file.labels
                found.add(digest, f"{part.split} {label}", file.path)
        return found.groups()


def _publish(partial: Path, destination: Path) -> None:
    """Rename the finished store to its place; a store that is there is moved aside first."""
    if destination.exists():
        if (partial / "old").exists():
            shutil.rmtree(partial / "old")
        destination.rename(partial / "old")
    (partial / "store").rename(destination)
    sync_folder(destination.parent)


def _reason(error: OSError) -> str:
    reason = (error.strerror or str(error)).lower()
    return f"{printable(error.filename)}: {reason}" if error.filename else reason


def _say(line: str) -> None:
    if (bar := training_bar()) is not None:
        bar.note(line)
    else:
        print(line, file=sys.stderr, flush=True)
