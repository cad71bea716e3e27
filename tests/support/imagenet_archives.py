"""ImageNet's archives in small: the same layout, made of drawn images."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import scipy.io  # type: ignore[import-untyped]
from PIL import Image

SYNSETS = ("n03000002", "n01000001", "n02000003")  # in the order of their ILSVRC ids, which is not that of their names
DEVKIT = "ILSVRC2012_devkit_t12"
GROUND_TRUTH = (3, 1, 1, 2, 3)


def picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG")
    return content.getvalue()


def tar_of(files: Mapping[str, bytes], mode: str = "w") -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


def meta(synsets: Sequence[str] = SYNSETS) -> bytes:
    """As the devkit's meta.mat: the synsets with their ids, and after them those that are not leaves."""
    rows = [(number + 1, wnid, f"word {wnid}", "a gloss", 0) for number, wnid in enumerate(synsets)]
    rows += [(len(synsets) + 1, "n00001740", "entity", "that which is", 2)]
    types = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("gloss", "O"), ("num_children", "O")]
    content = io.BytesIO()
    scipy.io.savemat(content, {"synsets": np.array(rows, types).reshape(-1, 1)}, do_compression=True)
    return content.getvalue()


def devkit_files(truth: Sequence[int] = GROUND_TRUTH, synsets: Sequence[str] = SYNSETS) -> dict[str, bytes]:
    return {
        f"{DEVKIT}/readme.txt": b"read me",
        f"{DEVKIT}/data/meta.mat": meta(synsets),
        f"{DEVKIT}/data/ILSVRC2012_validation_ground_truth.txt": "".join(f"{number}\n" for number in truth).encode(),
    }


def training_images() -> dict[str, dict[str, bytes]]:
    return {
        wnid: {f"{wnid}_{number}.JPEG": picture(100 * place + number) for number in range(4 + place)}
        for place, wnid in enumerate(SYNSETS)
    }


def validation_images(count: int = len(GROUND_TRUTH)) -> dict[str, bytes]:
    return {f"ILSVRC2012_val_{number:08d}.JPEG": picture(1000 + number) for number in range(1, count + 1)}


def write_archives(folder: Path) -> Path:
    """The three archives, as they are distributed."""
    folder.mkdir(parents=True, exist_ok=True)
    train = {f"{wnid}.tar": tar_of(images) for wnid, images in training_images().items()}
    (folder / "ILSVRC2012_img_train.tar").write_bytes(tar_of(train))
    (folder / "ILSVRC2012_img_val.tar").write_bytes(tar_of(validation_images()))
    (folder / f"{DEVKIT}.tar.gz").write_bytes(tar_of(devkit_files(), "w:gz"))
    return folder


def write_folders(folder: Path) -> Path:
    """The same images in an ImageFolder tree, as people unpack them."""
    for wnid, images in training_images().items():
        (folder / "train" / wnid).mkdir(parents=True)
        (folder / "val" / wnid).mkdir(parents=True)
        for name, content in images.items():
            (folder / "train" / wnid / name).write_bytes(content)
    for (name, content), number in zip(validation_images().items(), GROUND_TRUTH, strict=True):
        (folder / "val" / SYNSETS[number - 1] / name).write_bytes(content)
    return folder
