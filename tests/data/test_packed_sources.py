"""Files that hold many images: each format is told by its content, and a damaged image is counted."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import getdoc
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from alexc.commands.prepare import prepare as prepare_command
from alexc.runtime.data import packed_file, pickled_batch
from alexc.runtime.data.decode import decode
from alexc.runtime.data.decoding_work import BadImage
from alexc.runtime.data.image_source import has_folders_of_classes, open_source
from alexc.runtime.data.packed_source import FORMATS
from alexc.runtime.data.prepare import prepare
from alexc.runtime.data.prepare_report import preparation_report
from alexc.runtime.data.store import SPLITS, Geometry
from alexc.runtime.errors import UserError
from tests.conftest import ROOT
from tests.support.photographs import content, photographs

SHARED = ROOT.parent / "shared" / "data"
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Read:
    """A source with every image decoded: its pixels, or the reason why it is unusable."""

    layout: str
    classes: tuple[str, ...]
    images: dict[str, dict[str, tuple[str, Pixels | str]]]
    ignored: int

    def pixels(self, split: str) -> dict[str, list[Pixels]]:
        found: dict[str, list[Pixels]] = {}
        for label, image in self.images[split].values():
            if not isinstance(image, str):
                found.setdefault(label, []).append(image)
        return found

    def faults(self) -> dict[str, str]:
        everything = {path: image for split in self.images.values() for path, (_, image) in split.items()}
        return {path: image for path, image in everything.items() if isinstance(image, str)}


def read(root: Path, whole: bool = False) -> Read:
    with open_source(root, whole) as source:
        images: dict[str, dict[str, tuple[str, Pixels | str]]] = {}
        found = source.images
        for split in SPLITS:
            images[split] = {}
            for file in found.files(split, 0, found.count(split)):
                labels = (file.label,) if file.labels is None else file.labels
                label = " ".join(found.classes[each] for each in labels)
                pixels: Pixels | str
                try:
                    pixels, _ = decode(file.read(source.root), PurePosixPath(file.path).suffix)
                except BadImage as fault:
                    pixels = str(fault)
                images[split][file.path] = (label, pixels)
        return Read(found.layout, found.classes, images, found.ignored)


def noise(count: int, *shape: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def png(pixels: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def files(root: Path, written: Mapping[str, bytes]) -> Path:
    for name, text in written.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text)
    return root


def tar_of(members: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, text in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(text)
            archive.addfile(header, io.BytesIO(text))
    return file.getvalue()


def zip_of(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return file.getvalue()


def tree_of(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


# idx files


def idx(values: NDArray[np.generic], type: int = 0x08) -> bytes:
    return bytes((0, 0, type, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def mnist(form: str = "{}-idx{}-ubyte", train: int = 20, test: int = 10, *channels: int) -> dict[str, bytes]:
    written = {}
    for name, count in (("train", train), ("t10k", test)):
        written[form.format(f"{name}-images", 3)] = idx(noise(count, 28, 28, *channels))
        written[form.format(f"{name}-labels", 1)] = idx(np.arange(count, dtype=np.uint8) % 10)
    return written


@pytest.mark.parametrize(
    "packed",
    [
        lambda written: written,
        lambda written: {f"{name}.gz": gzip.compress(text) for name, text in written.items()},
        lambda written: {f"MNIST/raw/{name.replace('-idx', '.idx')}": text for name, text in written.items()},
        lambda written: {"a.zip": zip_of(written)},
        lambda written: {"a.zip": zip_of({f"x/{name}.gz": gzip.compress(text) for name, text in written.items()})},
        lambda written: {"a.tar.xz": lzma.compress(tar_of(written))},
    ],
    ids=["plain", "gz", "folders", "zip", "zip of gz", "tar.xz"],
)
def test_idx_files_are_read(tmp_path: Path, packed: Callable[[dict[str, bytes]], dict[str, bytes]]) -> None:
    written = packed(mnist())
    root = files(tmp_path, {**written, "README.md": b"MNIST"})
    found = read(root / "a.zip" if "a.zip" in written else root / "a.tar.xz" if "a.tar.xz" in written else root)
    assert found.classes == tuple("0123456789")
    assert found.layout.startswith("idx files ")
    assert "t10k-images" in found.layout
    assert found.layout.endswith("val from its split test")
    images = noise(20, 28, 28)
    for label in range(10):
        train, val = (found.pixels(split)[str(label)] for split in SPLITS)
        assert np.array_equal(train, np.repeat(images[[label, label + 10], ..., None], 3, axis=-1))
        assert np.array_equal(val, np.repeat(images[[label], ..., None], 3, axis=-1))


def test_one_pair_of_idx_files_is_split_and_colours_are_kept(tmp_path: Path) -> None:
    pixels = noise(20, 4, 5, 3)
    files(tmp_path, {"digits": idx(pixels), "answers": idx((np.arange(20) % 2 + 7).astype(">i4"), 0x0C)})
    found = read(tmp_path)
    assert found.classes == ("7", "8")
    assert {split: len(images) for split, images in found.images.items()} == {"train": 16, "val": 4}
    every = {**found.images["train"], **found.images["val"]}
    assert all(np.array_equal(every[f"digits/{number:02d}"][1], pixels[number]) for number in range(20))
    assert len(read(tmp_path, whole=True).images["train"]) == 20


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"t10k-images-idx3-ubyte": None}, "has no labels beside"),
        ({"t10k-labels-idx1-ubyte": None}, "has no labels beside t10k-images-idx3-ubyte"),
        ({"t10k-images-idx3-ubyte": b"<html>"}, "has no images beside t10k-labels-idx1-ubyte"),
        ({"t10k-labels-idx1-ubyte": idx(np.zeros(9, np.uint8))}, "has 10 images, but t10k-labels-idx1-ubyte has 9"),
        ({"t10k-labels-idx1-ubyte": idx(np.zeros(10, np.uint8))[:-1]}, "ends in the middle of the labels"),
        ({"letters-train-images-idx3-ubyte": idx(noise(2, 3, 3))}, "has idx files of several sets, letters-train"),
        ({"train-images-idx3-ubyte": idx(np.zeros((20, 0, 5), np.uint8))}, "hold no images as MNIST's do"),
        ({"train-images-idx3-ubyte.gz": gzip.compress(idx(noise(20, 9, 9)))[:-9], "train-images-idx3-ubyte": None},
         "is damaged or no archive"),
    ],
    ids=["images", "labels", "html", "count", "cut labels", "two sets", "size", "cut gz"],
)  # fmt: skip
def test_wrong_idx_files_are_told(tmp_path: Path, change: dict[str, bytes | None], said: str) -> None:
    written = {**mnist(), **change}
    if change == {"t10k-images-idx3-ubyte": None}:
        written["val-images-idx3-ubyte"] = idx(noise(10, 28, 28))
    files(tmp_path, {name: text for name, text in written.items() if text is not None})
    with pytest.raises(UserError) as error:
        read(tmp_path)
    assert said in str(error.value)


def test_images_that_a_cut_idx_file_lacks_are_counted(tmp_path: Path) -> None:
    written = mnist()
    written["train-images-idx3-ubyte"] = written["train-images-idx3-ubyte"][: -784 - 1]
    faults = read(files(tmp_path, written)).faults()
    assert faults == dict.fromkeys(
        ("train-images-idx3-ubyte/18", "train-images-idx3-ubyte/19"), "the file ends before this image"
    )


# CIFAR


def binary_batch(images: Pixels, *labels: NDArray[np.integer]) -> bytes:
    columns = [each.astype(np.uint8)[:, None] for each in labels]
    return np.concatenate([*columns, images.reshape(len(images), -1)], axis=1).tobytes()


def python_batch(images: Pixels, labels: list[int], protocol: int = 2, fine: bool = False) -> bytes:
    """What Python 2 wrote: the texts of a pickle of protocol 2 are bytes."""
    array = images.reshape(len(images), -1)
    keys = {b"batch_label": b"training batch 1 of 5", b"fine_labels" if fine else b"labels": labels, b"data": array}
    written = pickle.dumps({**keys, b"filenames": [b"%d.png" % each for each in labels]}, 3 if protocol == 2 else 4)
    return (
        written.replace(b"\x80\x03", b"\x80\x02", 1).replace(b"numpy._core.", b"numpy.core.")
        if protocol == 2
        else written
    )


def cifar_binary() -> dict[str, bytes]:
    labels = np.arange(30) % 10
    written = {f"data_batch_{n}.bin": binary_batch(noise(30, 3, 32, 32, seed=n), labels) for n in (1, 2)}
    written["test_batch.bin"] = binary_batch(noise(20, 3, 32, 32, seed=9), labels[:20])
    return {**written, "batches.meta.txt": "\n".join([*NAMES, "", ""]).encode(), "readme.html": b"<html>"}


def cifar_python(protocol: int = 2) -> dict[str, bytes]:
    labels = [number % 10 for number in range(30)]
    written = {f"data_batch_{n}": python_batch(noise(30, 3, 32, 32, seed=n), labels, protocol) for n in (1, 2)}
    written["test_batch"] = python_batch(noise(20, 3, 32, 32, seed=9), labels[:20], protocol)
    return {**written, "batches.meta": pickle.dumps({b"label_names": [name.encode() for name in NAMES]}, 3)}


@pytest.mark.parametrize("form", ["folder", "tar.gz", "tar.bz2", "zip"])
@pytest.mark.parametrize("written", [cifar_binary(), cifar_python(), cifar_python(4)], ids=["binary", "python", "new"])
def test_cifars_batches_are_read(tmp_path: Path, written: dict[str, bytes], form: str) -> None:
    below = {f"cifar-10-batches/{name}": text for name, text in written.items()}
    packed = {
        "tar.gz": lambda: gzip.compress(tar_of(below), 1),
        "tar.bz2": lambda: bz2.compress(tar_of(below), 1),
        "zip": lambda: zip_of(below),
    }
    root = files(tmp_path, below) if form == "folder" else files(tmp_path, {form: packed[form]()}) / form
    found = read(root)
    assert found.classes == NAMES
    assert found.layout.startswith("CIFAR's ")
    assert found.faults() == {}
    for label, name in enumerate(NAMES):
        train = [noise(30, 3, 32, 32, seed=n)[label + k] for n in (1, 2) for k in (0, 10, 20)]
        val = [noise(20, 3, 32, 32, seed=9)[label + k] for k in (0, 10)]
        assert np.array_equal(found.pixels("train")[name], np.transpose(train, (0, 2, 3, 1)))
        assert np.array_equal(found.pixels("val")[name], np.transpose(val, (0, 2, 3, 1)))


def test_fine_labels_of_cifar_100_are_its_classes(tmp_path: Path) -> None:
    fine, images = np.arange(40) % 20 + 50, noise(40, 3, 32, 32)
    binary = {"train.bin": binary_batch(images, fine // 5, fine), "test.bin": binary_batch(images, fine // 5, fine)}
    python = {name: python_batch(images, fine.tolist(), fine=True) for name in ("train", "test")}
    for name, written in (("binary", binary), ("python", python)):
        found = read(files(tmp_path / name, written))
        assert found.classes == tuple(map(str, range(50, 70)))
        assert np.array_equal(found.pixels("train")["50"][0], images[0].transpose(1, 2, 0))


def test_damaged_records_of_a_binary_batch_are_counted(tmp_path: Path) -> None:
    batch = bytearray(binary_batch(noise(200, 3, 32, 32), np.arange(200) % 10))
    batch[3073 * 7] = 99
    faults = read(files(tmp_path, {"data_batch_1.bin": bytes(batch[:-5])})).faults()
    assert faults == {
        "data_batch_1.bin/00007": "the label 99 does not exist",
        "data_batch_1.bin/00199": "the file ends in the middle of this image",
    }


class Evil:
    """A pickle of it runs a program when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("was run",))


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        (pickle.dumps({"labels": Evil()}, 2), "would run '__builtin__ print', which a batch does not need"),
        (pickle.dumps({"labels": Evil()}, 4), "would run 'builtins print', which a batch does not need"),
        (pickle.dumps({"labels": [1.5]}, 2), "it has the instruction BINFLOAT, which a batch does not need"),
        (pickle.dumps({"labels": [1], "data": 3}, 2), "has no data and labels as a batch of CIFAR has"),
        (b"\x80\x02]U\x06labels.", "it holds no dictionary"),
        (b"\x80\x02}U\x06labels" + b"]" * 100, "pickle exhausted before seeing STOP"),
        (b"\x80\x02}U\x06labels" + b"]" * 5000 + b".", "far more instructions"),
        (b"\x80\x02}U\x06labelst.", "pop from empty list"),
        (b"\x80\x02}(U\x06labels]h\xff", "255"),
        (b"\x80\x02}(U\x06labelsT\xff\xff\xff\x7fxx", "expected 2147483647 bytes"),
        (python_batch(noise(20, 3, 32, 32), [0] * 20)[:-40_000], "is damaged or no batch of CIFAR"),
        (python_batch(noise(20, 3, 32, 32), [0] * 19), "has 20 images and other labels"),
        (python_batch(noise(20, 3, 32, 32), [0] * 20).replace(b"u1", b"O8"), "its pixels are no plain bytes"),
    ],
)
def test_a_pickle_is_never_run_and_a_wrong_one_is_told(
    tmp_path: Path, batch: bytes, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pickled_batch, "_MOST_INSTRUCTIONS", 4000)
    with pytest.raises(UserError) as error:
        read(files(tmp_path, {"data_batch_1": batch}))
    assert said in str(error.value)
    assert "download it again" in str(error.value)
    assert "was run" not in capsys.readouterr().out


# archives of folders


@pytest.mark.parametrize("form", ["tar", "tar.gz", "zip", "stored zip"])
def test_an_archive_of_a_folder_gives_the_list_of_the_folder(tmp_path: Path, form: str) -> None:
    root = photographs(tmp_path / "flowers", train=2, val=1)
    (root / "train" / "a" / "notes.txt").write_bytes(b"x")
    (root / "__MACOSX").mkdir()
    inside = {f"flowers/{name}": text for name, text in tree_of(root).items()}
    packed = {"zip": zip_of(inside), "stored zip": zip_of(inside, zipfile.ZIP_STORED), "tar": tar_of(inside)}
    packed["tar.gz"] = gzip.compress(packed["tar"])
    expected, found = read(root), read(files(tmp_path, {"data": packed[form]}) / "data")
    assert found.layout == "the folders in data: train from flowers/train/, val from flowers/val/"
    assert (found.classes, found.ignored) == (expected.classes, 1)
    assert found.faults() == {}
    for split in SPLITS:
        assert list(found.images[split]) == [f"flowers/{path}" for path in expected.images[split]]
        for (label, one), (other_label, other) in zip(
            found.images[split].values(), expected.images[split].values(), strict=True
        ):
            assert label == other_label
            assert np.array_equal(one, other)


@pytest.mark.parametrize("form", ["tar.gz", "zip"])
def test_a_label_file_in_an_archive_is_read(tmp_path: Path, form: str) -> None:
    pixels = noise(6, 9, 9, 3)
    inside = {f"set/x/{number}.png": png(each) for number, each in enumerate(pixels)}
    lines = [f"x/{number}.png,{'a b' if number % 2 else 'a'},{'val' if number > 3 else 'train'}" for number in range(6)]
    inside["set/labels.csv"] = "\n".join(["file,labels,split", *lines, "x/gone.png,a,train"]).encode()
    packed = gzip.compress(tar_of(inside)) if form == "tar.gz" else zip_of(inside)
    found = read(files(tmp_path, {"data": packed}) / "data")
    assert found.layout == "several labels per image from labels.csv"
    assert {path: label for path, (label, _) in found.images["val"].items()} == {
        "set/x/4.png": "a",
        "set/x/5.png": "a b",
    }
    assert np.array_equal(found.images["train"]["set/x/3.png"][1], pixels[3])
    assert found.faults() == {"set/x/gone.png": "cannot be read: it is not in the archive"}
    inside["set/labels.csv"] = b"file,labels\nx/1.png,a\n../x,b\n"
    with pytest.raises(UserError, match=r"data/set/labels\.csv:3: this line names the file '\.\./x'"):
        read(files(tmp_path, {"data": zip_of(inside)}) / "data")


def test_damaged_entries_of_a_zip_file_are_counted(tmp_path: Path) -> None:
    images = {f"{label}/{number}.png": png(noise(1, 9, 9, 3)[0]) for label in "ab" for number in range(4)}
    written = bytearray(zip_of(images, zipfile.ZIP_STORED))
    entries = zipfile.ZipFile(io.BytesIO(bytes(written))).infolist()
    written[entries[0].header_offset + 60] ^= 1  # of its content
    written[entries[1].header_offset] ^= 1  # of its local header
    written[entries[2].header_offset + 6] |= 1  # encrypted
    faults = read(files(tmp_path, {"x.zip": bytes(written)}) / "x.zip").faults()
    assert faults == {
        "a/0.png": "damaged: its content is not what was packed",
        "a/1.png": "damaged: the archive has no such file where it says",
        "a/2.png": "encrypted",
    }


def test_paths_in_an_archive_lead_nowhere_else(tmp_path: Path) -> None:
    images = {f"{label}/{number}.png": b"x" for label in "ab" for number in range(2)}
    strange = {
        "../up.png": b"x",
        "a/../../up.png": b"x",
        "/": b"x",
        "a": b"x",
        "/a/3.png": b"x",
        "b/" * 99 + "1.png": b"x",
        "./b/3.png": b"x",
    }
    found = read(files(tmp_path, {"x.tar": tar_of({**images, **strange})}) / "x.tar", whole=True)
    assert sorted(found.images["train"]) == ["a/0.png", "a/1.png", "a/3.png", "b/0.png", "b/1.png", "b/3.png"]
    assert found.ignored == 5


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.tar", tar_of({"a/1.png": b"x" * 3000})[:1500], "x.tar is damaged or no tar file"),
        ("x.tar.gz", gzip.compress(tar_of({"a/1.png": b"x" * 3000}))[:-20], "x.tar.gz is damaged or no archive"),
        ("x.zip", zip_of({"a/1.png": b"x" * 3000})[:-9], "x.zip is damaged or no zip file"),
        ("x.zip", zip_of({"readme": b"x"}), "x.zip has no class folders: expected DATA/train"),
        ("x.bin", b"nothing that is known", "is not a folder: expected DATA/train"),
        ("x.bin", b"", "; and no file that is read: a zip or tar file of a folder; idx files"),
    ],
    ids=["tar", "tar.gz", "zip", "no images", "unknown", "empty"],  # the archives hold the time of this test
)  # fmt: skip
def test_a_file_without_images_is_told(tmp_path: Path, name: str, text: bytes, said: str) -> None:
    with pytest.raises(UserError) as error:
        read(files(tmp_path, {name: text}) / name)
    assert said in str(error.value)


def test_what_unpacks_to_far_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_file, "_MOST_TIMES_LARGER", -1_000_000)
    files(tmp_path, {"x.tar.gz": gzip.compress(tar_of({"a": bytes(20_000_000)}), 1)})
    with pytest.raises(UserError, match=r"unpacks to over .*, as decompression bombs do"):
        read(tmp_path / "x.tar.gz")
    monkeypatch.undo()
    monkeypatch.setattr(packed_file, "_SPARE_ROOM", 1 << 62)
    with pytest.raises(UserError, match=r"the temporary folder has too little room to unpack .*TMPDIR"):
        read(tmp_path / "x.tar.gz")


def test_an_archive_in_a_folder_is_to_be_named_itself(tmp_path: Path) -> None:
    files(tmp_path, {"x.zip": zip_of({"a/1.png": b"x"})})
    with pytest.raises(UserError, match=r"holds x.zip: name this file itself, or unpack it"):
        read(tmp_path)


# WebDataset


def shard(first: int, count: int, classes: tuple[str, ...]) -> dict[str, bytes]:
    members = {}
    for number in range(first, first + count):
        members[f"./{number:06d}.jpg.png"] = png(noise(1, 8, 8, 3, seed=number)[0])
        members[f"./{number:06d}.cls"] = f"{classes[number % len(classes)]}\n".encode()
        members[f"./{number:06d}.json"] = b"{}"
    return members


def test_shards_of_webdataset_are_read(tmp_path: Path) -> None:
    written = {f"train/{n}.tar": tar_of(shard(n * 6, 6, ("2", "10"))) for n in range(2)}
    root = files(tmp_path, {**written, "val/0.tar": tar_of(shard(50, 4, ("2", "10")))})
    found = read(root)
    assert found.layout == "WebDataset shards train/0.tar, train/1.tar, val/0.tar"
    assert found.classes == ("2", "10")
    assert list(found.images["train"])[:2] == ["train/0.tar/./000000.jpg.png", "train/0.tar/./000001.jpg.png"]
    assert {split: len(images) for split, images in found.images.items()} == {"train": 12, "val": 4}
    for number, (label, pixels) in enumerate(found.images["train"].values()):
        assert label == ("2", "10")[number % 2]
        assert np.array_equal(pixels, noise(1, 8, 8, 3, seed=number)[0])
    assert set(read(root / "train" / "0.tar").pixels("val")) == {"2", "10"}


def test_wrong_samples_of_a_shard_are_counted_and_wrong_shards_are_told(tmp_path: Path) -> None:
    members = shard(0, 12, ("cat", "dog"))
    del members["./000003.cls"]
    members["./000004.cls"] = b"\xff"
    members["./000005.jpg.png"] = members["./000005.jpg.png"][:50]
    faults = read(files(tmp_path / "a", {"x.tar": tar_of(members)})).faults()
    assert faults.pop("x.tar/./000005.jpg.png").startswith("damaged")
    assert faults == {
        "x.tar/./000003.jpg.png": "no label: ./000003.cls is missing",
        "x.tar/./000004.jpg.png": "./000004.cls is no number and no name",
    }
    cut = tar_of(shard(0, 12, ("cat", "dog")))[:9000]
    with pytest.raises(UserError, match=r"y.tar is damaged or no tar file"):
        read(files(tmp_path / "a", {"y.tar": cut}))


# Parquet


def parquet_file(
    path: Path, images: list[bytes | None], labels: list[object], names: list[str] | None = None, column: str = "image"
) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    table = arrow.table({column: [{"bytes": each, "path": "x.png"} for each in images], "label": labels})
    if names is not None:
        features = {column: {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(table, path, row_group_size=5)


def test_parquet_files_of_the_hub_are_read(tmp_path: Path) -> None:
    images = noise(12, 6, 7, 3)
    for name, count in (("train-00000-of-00001", 12), ("validation-00000-of-00001", 4), ("test-00000-of-00001", 2)):
        labels: list[object] = [number % 2 for number in range(count)]
        if name.startswith("test"):
            labels = [-1, -1]
        written: list[bytes | None] = [png(each) for each in images[:count]]
        parquet_file(tmp_path / "data" / f"{name}.parquet", written, labels, ["roses", "daisies"], "img")
    files(tmp_path, {"README.md": b"---\n", ".gitattributes": b"*.parquet"})
    found = read(tmp_path)
    assert found.layout == (
        "Parquet files data/test-00000-of-00001.parquet, data/train-00000-of-00001.parquet, "
        "data/validation-00000-of-00001.parquet; not read: the split test"
    )
    assert found.classes == ("roses", "daisies")
    assert {split: len(each) for split, each in found.images.items()} == {"train": 12, "val": 4}
    for number, (label, pixels) in enumerate(found.images["train"].values()):
        assert label == ("roses", "daisies")[number % 2]
        assert np.array_equal(pixels, images[number])


def test_parquet_files_can_have_names_and_several_labels(tmp_path: Path) -> None:
    written: list[bytes | None] = [png(each) for each in noise(10, 6, 7, 3)]
    parquet_file(tmp_path / "one.parquet", written, ["cat", "dog"] * 5)
    assert read(tmp_path / "one.parquet").classes == ("cat", "dog")
    parquet_file(tmp_path / "several.parquet", written, [["sun", "sea"], []] * 5)
    found = read(tmp_path / "several.parquet")
    assert found.classes == ("sea", "sun")
    assert {label for label, _ in found.images["train"].values()} == {"sea sun", ""}


def test_wrong_rows_are_counted_and_wrong_parquet_files_are_told(tmp_path: Path) -> None:
    written: list[bytes | None] = [png(each) for each in noise(10, 6, 7, 3)]
    parquet_file(
        tmp_path / "a.parquet", [b"", None, b"x", *written[3:]], [0, 1, 0, None, -1, 0, 1, 7, 0, 1], ["a", "b"]
    )
    faults = read(tmp_path / "a.parquet", whole=True).faults()
    assert {path[-1]: fault[:40] for path, fault in faults.items()} == {
        "0": "the row has no image",
        "1": "the row has no image",
        "2": "not an image in one of the formats read ",
        "3": "the row has no label",
        "4": "the row has no label",
        "7": "its label is not one of the classes",
    }
    whole = (tmp_path / "a.parquet").read_bytes()
    faults = read(files(tmp_path, {"a.parquet": whole[:6] + bytes(30) + whole[36:]}) / "a.parquet", whole=True).faults()
    assert faults["a.parquet/00"].startswith("damaged: row group 0 cannot be read")
    with pytest.raises(UserError, match=r"a.parquet is damaged or no Parquet file"):
        read(files(tmp_path, {"a.parquet": whole[:-20]}) / "a.parquet")
    parquet_file(tmp_path / "a.parquet", written, [1.5] * 10)
    with pytest.raises(UserError, match="the column label has values of type double: expected numbers or names"):
        read(tmp_path / "a.parquet")
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({"text": ["x"], "label": [1]}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match="has the columns text, label: expected `image`, with the field `bytes`"):
        read(tmp_path / "a.parquet")


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(UserError, match=r"Parquet files need the package pyarrow: pip install 'alexc\[parquet\]'"):
        read(files(tmp_path, {"x.parquet": b"PAR1" + bytes(100) + b"PAR1"}))


# All of them


def test_files_of_two_formats_are_not_guessed_at(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has files of several formats, .*: keep those of one format"):
        read(files(tmp_path, {**mnist(), **cifar_python()}))


def test_a_folder_with_such_files_has_no_folders_of_classes(tmp_path: Path) -> None:
    assert not has_folders_of_classes(files(tmp_path / "mnist", mnist()))
    root = photographs(tmp_path / "photographs", train=2, val=1)
    files(root, mnist())  # a file beside folders of images is not the source
    assert has_folders_of_classes(root)
    assert read(root).layout == "train from train/, val from val/"


def test_all_images_of_a_source_without_training_images_are_tested(tmp_path: Path) -> None:
    def has_training(root: Path) -> bool:
        with open_source(root) as source:
            return source.has_training

    assert has_training(files(tmp_path / "mnist", mnist()))
    assert has_training(files(tmp_path / "cifar", cifar_python()))
    assert not has_training(files(tmp_path / "digits", {"a": idx(noise(9, 9, 9)), "b": idx(np.zeros(9, np.uint8))}))
    tree = {"val/a/1.png": b"x", "val/b/1.png": b"x"}
    assert not has_training(files(tmp_path, {"x.zip": zip_of(tree)}) / "x.zip")
    labels = {"labels.csv": b"file,label,split\n1.png,a,train\n"}
    assert has_training(files(tmp_path, {"z.zip": zip_of(labels)}) / "z.zip")
    assert has_training(files(tmp_path, {"y.zip": zip_of({**tree, "train/a/1.png": b"x"})}) / "y.zip")


def test_pointers_of_git_lfs_are_told(tmp_path: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    files(tmp_path, {"data/train-00000-of-00001.parquet": pointer, "README.md": b"x"})
    with pytest.raises(UserError, match=r"data/train-00000-of-00001.parquet: it is a pointer of Git LFS.*git lfs pull"):
        read(tmp_path)
    with pytest.raises(UserError, match=r"parquet cannot be read: it is a pointer of Git LFS"):
        read(tmp_path / "data" / "train-00000-of-00001.parquet")
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / "x.tar")
    with pytest.raises(UserError, match=r"x.tar cannot be read: it is a pipe or a device"):
        read(tmp_path / "pipe" / "x.tar")


def test_files_that_are_not_read_are_told(tmp_path: Path) -> None:
    written = {**cifar_python(), "data_batch_2": b"<html>not found</html>", "readme.html": b"<html>"}
    found = read(files(tmp_path, written))
    assert found.layout.endswith("data_batch_1, test_batch, val from its split test; not read: data_batch_2")


def test_the_fingerprint_is_that_of_the_files(tmp_path: Path) -> None:
    def fingerprint() -> str:
        with open_source(tmp_path) as source:
            return source.fingerprint

    files(tmp_path, mnist())
    before = fingerprint()
    assert fingerprint() == before
    files(tmp_path, {"train-labels-idx1-ubyte": idx(np.zeros(20, np.uint8))})
    assert fingerprint() != before


def test_the_help_lists_every_format() -> None:
    assert [format.name for format in FORMATS if format.name not in (getdoc(prepare_command) or "")] == []


@pytest.mark.slow  # worker processes
def test_a_store_of_packed_images_is_that_of_the_files(tmp_path: Path) -> None:
    root = photographs(tmp_path / "photographs", train=2, val=1)
    files(tmp_path, {"photographs.zip": zip_of(tree_of(root))})
    stores = [
        prepare(source, tmp_path / name, Geometry(16, 16), workers=1)
        for source, name in ((root, "of folder"), (tmp_path / "photographs.zip", "of zip"))
    ]
    one, other = (content(store.path) for store in stores)
    differing = {name for name in one if one[name] != other[name]}
    assert differing == {"source.json", "manifest.json"}
    assert (
        prepare(tmp_path / "photographs.zip", tmp_path / "of zip", Geometry(16, 16), 1).identity == stores[1].identity
    )


@pytest.mark.slow  # worker processes
def test_a_store_of_idx_files_counts_what_is_damaged(tmp_path: Path) -> None:
    written = mnist()
    written["train-images-idx3-ubyte"] = written["train-images-idx3-ubyte"][:-1]
    root = files(tmp_path / "mnist", {f"{name}.gz": gzip.compress(text) for name, text in written.items()})
    store = prepare(root, tmp_path / "store", Geometry(28, 28), workers=1, bad_share=0.1)
    report = preparation_report(store)
    assert "layout       idx files t10k-images-idx3-ubyte.gz, train-images-idx3-ubyte.gz, val from" in report
    assert "Left out, not usable (1):" in report
    assert (len(store.train), len(store.val)) == (19, 10)


@pytest.mark.skipif(not SHARED.exists(), reason="no real images here")
def test_the_damaged_images_at_hand_are_counted_in_an_archive_as_in_a_folder(tmp_path: Path) -> None:
    odd = {path.name: path.read_bytes() for path in sorted((SHARED / "odd-images").iterdir()) if path.is_file()}
    small = {name: text for name, text in odd.items() if len(text) < 200_000}
    good = {f"b/{number}.png": png(noise(1, 9, 9, 3, seed=number)[0]) for number in range(5)}
    inside = {**{f"a/{name}": text for name, text in small.items()}, **good}
    folder = read(files(tmp_path / "folder", inside), whole=True)
    assert folder.faults()
    for name, text in (("x.zip", zip_of(inside)), ("x.tar", tar_of(inside))):
        assert read(files(tmp_path, {name: text}) / name, whole=True).faults() == folder.faults()
