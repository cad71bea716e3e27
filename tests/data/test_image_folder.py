"""What lies in a folder of images: layouts that are read, and mistakes that are explained."""

import inspect
import os
import sys
from pathlib import Path

import pytest

from alexc.runtime.errors import UserError
from tests.support.listed import Listed, list_images


def tree(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(b"x")
    return root


def paths(images: Listed, split: str) -> list[str]:
    return [file.path for file in images.splits[split]]


class TestLayouts:
    @pytest.mark.parametrize("val", ["val", "validation", "valid", "test"])
    def test_train_and_val(self, tmp_path: Path, val: str) -> None:
        images = list_images(
            tree(tmp_path, "train/b/2.jpg", "train/a/1.jpg", "train/b/1.png", f"{val}/b/9", f"{val}/a/1.x")
        )
        assert images.classes == ("a", "b")
        assert paths(images, "train") == ["train/a/1.jpg", "train/b/1.png", "train/b/2.jpg"]
        assert [file.label for file in images.splits["train"]] == [0, 1, 1]
        assert paths(images, "val") == [f"{val}/a/1.x", f"{val}/b/9"]
        assert images.layout == f"train from train/, val from {val}/"

    def test_val_goes_before_test_which_is_named(self, tmp_path: Path) -> None:
        images = list_images(
            tree(tmp_path, *(f"{split}/{c}/1.jpg" for split in ("train", "val", "test") for c in "ab"))
        )
        assert paths(images, "val") == ["val/a/1.jpg", "val/b/1.jpg"]
        assert images.layout.endswith("; not read: test")

    def test_classes_are_ordered_as_torchvision_orders_them(self, tmp_path: Path) -> None:
        from torchvision.datasets import ImageFolder as Reference  # type: ignore[import-untyped]

        names = ["b", "B", "a10", "a9", "ä", "z z", "_x", "Zoë"]
        tree(tmp_path, *(f"{split}/{name}/{i}.jpg" for split in ("train", "val") for name in names for i in range(12)))
        images, reference = list_images(tmp_path), Reference(tmp_path / "train")
        assert list(images.classes) == reference.classes
        expected = [(Path(path).relative_to(tmp_path).as_posix(), label) for path, label in reference.samples]
        assert [(file.path, file.label) for file in images.splits["train"]] == expected

    def test_folders_below_a_class_belong_to_it(self, tmp_path: Path) -> None:
        images = list_images(
            tree(tmp_path, "train/a/x/y/1.jpg", "train/a/2.jpg", "train/b/1.jpg", "val/a/1", "val/b/1")
        )
        assert paths(images, "train") == ["train/a/2.jpg", "train/a/x/y/1.jpg", "train/b/1.jpg"]

    def test_folders_in_folders_of_any_depth(self, tmp_path: Path) -> None:
        deep = "d/" * 200
        root = tree(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg", f"b/{deep}3.jpg")
        before = sys.getrecursionlimit()
        sys.setrecursionlimit(len(inspect.stack(0)) + 120)  # as a path of 1,000 folders meets the usual limit
        try:
            images = list_images(root)
        finally:
            sys.setrecursionlimit(before)
        assert f"b/{deep}3.jpg" in [*paths(images, "train"), *paths(images, "val")]

    def test_links_to_themselves_are_no_folders(self, tmp_path: Path) -> None:
        root = tree(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg")
        for link in (root / "c", root / "b" / "3.jpg"):
            link.symlink_to(link.name)
        images = list_images(root)
        assert images.classes == ("a", "b")
        assert sum("b/3.jpg" in paths(images, split) for split in ("train", "val")) == 1  # reading it reports it

    def test_links_are_followed(self, tmp_path: Path) -> None:
        tree(tmp_path / "far", "1.jpg", "2.jpg")
        root = tree(tmp_path / "near", "b/1.jpg", "b/2.jpg")
        (root / "a").symlink_to(tmp_path / "far")
        assert len(list_images(root)) == 4

    def test_what_is_clearly_no_image_is_counted_not_read(self, tmp_path: Path) -> None:
        images = list_images(
            tree(
                tmp_path,
                *("train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "val/b/1.jpg", "train/README.md", ".git/x/y"),
                *("train/a/.DS_Store", "train/a/Thumbs.db", "train/a/notes.TXT", "train/a/.ipynb_checkpoints/1.jpg"),
                *("val/b/labels.json", "val/.hidden/1.jpg"),
            )
        )
        assert (len(images), images.ignored) == (4, 5)

    def test_a_broken_link_stays_in_the_list_to_be_reported(self, tmp_path: Path) -> None:
        root = tree(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg")
        (root / "a" / "3.jpg").symlink_to("nowhere")
        files = [file for split in list_images(root).splits.values() for file in split]
        assert [file.size for file in files if file.path == "a/3.jpg"] == [-1]

    @pytest.mark.parametrize(
        ("train", "val"),
        [
            *(("Training", "Testing"), ("TRAIN", "TEST"), ("train_set", "test_set"), ("images_train", "images_val")),
            *(("trainset", "testset"), ("TrainImages", "ValImages"), ("train2017", "val2017"), ("train", "dev")),
            *(("seg_train", "seg_test"), ("flowers-train", "flowers-validation"), ("data_training", "eval")),
        ],
    )
    def test_splits_by_the_words_in_their_names(self, tmp_path: Path, train: str, val: str) -> None:
        images = list_images(tree(tmp_path, *(f"{split}/{c}/1.jpg" for split in (train, val) for c in "ab")))
        assert images.classes == ("a", "b")
        assert paths(images, "train") == [f"{train}/a/1.jpg", f"{train}/b/1.jpg"]
        assert paths(images, "val") == [f"{val}/a/1.jpg", f"{val}/b/1.jpg"]

    @pytest.mark.parametrize("names", [("bus", "car", "train"), ("test_tube", "bullet_train"), ("test", "control")])
    def test_a_class_with_the_name_of_a_split(self, tmp_path: Path, names: tuple[str, ...]) -> None:
        images = list_images(tree(tmp_path, *(f"{name}/{i}.jpg" for name in names for i in range(5))))
        assert images.classes == tuple(sorted(names))
        assert (len(images.splits["train"]), len(images.splits["val"])) == (4 * len(names), len(names))

    def test_a_single_wrapping_folder_is_looked_into(self, tmp_path: Path) -> None:
        wrapped = "archive/seg_train/seg_train", "archive/seg_test/seg_test"
        images = list_images(tree(tmp_path, "__MACOSX/._1.jpg", *(f"{top}/{c}/1.jpg" for top in wrapped for c in "ab")))
        assert images.classes == ("a", "b")
        assert paths(images, "val") == ["archive/seg_test/seg_test/a/1.jpg", "archive/seg_test/seg_test/b/1.jpg"]
        assert images.layout == "train from archive/seg_train/seg_train/, val from archive/seg_test/seg_test/"
        flat = list_images(tree(tmp_path / "flat", *(f"flowers/photos/{c}/{i}.jpg" for c in "ab" for i in range(5))))
        assert (flat.classes, len(flat.splits["train"])) == (("a", "b"), 8)

    def test_the_images_of_a_class_may_lie_in_one_folder_of_it(self, tmp_path: Path) -> None:
        assert len(list_images(tree(tmp_path, *(f"{c}/images/{i}.jpg" for c in "ab" for i in range(5))))) == 10


class TestWhole:
    @pytest.mark.parametrize("top", ["", "test/", "set/Testing/"])
    def test_every_image_of_every_class_is_taken(self, tmp_path: Path, top: str) -> None:
        images = list_images(tree(tmp_path, *(f"{top}{c}/{i}.jpg" for c in "ab" for i in range(5))), whole=True)
        assert (images.classes, len(images.splits["train"]), len(images.splits["val"])) == (("a", "b"), 10, 0)

    def test_one_class_is_enough(self, tmp_path: Path) -> None:
        assert list_images(tree(tmp_path, "a/1.jpg"), whole=True).classes == ("a",)

    def test_of_two_splits_one_is_named(self, tmp_path: Path) -> None:
        root = tree(tmp_path, *(f"{split}/{c}/1.jpg" for split in ("train", "test") for c in "ab"))
        with pytest.raises(UserError, match=r"has test, train: name one of these folders"):
            list_images(root, whole=True)


class TestSplitByHash:
    FILES = tuple(f"{name}/{i}.jpg" for name, count in (("a", 2), ("b", 7), ("c", 103)) for i in range(count))

    def test_a_fifth_of_each_class_at_least_one(self, tmp_path: Path) -> None:
        images = list_images(tree(tmp_path, *self.FILES))
        counts = [
            [sum(file.label == label for file in images.splits[s]) for label in range(3)] for s in ("train", "val")
        ]
        assert counts == [[1, 6, 83], [1, 1, 20]]
        assert sorted(paths(images, "train") + paths(images, "val")) == sorted(self.FILES)
        assert "a fifth of each class" in images.layout

    def test_the_same_wherever_and_in_whatever_order_the_files_came(self, tmp_path: Path) -> None:
        one = list_images(tree(tmp_path / "one", *self.FILES))
        two = list_images(tree(tmp_path / "two", *reversed(self.FILES)))
        assert paths(one, "val") == paths(two, "val")

    def test_not_simply_the_first(self, tmp_path: Path) -> None:
        numbers = [int(Path(path).stem) for path in paths(list_images(tree(tmp_path, *self.FILES)), "val")[2:]]
        assert max(numbers) > 80
        assert min(numbers) < 20

    def test_train_without_val(self, tmp_path: Path) -> None:
        images = list_images(tree(tmp_path, *(f"train/{file}" for file in self.FILES)))
        assert len(images.splits["val"]) == 22
        assert images.layout.startswith("no val folder beside train")


class TestFingerprint:
    def test_it_changes_with_anything_in_the_folder(self, tmp_path: Path) -> None:
        root = tree(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "val/b/1.jpg")
        seen = [list_images(root).fingerprint]
        assert list_images(root).fingerprint == seen[0]
        os.utime(root / "train/a/1.jpg", ns=(0, 12345))
        seen.append(list_images(root).fingerprint)
        (root / "train/a/1.jpg").write_bytes(b"xy")
        os.utime(root / "train/a/1.jpg", ns=(0, 12345))
        seen.append(list_images(root).fingerprint)
        (root / "train/a/1.jpg").rename(root / "train/a/2.jpg")
        seen.append(list_images(root).fingerprint)
        tree(root, "val/b/2.jpg")
        seen.append(list_images(root).fingerprint)
        assert len(set(seen)) == 5

    def test_names_that_are_not_utf8(self, tmp_path: Path) -> None:
        root = tree(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg")
        os.close(os.open(os.fsencode(root / "b") + b"/\xff\n.jpg", os.O_CREAT))
        assert len(list_images(root).fingerprint) == 64


class TestMistakes:
    def expect(self, root: Path, words: str) -> None:
        with pytest.raises(UserError, match=words):
            list_images(root)

    def test_nothing_there_or_a_file(self, tmp_path: Path) -> None:
        self.expect(tmp_path / "nothing", r"nothing is not a folder: expected DATA/train/<class>/")
        self.expect(tree(tmp_path, "a.jpg") / "a.jpg", r"a.jpg is not a folder")

    def test_no_class_folders(self, tmp_path: Path) -> None:
        self.expect(tmp_path, "has no class folders: expected")

    def test_images_without_class_folders(self, tmp_path: Path) -> None:
        self.expect(tree(tmp_path, "1.jpg", "2.JPEG", "x.txt"), r"has 2 images, but no class folders.*Put the images")
        self.expect(tree(tmp_path / "r", "train/1.jpg", "val/a/1.jpg"), r"r/train has 1 images, but no class folders")

    def test_one_class(self, tmp_path: Path) -> None:
        self.expect(tree(tmp_path, "set/1.jpg"), r"one class folder only, .*set: expected .* two classes or more")

    def test_a_split_of_images_in_a_wrapping_folder(self, tmp_path: Path) -> None:
        self.expect(tree(tmp_path, "set/train/1.jpg"), r"set/train has 1 images, but no class folders")

    @pytest.mark.parametrize(("train", "test"), [("Training", "Testing"), ("TRAIN", "VAL"), ("images_train", "test1")])
    def test_splits_without_class_folders_are_no_classes(self, tmp_path: Path, train: str, test: str) -> None:
        root = tree(tmp_path, *(f"{split}/{i}.jpg" for split in (train, test) for i in range(9)))
        self.expect(root, f"{train} has 9 images, but no class folders: expected DATA/train/<class>/")

    def test_folders_that_hold_the_same_folders_are_splits_by_other_names(self, tmp_path: Path) -> None:
        root = tree(tmp_path, *(f"{fold}/{c}/{i}.jpg" for fold in ("learn", "check") for c in "abc" for i in range(3)))
        self.expect(root, r"each of its folders, check, learn, holds the same folders, a, b, c, as splits do: expected")

    def test_a_train_that_may_be_a_split_or_a_class(self, tmp_path: Path) -> None:
        root = tree(tmp_path, "train/steam/1.jpg", "train/diesel/2.jpg", "bus/1.jpg", "bus/2.jpg")
        self.expect(root, r"train holds folders, as a split does, but bus beside it hold images, as classes do")

    def test_two_folders_for_one_part(self, tmp_path: Path) -> None:
        root = tree(tmp_path, *(f"{split}/{c}/1.jpg" for split in ("train2014", "train2017", "val") for c in "ab"))
        self.expect(root, r"several folders for train, train2014, train2017: keep one of them")

    def test_a_wrapping_folder_that_leads_back(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "b").symlink_to(tmp_path)
        self.expect(tmp_path, r"is a link back to a folder that holds it")

    def test_val_without_train(self, tmp_path: Path) -> None:
        self.expect(tree(tmp_path, "val/a/1.jpg", "test/a/1.jpg"), r"has test, val, but no train folder")

    def test_different_classes(self, tmp_path: Path) -> None:
        root = tree(tmp_path, *(f"train/{c}/1.jpg" for c in "abcdefgh"), "val/a/1.jpg", "val/\x1b[2Jx/1.jpg")
        self.expect(root, r"only in train: b, c, d, e, f and 2 more; only in val: \\x1b\[2Jx")

    def test_an_empty_class(self, tmp_path: Path) -> None:
        root = tree(tmp_path, "train/a/1.jpg", "train/b/readme.txt", "val/a/1.jpg", "val/b/1.jpg")
        self.expect(root, r"train/b has no images")

    def test_a_class_of_one_image_cannot_be_split(self, tmp_path: Path) -> None:
        self.expect(tree(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg"), r"b has one image, but each class needs two")

    def test_a_link_back_up(self, tmp_path: Path) -> None:
        root = tree(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg", "b/deep/3.jpg")
        (root / "b/deep/up").symlink_to(root / "b")
        self.expect(root, r"b/deep/up is a link back to a folder that holds it")

    def test_links_that_multiply(self, tmp_path: Path) -> None:
        root = tree(tmp_path / "data", "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg")
        above = root / "b"
        for level in range(30):  # 2 to the power of 30 paths
            folder = tree(tmp_path / str(level), "1.jpg")
            for name in ("one", "two"):
                (above / name).symlink_to(folder)
            above = folder
        self.expect(root, r"is a link to a folder that is in the class already: remove the link")

    def test_a_folder_that_may_not_be_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        root = tree(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg")
        scan = os.scandir

        def scandir(path: Path) -> object:
            if path == root / "b":
                raise PermissionError(13, "Permission denied")  # tests may run as root, who may read everything
            return scan(path)

        monkeypatch.setattr(os, "scandir", scandir)
        self.expect(root, r"/b cannot be read: Permission denied")
