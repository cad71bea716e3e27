"""The store: what training reads, and every way in which one can be unfit."""

import hashlib
import json
import os
import pickle
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from alexc.runtime.data import store as store_module
from alexc.runtime.data.shard_pixels import Shard
from alexc.runtime.data.store import (
    ColorSums,
    Geometry,
    PrepareFindings,
    SplitName,
    check_store,
    check_while_reading,
    open_store,
    principal_colors,
)
from alexc.runtime.data.store_writing import SplitContent, StoreContent, StoredImage, write_store
from alexc.runtime.errors import UserError

GEOMETRY = Geometry(resize=12, crop=8)
SHARD_SIZES: dict[SplitName, tuple[int, ...]] = {"train": (3, 1, 2), "val": (2,)}


def random_pixels(split: SplitName) -> NDArray[np.uint8]:
    rng = np.random.default_rng(len(split))
    return rng.integers(0, 256, (sum(SHARD_SIZES[split]), *GEOMETRY.shape), np.uint8)


def write_example(folder: Path) -> Path:
    """Two classes, three training shards and one of val, with random pixels."""
    folder.mkdir(parents=True)
    splits: dict[SplitName, SplitContent] = {}
    for name, sizes in SHARD_SIZES.items():
        shards = []
        for number, pixels in enumerate(np.split(random_pixels(name), np.cumsum(sizes)[:-1])):
            (folder / f"{name}-{number:05d}.u8").write_bytes(pixels.tobytes())
            digest = hashlib.sha256(pixels.tobytes()).hexdigest()
            shards.append(Shard(f"{name}-{number:05d}.u8", len(pixels), pixels.nbytes, digest))
        images = [StoredImage(i % 2, f"{name}/{i % 2}/\udcff{i}.jpg", 0) for i in range(sum(sizes))]
        splits[name] = SplitContent(tuple(shards), images)
    train = random_pixels("train").astype(np.int64)
    colors = train.reshape(-1, 3)
    content = StoreContent(
        classes=("cat", "dög\n"),
        geometry=GEOMETRY,
        quality=None,
        splits=splits,
        image_sum=train.sum(axis=0),
        color_sums=ColorSums(
            len(colors), tuple(colors.sum(axis=0).tolist()), tuple(map(tuple, (colors.T @ colors).tolist()))
        ),
        preparation=PrepareFindings(
            "as it was", False, {"cmyk": 2}, 1, 0, (("train/0/bad.jpg", "empty"),), (("a.jpg", "b.jpg"),)
        ),
        source={"folder": "/somewhere"},
    )
    write_store(folder, content)
    return folder


@pytest.fixture
def store_folder(tmp_path: Path) -> Path:
    return write_example(tmp_path / "store")


def flip(path: Path, place: int = 0) -> None:
    """Change one bit of a file; its size stays."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


class TestShardsThatChanged:
    def test_all_are_named(self, store_folder: Path) -> None:
        check_store(open_store(store_folder))
        flip(store_folder / "train-00001.u8")
        flip(store_folder / "val-00000.u8", -1)
        with pytest.raises(
            UserError, match=r"store: train-00001.u8, val-00000.u8: its content is not what was written"
        ):
            check_store(open_store(store_folder))

    def test_a_small_store_is_checked_at_once(self, store_folder: Path) -> None:
        flip(store_folder / "train-00001.u8")
        with pytest.raises(UserError, match=r"train-00001.u8: its content is not what was written; delete the store"):
            check_while_reading(open_store(store_folder))

    def test_a_shard_of_a_large_store_is_checked_when_it_is_first_read(
        self, store_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(store_module, "_CHECKED_AT_ONCE", 0)
        flip(store_folder / "train-00000.u8", -1)
        for relabel in (False, True):
            store = open_store(store_folder)
            check_while_reading(store)
            np.testing.assert_array_equal(store.val.image(0), random_pixels("val")[0])
            split = store.train.relabelled(np.array([1, 0])) if relabel else store.train
            with pytest.raises(UserError, match=r"train-00000.u8: its content is not what was written"):
                split.image(0)

    def test_checking_takes_a_hundredth_of_the_time(self, store_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        split, now = open_store(store_folder).train, [0.0]
        checked: list[int] = []

        def check(shard: int) -> bool:
            checked.append(shard)
            now[0] += 1.0
            return True

        monkeypatch.setattr(time, "monotonic", lambda: now[0])
        monkeypatch.setattr(split, "is_intact", check)
        split.check_as_read()
        for moment, expected in ((0, [1]), (50, [1]), (101, [1, 0]), (150, [1, 0]), (250, [1, 0, 2]), (900, [1, 0, 2])):
            now[0] = float(moment)
            for image in (3, 0, 5):
                split.image(image)
            assert checked == expected


class TestOpenStore:
    def test_everything_comes_back(self, store_folder: Path) -> None:
        store = open_store(store_folder)
        assert store.path == store_folder
        assert store.classes == ("cat", "dög\n")
        assert store.geometry == GEOMETRY
        assert store.train.labels.tolist() == [0, 1, 0, 1, 0, 1]
        assert store.train.labels.dtype == np.int64
        assert tuple(store.val.files) == ("val/0/\udcff0.jpg", "val/1/\udcff1.jpg")
        assert store.preparation.treatments == {"cmyk": 2}
        assert store.preparation.quarantined == (("train/0/bad.jpg", "empty"),)
        assert store.preparation.duplicates == (("a.jpg", "b.jpg"),)

    def test_images_of_every_shard(self, store_folder: Path) -> None:
        store = open_store(store_folder)
        for split, name in ((store.train, "train"), (store.val, "val")):
            expected = random_pixels(name)  # type: ignore[arg-type]
            assert len(split) == len(expected)
            for index in np.random.default_rng(0).permutation(len(split)).tolist():
                np.testing.assert_array_equal(split.image(index), expected[index])

    def test_an_image_is_a_read_only_view_of_the_file(self, store_folder: Path) -> None:
        image = open_store(store_folder).train.image(4)
        assert not image.flags.owndata
        assert not image.flags.writeable
        with (store_folder / "train-00002.u8").open("r+b") as file:
            file.write(bytes([1, 2, 3]))
        assert image[0, 0].tolist() == [1, 2, 3]

    @pytest.mark.parametrize("index", [-1, 6])
    def test_no_image_outside(self, store_folder: Path, index: int) -> None:
        with pytest.raises(IndexError):
            open_store(store_folder).train.image(index)

    def test_mean_image_and_colours(self, store_folder: Path) -> None:
        store = open_store(store_folder)
        pixels = random_pixels("train").astype(np.float64)
        np.testing.assert_allclose(store.mean_image, pixels.mean(axis=0), rtol=1e-15)
        covariance = np.cov(pixels.reshape(-1, 3).T / 255, bias=True)
        rebuilt = store.eigenvectors @ np.diag(store.eigenvalues) @ store.eigenvectors.T
        np.testing.assert_allclose(rebuilt, covariance, atol=1e-15)
        assert np.all(np.diff(store.eigenvalues) <= 0)

    def test_a_split_travels_to_another_process_without_its_pixels(self, store_folder: Path) -> None:
        split = open_store(store_folder).train
        split.image(0)
        content = pickle.dumps(split)
        assert len(content) < 2500
        np.testing.assert_array_equal(pickle.loads(content).image(5), random_pixels("train")[5])

    def test_the_identity_is_of_the_content_not_of_the_place(self, store_folder: Path, tmp_path: Path) -> None:
        other = write_example(tmp_path / "elsewhere" / "other")
        identity = open_store(store_folder).identity
        assert open_store(other).identity == identity
        manifest = json.loads((other / "manifest.json").read_text())
        manifest["splits"]["val"]["shards"][0]["sha256"] = "0" * 64
        (other / "manifest.json").write_text(json.dumps(manifest))
        assert open_store(other).identity != identity

    @pytest.mark.posix
    def test_more_shards_than_the_limit_of_open_files(self, tmp_path: Path) -> None:
        code = (
            "import resource, sys, pathlib\n"
            "from alexc.runtime.data.store import open_store\n"
            "resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))\n"
            "split = open_store(pathlib.Path(sys.argv[1])).train\n"
            "print(sum(int(split.image(i)[0, 0, 0]) for i in range(len(split))))\n"
        )
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= 1000
        folder = write_example(tmp_path / "store")
        manifest = json.loads((folder / "manifest.json").read_text())
        pixels = np.concatenate([random_pixels("train")] * 50)
        shards = []
        for number, image in enumerate(pixels):
            (folder / f"many-{number}.u8").write_bytes(image.tobytes())
            shards.append({"file": f"many-{number}.u8", "images": 1, "bytes": image.nbytes, "sha256": ""})
        manifest["splits"]["train"]["shards"] = shards
        np.save(folder / "train-labels.npy", np.zeros(len(pixels), np.int64))
        (folder / "train-files.jsonl").write_text('"x"\n' * len(pixels))
        for name in ("train-labels.npy", "train-files.jsonl"):
            manifest["sha256"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        (folder / "manifest.json").write_text(json.dumps(manifest))
        done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
        assert int(done.stdout) == int(pixels[:, 0, 0, 0].sum(dtype=np.int64))


class TestUnfitStores:
    def expect(self, folder: Path, words: str) -> None:
        with pytest.raises(UserError, match=words) as caught:
            open_store(folder)
        assert str(folder) in str(caught.value)

    def edit(self, folder: Path, **changes: object) -> None:
        path = folder / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    def test_no_folder_and_no_store(self, tmp_path: Path) -> None:
        self.expect(tmp_path / "nothing", "is not a folder")
        self.expect(tmp_path, "is not a store .*: make one with `alexc prepare")

    def test_an_array_that_is_none(self, store_folder: Path) -> None:
        """Its hash is right, so numpy reads it; numpy's own message says how to read it unsafely."""
        labels = store_folder / "train-labels.npy"
        for content in (b"\x80\x04N.", b"\x93NUMPY"):
            labels.write_bytes(content)
            hashes = json.loads((store_folder / "manifest.json").read_text())["sha256"]
            self.edit(store_folder, sha256=hashes | {labels.name: hashlib.sha256(content).hexdigest()})
            self.expect(store_folder, r"train-labels\.npy: it is not an array of numbers; delete the store")

    def test_unfinished(self, store_folder: Path) -> None:
        partial = store_folder.with_name("store.partial")
        store_folder.rename(partial)
        (partial / "manifest.json").unlink()
        self.expect(partial, "unfinished store: run `alexc prepare` again")
        store_folder.mkdir()
        self.expect(store_folder, "unfinished store: run `alexc prepare` again")

    def test_another_version(self, store_folder: Path) -> None:
        self.edit(store_folder, version=1)
        self.expect(store_folder, "version 1; this alexc reads versions 2, 3, 4 and 5")

    def test_version_2_is_read(self, store_folder: Path) -> None:
        self.edit(store_folder, version=2)
        assert len(open_store(store_folder).train) > 0

    def test_a_manifest_of_something_else(self, store_folder: Path) -> None:
        for content in ("{}", "[]", '{"format": "other"}'):
            (store_folder / "manifest.json").write_text(content)
            self.expect(store_folder, "was not written by alexc")

    @pytest.mark.parametrize("content", ["", "{", "\x00", '{"a": ' * 3, "[" * 50_000, '{"a": ' * 50_000])
    def test_a_manifest_that_is_not_json(self, store_folder: Path, content: str) -> None:
        (store_folder / "manifest.json").write_text(content)
        self.expect(store_folder, "damaged.*manifest.json: not JSON")

    @pytest.mark.parametrize("line", ["5", "null", "[" * 50_000, "x"])
    def test_names_that_are_none(self, store_folder: Path, line: str) -> None:
        names = store_folder / "train-files.jsonl"
        content = "".join(f"{line}\n" for _ in names.read_text().splitlines()).encode()
        names.write_bytes(content)
        hashes = json.loads((store_folder / "manifest.json").read_text())["sha256"]
        self.edit(store_folder, sha256=hashes | {names.name: hashlib.sha256(content).hexdigest()})
        files = open_store(store_folder).train.files
        for read in (lambda: files[0], lambda: list(files)):
            with pytest.raises(UserError, match=r"train-files\.jsonl: .*; delete the store and prepare it again"):
                read()

    @pytest.mark.parametrize("key", ["classes", "splits", "geometry", "color_sums", "preparation", "sha256"])
    @pytest.mark.parametrize("value", [None, 7, {"train": 3}, [3]])
    def test_a_manifest_with_wrong_parts(self, store_folder: Path, key: str, value: object) -> None:
        self.edit(store_folder, **{key: value})
        self.expect(store_folder, "damaged")

    def test_a_shard_is_missing_or_of_the_wrong_size(self, store_folder: Path) -> None:
        shard = store_folder / "train-00001.u8"
        os.truncate(shard, 100)
        self.expect(store_folder, r"train-00001.u8: it has 100 bytes, expected 192")
        shard.unlink()
        self.expect(store_folder, r"train-00001.u8: No such file")

    def test_a_shard_outside_the_store(self, store_folder: Path, tmp_path: Path) -> None:
        shutil.copy(store_folder / "val-00000.u8", tmp_path / "secret")
        splits = json.loads((store_folder / "manifest.json").read_text())["splits"]
        splits["val"]["shards"][0]["file"] = "../secret"
        self.edit(store_folder, splits=splits)
        self.expect(store_folder, "'../secret' is not a file name")

    @pytest.mark.parametrize("name", ["train-labels.npy", "train-files.jsonl", "train-sum.npy", "val-labels.npy"])
    def test_a_changed_part(self, store_folder: Path, name: str) -> None:
        content = bytearray((store_folder / name).read_bytes())
        content[-2] ^= 1
        (store_folder / name).write_bytes(content)
        self.expect(store_folder, f"{name}: its content is not what was written")
        (store_folder / name).unlink()
        self.expect(store_folder, f"{name}: No such file")

    def test_labels_beyond_the_classes(self, store_folder: Path) -> None:
        self.edit(store_folder, classes=["cat"])
        self.expect(store_folder, "label outside 0..0")


class TestPrincipalColors:
    def test_descending_with_a_fixed_sign(self) -> None:
        rng = np.random.default_rng(0)
        for _ in range(50):
            covariance = np.cov(rng.normal(size=(3, 20)))
            values, vectors = principal_colors(covariance)
            assert values[0] >= values[1] >= values[2] >= 0
            np.testing.assert_allclose(covariance @ vectors, vectors * values, atol=1e-12)
            np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=1e-12)
            assert np.all(vectors[np.abs(vectors).argmax(axis=0), range(3)] > 0)

    def test_one_colour_only(self) -> None:
        values, vectors = principal_colors(np.zeros((3, 3)))
        assert values.tolist() == [0, 0, 0]
        np.testing.assert_array_equal(np.abs(vectors).sum(axis=0), [1, 1, 1])

    def test_covariance_does_not_cancel(self) -> None:
        """A million nearly white pixels: integers keep what float sums of squares would lose."""
        n = 10**6
        sums = ColorSums(n, (255 * n - 1,) * 3, ((255 * 255 * n - 2 * 255 + 1,) * 3,) * 3)
        np.testing.assert_allclose(sums.covariance(), (1 / n - 1 / n**2) / 255**2, rtol=1e-12)


class TestGeometry:
    @pytest.mark.parametrize(("resize", "crop"), [(10, 11), (10, 0), (5000, 10), (-1, -2)])
    def test_what_does_not_fit_is_refused(self, resize: int, crop: int) -> None:
        with pytest.raises(UserError, match=f"resize {resize} and crop {crop} do not fit"):
            Geometry(resize, crop)
