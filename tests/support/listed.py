"""A source of images, listed and held in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alexc.runtime.data.image_list import SourceFile
from alexc.runtime.data.image_source import open_source
from alexc.runtime.data.store import SPLITS


@dataclass(frozen=True)
class Listed:
    classes: tuple[str, ...]
    splits: dict[str, tuple[SourceFile, ...]]
    layout: str
    ignored: int
    fingerprint: str

    def __len__(self) -> int:
        return sum(map(len, self.splits.values()))


def list_images(root: Path, whole: bool = False) -> Listed:
    with open_source(root, whole) as source:
        images = source.images
        splits: dict[str, tuple[SourceFile, ...]] = {
            split: images.files(split, 0, images.count(split)) for split in SPLITS
        }
        assert sum(map(len, splits.values())) == len(images)
        return Listed(images.classes, splits, images.layout, images.ignored, source.fingerprint)
