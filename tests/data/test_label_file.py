"""Files of labels: which images and labels they name, and what is wrong with damaged ones."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexc.runtime.data.labelled_images import MOST_LABELS
from alexc.runtime.data.prepare import prepare
from alexc.runtime.data.prepare_report import class_table, preparation_report
from alexc.runtime.data.store import Geometry, open_store
from alexc.runtime.errors import UserError
from tests.support.listed import Listed, list_images

GEOMETRY = Geometry(8, 8)


def folder(root: Path, content: str | bytes, name: str = "labels.csv") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def labels_of(images: Listed, split: str) -> dict[str, tuple[str, ...]]:
    return {
        file.path: tuple(images.classes[label] for label in (file.labels if file.labels is not None else (file.label,)))
        for file in images.splits[split]
    }


def test_a_file_names_the_class_of_each_image(tmp_path: Path) -> None:
    text = 'file,label,split\nx/2.png,hot dog,train\n"x/a, b.png",cat,Train\n./1.png,cat,val\n3.png,hot dog,valid\n'
    images = list_images(folder(tmp_path, text))
    assert images.classes == ("cat", "hot dog")
    assert labels_of(images, "train") == {"x/a, b.png": ("cat",), "x/2.png": ("hot dog",)}
    assert labels_of(images, "val") == {"1.png": ("cat",), "3.png": ("hot dog",)}
    assert images.layout == "classes from labels.csv"


def test_a_file_can_name_several_labels_or_none(tmp_path: Path) -> None:
    text = "\ufefffile\tsize\tlabels\tsplit\r\n1\t9\tsun sea\ttrain\r\n\r\n2\t9\t\ttrain\r\n3\t9\tsea sea\ttest\r\n"
    images = list_images(folder(tmp_path, text, "labels.tsv"))
    assert images.classes == ("sea", "sun")
    assert labels_of(images, "train") == {"1": ("sea", "sun"), "2": ()}
    assert labels_of(images, "val") == {"3": ("sea",)}
    assert (
        images.layout == "several labels per image from labels.tsv, val from its split test; not read: the columns size"
    )


def test_a_fifth_is_held_out_and_all_are_listed_for_testing(tmp_path: Path) -> None:
    text = "file,label\n" + "".join(f"{number},{'ab'[number % 2]}\n" for number in range(20))
    images = list_images(folder(tmp_path, text))
    assert sorted(labels_of(images, "val").values()) == [("a",)] * 2 + [("b",)] * 2
    assert len(list_images(tmp_path, whole=True).splits["train"]) == 20
    several = list_images(folder(tmp_path / "several", text.replace("label", "labels")))
    assert len(several.splits["val"]) == 4
    train = text.replace("label\n", "label,split\n").replace("a\n", "a,train\n").replace("b\n", "b,train\n")
    assert len(list_images(folder(tmp_path / "train", train)).splits["val"]) == 4


def test_names_of_labels_are_part_of_the_fingerprint(tmp_path: Path) -> None:
    text = "file,labels\n1,A\n2,A\n3,B\n4,B\n"
    before = list_images(folder(tmp_path, text)).fingerprint
    assert list_images(folder(tmp_path, text)).fingerprint == before
    assert list_images(folder(tmp_path, text.replace("B", "C"))).fingerprint != before
    assert list_images(folder(tmp_path, text.replace("2,A", "2,B"))).fingerprint != before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "labels.csv:1: has the columns of an empty file: expected a first line such as `file,label`"),
        (b"file,class\n1,a\n", "labels.csv:1: has the columns class, file: expected a first line"),
        (b"file,label,labels\n", "labels.csv:1: has the columns file, label, labels: expected"),
        (b"file,file,label\n", "labels.csv:1: has the columns file, file, label: expected"),
        (b"file,label\n1,a\n2,b,c\n", "labels.csv:3: this line has 3 values, but line 1 names 2 columns"),
        (b"file,label\n1,a\n\n1,b\n", "labels.csv:4: this line names 1 again, as line 2; the column `labels` can"),
        (b"file,labels\n1,a\n./1,b\n", "labels.csv:3: this line names 1 again, as line 2"),
        (b"file,label\n1,a\n2, \n", "labels.csv:3: this line has a label of no character, or of more than 255"),
        (b"file,label\n1," + b"a" * 256, "labels.csv:2: this line has a label of no character, or of more than 255"),
        (b"file,label\n/etc/x,a\n", "labels.csv:2: this line names the file '/etc/x': expected a path below"),
        (b"file,label\na/../../x,a\n", "labels.csv:2: this line names the file 'a/../../x': expected a path below"),
        (b"file,label\n,a\n", "labels.csv:2: this line names the file '': expected a path below"),
        (b"file,label\n1,a\n2,\xff\n", "labels.csv:3: this line is not UTF-8 text"),
        (b'file,label\n1,a\n2,"b"c\n', "labels.csv:3: this line is not valid CSV"),
        (b"file,label\n1," + b"x" * 1_000_001, "labels.csv:2: this line has more than 1,000,000 bytes"),
        (b"file,label\n1," + b"x" * 200_000, "labels.csv:2: this line is not valid CSV: field larger"),
        (b"file,label,split\n1,a,most\n", "labels.csv:2: this line has the split 'most': expected train, val or test"),
        (b"file,label,split\n1,a,val\n2,b,val\n", "labels.csv names no image of the split train"),
        (b"file,label,split\n1,a,val\n2,a,train\n3,b,train\n", "has images of class b in only one of train and val"),
        (b"file,label\n1,a\n2,a\n", "labels.csv names 1 labels: expected at least two classes"),
        (b"file,labels\n1,\n2,\n", "labels.csv names 0 labels: expected at least one label"),
        (b"file,label\n1,a\n2,b\n3,b\n", "labels.csv names too few images of class a to hold some out"),
        (b"file,labels\n1,a\n", "labels.csv names too few images of the images to hold some out"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(tmp_path: Path, text: bytes, said: str) -> None:
    with pytest.raises(UserError) as error:
        list_images(folder(tmp_path, text))
    assert said in str(error.value)


def test_too_many_labels_are_refused(tmp_path: Path) -> None:
    text = "file,labels\n" + "".join(f"{part},{' '.join(f'{part}-{n}' for n in range(9_500))}\n" for part in range(11))
    with pytest.raises(UserError, match=f":12: this line has one label more than {MOST_LABELS:,}"):
        list_images(folder(tmp_path, text))


def test_a_pipe_is_refused_and_two_files_are_too(tmp_path: Path) -> None:
    folder(tmp_path / "two", "file,label\n")
    folder(tmp_path / "two", "file\tlabel\n", "labels.tsv")
    with pytest.raises(UserError, match="keep one of them"):
        list_images(tmp_path / "two")
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / "labels.csv")
    with pytest.raises(UserError, match="cannot be read: it is a pipe"):
        list_images(tmp_path / "pipe")


def test_beside_class_folders_another_table_is_not_read(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        folder((tmp_path / name).parent, b"x", Path(name).name)
    images = list_images(folder(tmp_path, "name,file,width\nx,y,3\n"))
    assert images.classes == ("a", "b")
    assert images.layout.startswith("no train and val folders")


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, rng = tmp_path_factory.mktemp("labelled"), np.random.default_rng(0)
    lines = ["file,labels,split"]
    for number, labels in enumerate(["red", "red blue", "", "blue", "red", "blue", ""]):
        Image.fromarray(rng.integers(0, 255, (9, 9, 3), dtype=np.uint8)).save(root / f"{number}.png")
        lines.append(f"{number}.png,{labels},{'val' if number > 4 else 'train'}")
    return folder(root, "\n".join([*lines, "gone.png,blue,train"]))


@pytest.mark.slow  # worker processes
@pytest.mark.parametrize("quality", [None, 90])
def test_a_store_holds_several_labels(tmp_path: Path, labelled: Path, quality: int | None) -> None:
    store = prepare(labelled, tmp_path / "store", GEOMETRY, workers=1, bad_share=0.2, quality=quality)
    assert (store.several_labels, store.classes) == (True, ("blue", "red"))
    assert (len(store.train), len(store.val)) == (5, 2)
    assert store.train.targets(np.arange(5), 3).tolist() == [[0, 1, 0], [1, 1, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0]]
    assert store.val.targets(np.array([1, 0]), 2).tolist() == [[0, 0], [1, 0]]
    assert store.train.relabelled(np.array([2, 0])).targets(np.array([1, 3]), 3).tolist() == [[1, 0, 1], [0, 0, 1]]
    assert store.train.images_of_class(0).tolist() == [1, 3]
    assert store.train.images_of_class(1).tolist() == [0, 1, 4]
    assert [file for file, _ in store.preparation.quarantined] == ["gone.png"]
    assert "5 images, 2 to 3 per label" in preparation_report(store)
    assert class_table(store).splitlines()[2].split() == ["1", "red", "3", "0"]
    ends = np.load(tmp_path / "store" / "train-label-ends.npy")
    assert ends.tolist() == [1, 3, 3, 4, 5]


@pytest.mark.slow  # worker processes
def test_damaged_labels_of_a_store_are_told(tmp_path: Path, labelled: Path) -> None:
    prepare(labelled, tmp_path / "store", GEOMETRY, workers=1, bad_share=0.2)
    path = tmp_path / "store" / "train-label-ends.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(UserError, match=r"train-label-ends.npy: its content is not what was written"):
        open_store(tmp_path / "store")
