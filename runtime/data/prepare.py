"""From a folder of images to a store: in parallel, resumable after kill -9, finished by one rename.

While it is made, everything lies in STORE.partial:

    lock          held by the process that works here
    source.json   what is being made: partial work for anything else is thrown away
    store/        becomes STORE by one rename
    records/      what came out of each finished shard
    old/          for an instant, the store that the new one replaces
"""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexc.runtime.data.image_folder import ImageFolder, SourceFile, list_images
from alexc.runtime.data.shards import (
    ShardRecord,
    ShardTask,
    make_shard,
    read_image_sum,
    read_record,
    shard_length,
)
from alexc.runtime.data.store import (
    SOURCE,
    SPLITS,
    ColorSums,
    Geometry,
    Preparation,
    Shard,
    SplitContent,
    SplitName,
    Store,
    is_store,
    open_store,
    read_source,
    write_store,
)
from alexc.runtime.data.worker_pool import WorkerDied, run_in_workers
from alexc.runtime.durable_files import sync_folder, write_bytes
from alexc.runtime.errors import UserError
from alexc.runtime.folder_lock import LOCK, folder_lock
from alexc.runtime.printable import printable
from alexc.runtime.progress import Progress

BAD_SHARE = 0.01
QUARANTINE = "quarantine.txt"
_PARTIAL_NAMES = frozenset((LOCK, SOURCE, "store", "records", "old", QUARANTINE))
_MOST_FILES_SHOWN = 10


@dataclass(frozen=True)
class _Slice:
    """A shard's task and the source files it is about; the record once the shard is finished."""

    split: SplitName
    files: tuple[SourceFile, ...]
    task: ShardTask

    def record(self) -> ShardRecord:
        record = read_record(self.task)
        assert record is not None, f"{self.task.name} is not finished"
        return record


def prepare(
    source: Path,
    destination: Path,
    geometry: Geometry,
    workers: int,
    exif: bool = False,
    bad_share: float = BAD_SHARE,
) -> Store:
    """Make a store of the images in `source`, or go on where an earlier call was stopped.

    The result is the same, byte for byte, for any number of workers and any number of interruptions. A finished
    store of the same source and options is returned at once; one whose source has changed is made anew beside it and
    replaced when the new one is whole.

    Args:
        source: a folder as `image_folder` describes.
        destination: the store's folder; beside it, while working, lies one of the same name ending in ".partial".
        geometry: how images become square.
        workers: how many processes decode images.
        exif: apply EXIF orientations; ImageNet's convention is to ignore them.
        bad_share: the highest share of unusable files, 0..1; over it the call fails.

    Raises:
        UserError: when the source has no usable layout, too many bad files or changes meanwhile; when the destination
            is something else than a store of this source, or cannot be written.
    """
    destination = destination.resolve()
    images = list_images(source)
    wanted = _origin(images, geometry, exif)
    _check_destination(destination, images.root, wanted)
    partial = destination.with_name(f"{destination.name}.partial")
    if _is_current(destination, wanted) and not partial.exists():
        _say(f"{printable(destination)} is up to date")
        return open_store(destination)
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        _check_partial(partial)
        with folder_lock(partial):
            if not _is_current(destination, wanted):
                _restore_old(partial, destination)
                _make(images, wanted, partial, geometry, exif, workers, bad_share)
                _publish(partial, destination)
            shutil.rmtree(partial)
    except OSError as error:
        raise UserError(f"{printable(destination)} cannot be made: {_reason(error)}") from None
    return open_store(destination)


def store_for(data: Path, geometry: Geometry, workers: int) -> Store:
    """The store to train from: `data` itself, or the one of a folder of images, prepared first when missing.

    Raises:
        UserError: when a store does not fit `geometry`, or the images changed since their store was made.
    """
    if is_store(data):
        return _fitting(open_store(data), geometry)
    if (data / SOURCE).is_file():
        raise UserError(f"{printable(data)} is an unfinished store: run `alexc prepare` again, it goes on")
    destination = default_destination(data, geometry)
    if not is_store(destination):
        if data.is_dir():
            _say(f"{printable(data)} is not prepared yet: making the store {printable(destination)}")
        return prepare(data, destination, geometry, workers)
    if not _is_current(destination, _origin(list_images(data), geometry, exif=False)):
        again = f"alexc prepare {shlex.quote(str(data))} --resize {geometry.resize} --crop {geometry.crop}"
        raise UserError(
            f"{printable(data)} has changed since its store {printable(destination)} was made: "
            f"run `{printable(again)}` again"
        )
    return open_store(destination)


def default_destination(source: Path, geometry: Geometry, exif: bool = False) -> Path:
    """Where the store of a source lies when nothing else is said: under `stores/` in the current folder."""
    root = source.resolve()
    options = json.dumps([str(root), asdict(geometry), exif])
    return Path("stores") / f"{root.name or 'root'}-{geometry.crop}-{hashlib.sha256(options.encode()).hexdigest()[:6]}"


def _origin(images: ImageFolder, geometry: Geometry, exif: bool) -> dict[str, object]:
    """What a store was made of, as far as it can be told without opening an image."""
    return {
        "folder": str(images.root.resolve()),
        "fingerprint": images.fingerprint(),
        "geometry": asdict(geometry),
        "exif": exif,
    }


def _fitting(store: Store, geometry: Geometry) -> Store:
    if store.geometry != geometry:
        raise UserError(
            f"{printable(store.path)} holds images with {_geometry_text(store.geometry)}, "
            f"but the network wants {_geometry_text(geometry)}: "
            f"run `alexc prepare DATA --resize {geometry.resize} --crop {geometry.crop}` and train from that store"
        )
    return store


def _geometry_text(geometry: Geometry) -> str:
    return f"shorter side {geometry.resize} and crop {geometry.crop}"


def _check_destination(destination: Path, root: Path, wanted: dict[str, object]) -> None:
    shown = printable(destination)
    if destination.is_relative_to(root.resolve()):
        raise UserError(
            f"the store {shown} would lie in the folder of images: choose another place by --out, or work elsewhere"
        )
    if not destination.exists():
        return
    if not is_store(destination):
        if destination.is_dir() and not any(destination.iterdir()):
            return
        raise UserError(f"{shown} exists and is not a store; it was left as it is: choose another place by --out")
    made_from = read_source(destination)
    for key, what in (("folder", "the images of"), ("geometry", "sizes"), ("exif", "EXIF orientations applied:")):
        old, new = made_from.get(key), wanted[key]
        if old != new:
            raise UserError(
                f"{shown} is a store of {what} {printable(old)}, not {printable(new)}; it was left as it is: "
                "choose another place by --out"
            )


def _check_partial(partial: Path) -> None:
    if partial.is_dir():
        strange = {entry.name for entry in partial.iterdir()} - _PARTIAL_NAMES
        strange = {name for name in strange if not name.endswith(".tmp")}
        if strange:
            raise UserError(
                f"{printable(partial)} is needed for the work, but holds {printable(min(strange))}, "
                "which is not alexc's: move it, or choose another place by --out"
            )


def _is_current(destination: Path, wanted: dict[str, object]) -> bool:
    return is_store(destination) and read_source(destination) == wanted


def _restore_old(partial: Path, destination: Path) -> None:
    """Put the replaced store back: an earlier call ended between the two renames of `_publish`."""
    if is_store(partial / "old") and not destination.exists():
        (partial / "old").rename(destination)


def _make(
    images: ImageFolder,
    wanted: dict[str, object],
    partial: Path,
    geometry: Geometry,
    exif: bool,
    workers: int,
    bad_share: float,
) -> None:
    """Leave a whole store in partial/store."""
    _clear_stale_work(partial, wanted)
    slices = _slices(images, partial, geometry, exif)
    todo = [part.task for part in slices if read_record(part.task) is None]
    _check_space(partial, sum(len(task.files) for task in todo), geometry)
    _make_shards(todo, len(images), workers)
    records = [part.record() for part in slices]
    quarantined = _quarantined(slices, records)
    _check_quarantine(images, quarantined, partial, bad_share)
    if list_images(images.root).fingerprint() != wanted["fingerprint"]:
        raise UserError(f"{printable(images.root)} changed while it was prepared: run the same command again")
    write_store(
        partial / "store",
        images.classes,
        geometry,
        {name: _content(name, slices, records) for name in SPLITS},
        _image_sum(slices, geometry),
        _color_sums(slices, records),
        _preparation(images, exif, slices, records, quarantined),
        wanted,
    )


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
        for left_over in (partial / name).glob("*.tmp"):
            left_over.unlink()


def _slices(images: ImageFolder, partial: Path, geometry: Geometry, exif: bool) -> list[_Slice]:
    slices = []
    for split in SPLITS:
        files = images.splits[split]
        length = shard_length(len(files))
        for number, start in enumerate(range(0, len(files), length)):
            part = files[start : start + length]
            task = ShardTask(
                name=f"{split}-{number:05d}",
                root=images.root,
                files=tuple(file.path for file in part),
                pixels=partial / "store",
                records=partial / "records",
                geometry=geometry,
                exif=exif,
            )
            slices.append(_Slice(split, part, task))
    return slices


def _check_space(partial: Path, images: int, geometry: Geometry) -> None:
    needed = images * geometry.crop**2 * 3
    free = shutil.disk_usage(partial).free
    if needed > free:
        raise UserError(
            f"{printable(partial.parent)} has {free / 1e9:,.1f} GB free, but {images:,} images of {geometry.crop} x "
            f"{geometry.crop} x 3 bytes need {needed / 1e9:,.1f} GB: free some, or choose another disk by --out"
        )


def _make_shards(todo: Sequence[ShardTask], images: int, workers: int) -> None:
    if not todo:
        return
    done = images - sum(len(task.files) for task in todo)
    with Progress("prepare", images, "images", done) as progress:
        try:
            run_in_workers(make_shard, todo, workers, lambda task: progress.advance(len(task.files)))
        except WorkerDied as death:
            in_work = (todo[position].files for position in death.positions)
            raise UserError(
                "a worker process died, killed from outside or for want of memory. The work so far is kept: run the "
                "same command again, with fewer --workers if memory is short. In work were "
                + "; ".join(f"{printable(files[0])} to {printable(files[-1])}" for files in in_work)
            ) from None


def _quarantined(slices: Sequence[_Slice], records: Sequence[ShardRecord]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (part.files[position].path, reason)
        for part, record in zip(slices, records, strict=True)
        for position, reason in record.bad
    )


def _check_quarantine(
    images: ImageFolder, quarantined: tuple[tuple[str, str], ...], partial: Path, bad_share: float
) -> None:
    """Fail when too many files are bad, or all of a class."""
    lines = [f"{printable(file)}: {printable(reason)}" for file, reason in quarantined]
    shown = "\n".join(["", *(f"  {line}" for line in lines[:_MOST_FILES_SHOWN])])
    if len(lines) > _MOST_FILES_SHOWN:
        shown += f"\n  and {len(lines) - _MOST_FILES_SHOWN:,} more"
    write_bytes(partial / QUARANTINE, "".join(f"{line}\n" for line in lines).encode())
    share = len(quarantined) / len(images)
    if share > bad_share:
        raise UserError(
            f"{len(quarantined):,} of {len(images):,} files in {printable(images.root)} are no usable images, "
            f"{share:.1%}, over the ceiling of {bad_share:.1%}: repair or remove them, or raise --bad-share. "
            f"The work so far is kept; all are listed in {printable(partial / QUARANTINE)}:{shown}"
        )
    bad = {file for file, _ in quarantined}
    for split in SPLITS:
        good = Counter(file.label for file in images.splits[split] if file.path not in bad)
        for label, name in enumerate(images.classes):
            if not good[label]:
                raise UserError(f"class {printable(name)} has no usable image in {split}:{shown}")


def _content(split: SplitName, slices: Sequence[_Slice], records: Sequence[ShardRecord]) -> SplitContent:
    shards, good = [], []
    for part, record in zip(slices, records, strict=True):
        if part.split == split:
            good += _good(part, record)
            if record.images:
                shards.append(Shard(f"{part.task.name}.u8", record.images, record.sha256))
    return SplitContent(
        tuple(shards), np.array([file.label for file in good], np.int64), tuple(file.path for file in good)
    )


def _good(part: _Slice, record: ShardRecord) -> list[SourceFile]:
    bad = {position for position, _ in record.bad}
    return [file for position, file in enumerate(part.files) if position not in bad]


def _image_sum(slices: Sequence[_Slice], geometry: Geometry) -> NDArray[np.int64]:
    total = np.zeros((geometry.crop, geometry.crop, 3), np.int64)
    for part in slices:
        if part.split == "train":
            total += read_image_sum(part.task)
    return total


def _color_sums(slices: Sequence[_Slice], records: Sequence[ShardRecord]) -> ColorSums:
    sums = [record.color_sums for part, record in zip(slices, records, strict=True) if part.split == "train"]
    return ColorSums(
        sum(one.pixels for one in sums),
        tuple(sum(one.values[i] for one in sums) for i in range(3)),
        tuple(tuple(sum(one.products[i][j] for one in sums) for j in range(3)) for i in range(3)),
    )


def _preparation(
    images: ImageFolder,
    exif: bool,
    slices: Sequence[_Slice],
    records: Sequence[ShardRecord],
    quarantined: tuple[tuple[str, str], ...],
) -> Preparation:
    treatments: Counter[str] = Counter()
    for record in records:
        treatments.update(record.treatments)
    return Preparation(
        layout=images.layout,
        exif=exif,
        treatments=dict(treatments),
        small=sum(record.small for record in records),
        ignored=images.ignored,
        quarantined=quarantined,
        duplicates=_duplicates(slices, records),
    )


def _duplicates(slices: Sequence[_Slice], records: Sequence[ShardRecord]) -> tuple[tuple[str, ...], ...]:
    """Groups of files with the same bytes that do not all lie in one class of one split."""
    groups: dict[str, list[tuple[SplitName, SourceFile]]] = {}
    for part, record in zip(slices, records, strict=True):
        for digest, file in zip(record.digests, _good(part, record), strict=True):
            groups.setdefault(digest, []).append((part.split, file))
    return tuple(
        tuple(file.path for _, file in group)
        for group in groups.values()
        if len({(split, file.label) for split, file in group}) > 1
    )


def _publish(partial: Path, destination: Path) -> None:
    """Put the finished store in its place by a rename; a store that lies there is put aside first."""
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
    print(line, file=sys.stderr, flush=True)
