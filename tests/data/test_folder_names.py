"""Folders that systems add are not read, and names in any Unicode form are matched; both are counted."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from alexc.runtime.data.prepare import prepare
from alexc.runtime.data.store import Geometry
from alexc.runtime.errors import UserError
from alexc.runtime.evaluation.run_evaluation import evaluate_run
from alexc.runtime.evaluation.trained_network import load_trained_network
from tests.data.test_image_folder import paths, tree
from tests.support import tiny_training as tiny
from tests.support.listed import list_images
from tests.support.one_process import make_shards_here

CAFE = "café"
SPLIT = unicodedata.normalize("NFD", CAFE)  # as macOS writes it
OF_SYSTEMS = ("@eaDir", "__MACOSX", "lost+found", "$RECYCLE.BIN", "System Volume Information", "#recycle")
assert (len(CAFE), len(SPLIT)) == (4, 5)


@pytest.mark.parametrize("name", OF_SYSTEMS)
def test_folders_of_systems_are_no_classes_and_are_counted(tmp_path: Path, name: str) -> None:
    files = [f"{split}/{c}/1.jpg" for split in ("train", "val") for c in "ab"]
    root = tree(tmp_path, *files, f"{name}/1.jpg", f"train/{name}/a/1.jpg", f"train/a/{name}/1.jpg/thumb.jpg")
    images = list_images(root)
    assert images.classes == ("a", "b")
    assert paths(images, "train") + paths(images, "val") == files
    assert images.ignored == 3
    flat = list_images(root / "train", whole=True)
    assert (flat.classes, len(flat), flat.ignored) == (("a", "b"), 2, 2)


def test_a_folder_of_the_system_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root's lost+found at the top of a disk."""
    root = tree(tmp_path, *(f"{c}/{i}.jpg" for c in "ab" for i in range(5)), "lost+found/#1")
    scan = os.scandir

    def scandir(path: Path) -> object:
        if path == root / "lost+found":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    images = list_images(root)
    assert (images.classes, len(images), images.ignored) == (("a", "b"), 10, 1)


def test_a_class_in_two_forms_is_one_class(tmp_path: Path) -> None:
    images = list_images(tree(tmp_path, f"train/{CAFE}/1.jpg", "train/b/1.jpg", f"val/{SPLIT}/1.jpg", "val/b/1.jpg"))
    assert images.classes == ("b", CAFE)
    assert paths(images, "val") == ["val/b/1.jpg", f"val/{SPLIT}/1.jpg"]
    assert images.layout == "train from train/, val from val/; class names in several Unicode forms: 1"


def test_folders_of_one_class_in_two_forms_beside_each_other(tmp_path: Path) -> None:
    files = [f"{CAFE}/{i}.jpg" for i in range(3)] + [f"{SPLIT}/{i}.jpg" for i in range(2)]
    images = list_images(tree(tmp_path, *files, "z/1.jpg", "z/2.jpg"))
    assert images.classes == (CAFE, "z")
    assert sorted(paths(images, "train") + paths(images, "val")) == sorted([*files, "z/1.jpg", "z/2.jpg"])
    assert images.layout.endswith("; class names in several Unicode forms: 1")


def test_one_form_throughout_is_not_counted(tmp_path: Path) -> None:
    images = list_images(tree(tmp_path, *(f"{name}/{i}.jpg" for name in (SPLIT, "z") for i in range(2))))
    assert images.classes == (CAFE, "z")
    assert "Unicode" not in images.layout


def test_one_class_in_two_forms_is_still_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has one class folder only"):
        list_images(tree(tmp_path, f"{CAFE}/1.jpg", f"{SPLIT}/1.jpg"))


@pytest.mark.parametrize(("written", "on_disk"), [(CAFE, SPLIT), (SPLIT, CAFE)])
def test_a_label_file_finds_its_files_in_the_other_form(tmp_path: Path, written: str, on_disk: str) -> None:
    files = [f"{on_disk}/{on_disk} {i}.jpg" for i in range(3)]
    tree(tmp_path, *files, "plain.jpg", "other.jpg")
    rows = [f"{written}/{on_disk} {i}.jpg,{(written, on_disk)[i % 2]}" for i in range(3)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *rows, "plain.jpg,b", "other.jpg,b"]))
    images = list_images(tmp_path)
    assert images.classes == ("b", CAFE)
    assert sorted(paths(images, "train") + paths(images, "val")) == sorted([*files, "plain.jpg", "other.jpg"])
    assert all(file.size == 1 for split in images.splits.values() for file in split)
    assert images.layout.endswith("; file names in another Unicode form: 3")


def test_a_file_that_is_in_no_form_there_is_reported_by_the_name_that_was_written(tmp_path: Path) -> None:
    tree(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    (tmp_path / "labels.csv").write_text(f"file,label\n1.jpg,a\n2.jpg,a\n3.jpg,b\n{SPLIT}.jpg,b\n")
    images = list_images(tmp_path)
    assert [file.path for split in images.splits.values() for file in split if file.size == -1] == [f"{SPLIT}.jpg"]


def test_a_run_knows_its_classes_in_the_other_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_shards_here(monkeypatch)
    store = tiny.make_store(tmp_path, classes=("b", CAFE))
    run = tiny.run_to(tiny.options(tiny.write_network(tmp_path), store, tmp_path / "run"), steps=2)
    rng = np.random.default_rng(0)
    for name in ("b", SPLIT):
        (tmp_path / "test" / name).mkdir(parents=True)
        Image.fromarray(rng.integers(0, 256, (24, 30, 3), np.uint8)).save(tmp_path / "test" / name / "1.png")
    found = evaluate_run(load_trained_network(run.path, torch.device("cpu")), tmp_path / "test", 32, None)
    assert found.missing == ()
    assert found.images.store.classes == ("b", CAFE)


def test_the_report_of_prepare_counts_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from alexc.runtime.data.prepare_report import preparation_report

    make_shards_here(monkeypatch)
    root = tiny.make_images(tmp_path / "images", classes=("b", CAFE))
    (root / "val" / CAFE).rename(root / "val" / SPLIT)
    tree(root, "@eaDir/1.jpg", "train/b/@eaDir/1.jpg/thumb.jpg")
    report = preparation_report(prepare(root, tmp_path / "store", Geometry(24, 20), 1))
    assert "class names in several Unicode forms: 1" in report
    assert "2  clearly not images" in report
