"""From a folder of images to a store: the same whatever happens on the way, and clear about what was met."""

import errno
import hashlib
import io
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexc.runtime.data import prepare as preparing
from alexc.runtime.data.image_list import SourceFile
from alexc.runtime.data.prepare import default_destination, prepare, store_for
from alexc.runtime.data.prepare_report import preparation_report, preparation_summary
from alexc.runtime.data.shards import (
    MOST_IMAGES,
    ShardTask,
    is_finished,
    keep_shard,
    make_shard,
    read_record,
    shard_length,
)
from alexc.runtime.data.store import ColorSums, Geometry, Store, open_store
from alexc.runtime.errors import UserError
from alexc.runtime.folder_lock import folder_lock
from tests.conftest import Alexc
from tests.support.peak_memory import peak_kibibytes
from tests.support.photographs import content, photographs

SMALL = Geometry(resize=20, crop=16)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work without worker processes, where a test is not about them."""

    def run(
        function: Callable[[ShardTask], None],
        tasks: Iterable[ShardTask],
        workers: int,
        finished: Callable[[ShardTask], None],
    ) -> None:
        for task in tasks:
            function(task)
            finished(task)

    monkeypatch.setattr(preparing, "run_in_workers", run)


def reference_pixels(path: Path, geometry: Geometry) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    from torchvision.transforms import v2  # type: ignore[import-untyped]

    crop = v2.Compose([v2.PILToTensor(), v2.Resize(geometry.resize, antialias=True), v2.CenterCrop(geometry.crop)])
    return np.asarray(crop(Image.open(path).convert("RGB")).permute(1, 2, 0))


def age(folder: Path, *names: str) -> None:
    """Make the files of a store those of one of version 2."""
    for name in names:
        written = (folder / name).read_text()
        assert written.count('"version": 3') == 1
        (folder / name).write_text(written.replace('"version": 3', '"version": 2'))


class TestPrepare:
    @pytest.mark.slow
    def test_the_store_holds_what_torchvision_makes_of_the_files(self, tmp_path: Path) -> None:
        source = photographs(tmp_path / "data", train=21, val=3, ending="jpg")
        store = prepare(source, tmp_path / "store", SMALL, workers=2)
        assert store.classes == ("a", "b")
        assert store.geometry == SMALL
        assert (len(store.train), len(store.val)) == (42, 6)
        assert store.train.labels.tolist() == [0] * 21 + [1] * 21
        for split in (store.train, store.val):
            for index, file in enumerate(split.files):
                np.testing.assert_array_equal(split.image(index), reference_pixels(source / file, SMALL), file)
                assert ["a", "b"][split.labels[index]] == Path(file).parent.name
        pixels = np.stack([store.train.image(i) for i in range(42)]).astype(np.float64)
        np.testing.assert_allclose(store.mean_image, pixels.mean(axis=0), rtol=1e-14)
        covariance = np.cov(pixels.reshape(-1, 3).T / 255, bias=True)
        np.testing.assert_allclose(store.eigenvalues, np.linalg.eigvalsh(covariance)[::-1], rtol=1e-10)
        np.testing.assert_allclose(covariance @ store.eigenvectors, store.eigenvectors * store.eigenvalues, atol=1e-15)

    @pytest.mark.slow
    def test_any_number_of_workers_and_any_place_give_the_same_bytes(self, tmp_path: Path) -> None:
        source = photographs(tmp_path / "data", train=30)
        (source / "train/a/bad.jpg").write_text("no image")
        stores = [
            prepare(source, tmp_path / str(workers) / "store", SMALL, workers, bad_share=0.5) for workers in (1, 2, 3)
        ]
        assert content(stores[0].path) == content(stores[1].path) == content(stores[2].path)
        assert stores[0].identity == stores[1].identity
        moved = shutil.copytree(source, tmp_path / "moved")
        elsewhere = prepare(moved, tmp_path / "elsewhere", SMALL, 2, bad_share=0.5)
        assert elsewhere.identity == stores[0].identity
        assert prepare(source, tmp_path / "other", Geometry(20, 15), 2, bad_share=0.5).identity != stores[0].identity

    def test_exif_is_ignored_or_applied(self, tmp_path: Path, in_process: None) -> None:
        source = photographs(tmp_path / "data")
        exif = Image.Exif()
        exif[0x0112] = 3
        picture = Image.open(source / "train/a/000.png")
        picture.save(source / "train/a/000.png", exif=exif)
        ignored = prepare(source, tmp_path / "ignored", SMALL, 1)
        applied = prepare(source, tmp_path / "applied", SMALL, 1, exif=True)
        assert ignored.preparation.treatments == applied.preparation.treatments == {"orientation": 1}
        np.testing.assert_array_equal(ignored.train.image(0), reference_pixels(source / "train/a/000.png", SMALL))
        assert np.abs(applied.train.image(0)[::-1, ::-1].astype(int) - ignored.train.image(0)).max() <= 1
        assert ignored.identity != applied.identity

    def test_a_split_by_hash(self, tmp_path: Path, in_process: None) -> None:
        source = photographs(tmp_path / "data", train=10, val=0) / "train"
        store = prepare(source, tmp_path / "store", SMALL, 1)
        assert (len(store.train), len(store.val)) == (16, 4)
        assert sorted(store.val.labels.tolist()) == [0, 0, 1, 1]

    def test_a_shard_of_bad_files_only_is_left_out(self, tmp_path: Path, in_process: None) -> None:
        source = photographs(tmp_path / "data", train=17)
        for path in (source / "train/a").glob("*.png"):
            if path.stem != "016":
                path.write_text("no image")
        store = prepare(source, tmp_path / "store", SMALL, 1, bad_share=0.9)
        assert not (tmp_path / "store" / "train-00000.u8").exists()
        assert store.train.files[0] == "train/a/016.png"
        np.testing.assert_array_equal(store.train.image(0), reference_pixels(source / "train/a/016.png", SMALL))

    def test_duplicates_across_classes_and_splits(self, tmp_path: Path, in_process: None) -> None:
        source = photographs(tmp_path / "data")
        shutil.copy(source / "train/a/000.png", source / "train/b/same.png")
        shutil.copy(source / "train/a/001.png", source / "val/a/same.png")
        shutil.copy(source / "train/a/002.png", source / "train/a/same.png")  # within one class: no harm
        store = prepare(source, tmp_path / "store", SMALL, 1)
        assert store.preparation.duplicates == (
            ("train/a/000.png", "train/b/same.png"),
            ("train/a/001.png", "val/a/same.png"),
        )

    def test_small_images_are_counted(self, tmp_path: Path, in_process: None) -> None:
        source = photographs(tmp_path / "data")
        Image.new("RGB", (1, 1), "red").save(source / "train/a/pixel.png")
        Image.new("RGB", (200, 19), "red").save(source / "train/a/low.png")
        store = prepare(source, tmp_path / "store", SMALL, 1)
        assert store.preparation.small == 2
        assert store.train.image(store.train.files.index("train/a/pixel.png")).tolist() == [[[255, 0, 0]] * 16] * 16


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from alexc.runtime.data.prepare import prepare\n"
        "from alexc.runtime.data.store import Geometry\n"
        "if __name__ == '__main__':\n"
        "    store = prepare(Path(sys.argv[1]), Path(sys.argv[2]), Geometry(8, 8), 2)\n"
        "    assert len(store.train) == int(sys.argv[3])\n"
    )
    peaks = []
    for count in (2_000, 24_000):
        source = photographs(tmp_path / f"data-{count}", train=1, val=1, size=(8, 8))
        for number in range(count // 2 - 1):
            for name in "ab":
                os.link(source / f"train/{name}/000.png", source / f"train/{name}/{number:06d} of many.png")
        peaks.append(peak_kibibytes(code, source, tmp_path / f"store-{count}", count))
    assert peaks[1] - peaks[0] < 9_000  # lists of the files and of their hashes in memory took 21 MB


class TestShardLength:
    def test_it_follows_from_the_number_of_files_alone(self) -> None:
        assert [shard_length(n) for n in (1, 16, 1024, 2000, 50_000, 65_536, 1_281_167)] == [
            *(16, 16, 16, 32, 782),
            *(MOST_IMAGES, MOST_IMAGES),
        ]


class TestShard:
    def task(self, tmp_path: Path, summed: bool) -> ShardTask:
        source = photographs(tmp_path / "data")
        paths = [path.relative_to(source).as_posix() for path in sorted(source.rglob("*.png"))]
        files = tuple(SourceFile(path, 0, 1, 0) for path in paths)
        return ShardTask("train-00000", source, files, tmp_path, tmp_path, SMALL, False, None, summed, 4711)

    def test_it_is_finished_when_the_parent_has_synced_its_record(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        task = self.task(tmp_path, summed=True)
        make_shard(task)
        files = {"train-00000.u8", "train-00000.npy", "train-00000.json"}
        assert {path.name for path in tmp_path.glob("train*")} == {f"{name}.4711.tmp" for name in files}
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", lambda _: (tmp_path / "train-00000.npy").exists() and pytest.fail("power cut"))
            with pytest.raises(pytest.fail.Exception, match="power cut"):
                keep_shard(task)
        assert (tmp_path / "train-00000.npy").exists()
        assert not is_finished(tmp_path, "train-00000")
        make_shard(task)
        keep_shard(task)
        assert {path.name for path in tmp_path.glob("train*")} == files
        assert read_record(tmp_path, "train-00000").images == len(task.files)

    def test_only_training_images_are_summed(self, tmp_path: Path) -> None:
        task = self.task(tmp_path, summed=False)
        make_shard(task)
        keep_shard(task)
        assert {path.name for path in tmp_path.glob("train*")} == {"train-00000.u8", "train-00000.json"}
        assert read_record(tmp_path, "train-00000").color_sums == ColorSums(0, (0,) * 3, ((0,) * 3,) * 3)

    def test_of_one_that_is_made_but_not_kept_nothing_remains(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def stop_before_it_is_kept(
            function: Callable[[ShardTask], None], tasks: Iterable[ShardTask], *_: object
        ) -> None:
            function(next(iter(tasks)))
            raise KeyboardInterrupt

        monkeypatch.setattr(preparing, "run_in_workers", stop_before_it_is_kept)
        with pytest.raises(KeyboardInterrupt):
            prepare(photographs(tmp_path / "data"), tmp_path / "store", SMALL, 1)
        assert not list((tmp_path / "store.partial").rglob("*.tmp"))

    def test_the_disk_fails_while_the_workers_go_on(
        self, tmp_path: Path, in_process: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(task: ShardTask) -> None:
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(preparing, "keep_shard", fail)
        with pytest.raises(UserError, match=r"cannot be made: input/output error"):
            prepare(photographs(tmp_path / "data"), tmp_path / "store", SMALL, 1)


class TestJpegStore:
    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        return photographs(tmp_path / "data", train=21, val=3)

    @pytest.mark.slow
    def test_it_holds_the_jpegs_of_the_same_pixels(self, source: Path, tmp_path: Path) -> None:
        raw = prepare(source, tmp_path / "raw", SMALL, 2)
        store = prepare(source, tmp_path / "store", SMALL, 2, quality=80)
        assert (store.quality, raw.quality) == (80, None)
        assert tuple(store.train.files) == tuple(raw.train.files)
        stored = sum(path.stat().st_size for path in store.path.glob("*.jpegs"))
        assert store.train.bytes + store.val.bytes == stored < raw.train.bytes + raw.val.bytes
        for mine, reference in ((store.train, raw.train), (store.val, raw.val)):
            assert mine.labels.tolist() == reference.labels.tolist()
            for index in range(len(reference)):
                content = io.BytesIO()
                Image.fromarray(reference.image(index)).save(content, "JPEG", quality=80)
                np.testing.assert_array_equal(mine.image(index), np.asarray(Image.open(content)))
        np.testing.assert_array_equal(store.mean_image, raw.mean_image)
        np.testing.assert_array_equal(store.eigenvalues, raw.eigenvalues)
        assert "of JPEGs of quality 80, 16 x 16 per image" in preparation_report(store)

    @pytest.mark.slow
    def test_any_number_of_workers_and_a_stop_give_the_same_bytes(
        self, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = prepare(source, tmp_path / "whole", SMALL, 2, quality=90)
        done: list[str] = []

        def stop_after_two(
            function: Callable[[ShardTask], None],
            tasks: Iterable[ShardTask],
            workers: int,
            finished: Callable[[ShardTask], None],
        ) -> None:
            for task in tasks:
                if len(done) == 2:
                    raise KeyboardInterrupt
                function(task)
                finished(task)
                done.append(task.name)

        with monkeypatch.context() as patch:
            patch.setattr(preparing, "run_in_workers", stop_after_two)
            with pytest.raises(KeyboardInterrupt):
                prepare(source, tmp_path / "store", SMALL, 1, quality=90)
        made = {name: (tmp_path / f"store.partial/store/{name}.jpegs").stat().st_ino for name in done}
        store = prepare(source, tmp_path / "store", SMALL, 1, quality=90)
        assert content(store.path) == content(whole.path)
        assert {name: (store.path / f"{name}.jpegs").stat().st_ino for name in done} == made

    def test_a_damaged_image_is_named_when_it_is_read(self, source: Path, tmp_path: Path, in_process: None) -> None:
        store = prepare(source, tmp_path / "store", SMALL, 1, quality=90)
        shard = store.path / "train-00000.jpegs"
        content = bytearray(shard.read_bytes())
        end = int(np.load(store.path / "train-ends.npy")[0])
        content[end : end + 3] = b"xyz"
        shard.write_bytes(content)
        again = open_store(store.path)
        np.testing.assert_array_equal(again.train.image(0), store.train.image(0))
        with pytest.raises(
            UserError, match=r"train-00000.jpegs: image 1 is not a valid JPEG of 16 x 16 pixels; .* prepare it again"
        ):
            again.train.image(1)

    def test_a_jpeg_of_another_size_is_refused(self, source: Path, tmp_path: Path, in_process: None) -> None:
        store = prepare(source, tmp_path / "store", SMALL, 1, quality=90)
        end = int(np.load(store.path / "train-ends.npy")[0])
        small = io.BytesIO()
        Image.new("RGB", (8, 8)).save(small, "JPEG")
        with (store.path / "train-00000.jpegs").open("r+b") as shard:
            shard.write(small.getvalue().ljust(end, b"\0")[:end])
        with pytest.raises(UserError, match=r"image 0 is not a valid JPEG of 16 x 16"):
            open_store(store.path).train.image(0)

    @pytest.mark.parametrize("ends", [[0, 1], [5, 3], [5, 6]])
    def test_ends_that_do_not_fit(self, source: Path, tmp_path: Path, in_process: None, ends: list[int]) -> None:
        store = prepare(source, tmp_path / "store", SMALL, 1, quality=90)
        values = np.load(store.path / "train-ends.npy")
        values[:2] = ends if ends != [5, 6] else values[:2]
        if ends == [5, 6]:
            values[15] += 1  # the last of the first shard
        np.save(store.path / "train-ends.npy", values)
        manifest = json.loads((store.path / "manifest.json").read_text())
        digest = hashlib.sha256((store.path / "train-ends.npy").read_bytes()).hexdigest()
        manifest["sha256"]["train-ends.npy"] = digest
        (store.path / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(UserError, match=r"train-ends.npy does not fit train-00000.jpegs"):
            open_store(store.path)

    def test_training_takes_it_where_there_is_no_other(
        self, source: Path, tmp_path: Path, in_process: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        made = prepare(source, default_destination(source, SMALL, jpeg=True), SMALL, 1, quality=70)
        assert store_for(source, SMALL, 1).identity == made.identity
        (source / "train/a/000.png").unlink()
        with pytest.raises(UserError, match=r"run `alexc prepare .* --format jpeg --quality 70` again"):
            store_for(source, SMALL, 1)

    def test_pixels_and_jpegs_do_not_replace_each_other(self, source: Path, tmp_path: Path, in_process: None) -> None:
        prepare(source, tmp_path / "store", SMALL, 1, quality=90)
        for quality, other in ((None, "raw pixels"), (80, "JPEGs of quality 80")):
            with pytest.raises(UserError, match=f"is a store of images kept as JPEGs of quality 90, not {other};"):
                prepare(source, tmp_path / "store", SMALL, 1, quality=quality)

    @pytest.mark.slow
    def test_by_the_command_line(self, source: Path, alexc: Alexc) -> None:
        small = (source, "--resize", 20, "--crop", 16)
        dry = alexc("prepare", *small, "--format", "jpeg", "--dry-run")
        assert dry.returncode == 0, dry.stderr
        done = alexc("prepare", *small, "--format", "jpeg", "--quality", 75)
        assert done.returncode == 0, done.stderr
        assert "JPEGs of quality 75" in done.stdout
        wrong = alexc("prepare", *small, "--quality", 75)
        assert (wrong.returncode, "add --format jpeg" in wrong.stderr) == (2, True)


class TestBadFiles:
    def test_the_ceiling(self, tmp_path: Path, in_process: None) -> None:
        source = photographs(tmp_path / "data", train=48)
        (source / "train/a/zz.jpg").write_text("no image")
        (source / "train/b/\x1b[31m.jpg").touch()
        with pytest.raises(UserError, match=r"2 of 102 files .* 2.0%, over the limit of 1.0%") as caught:
            prepare(source, tmp_path / "store", SMALL, 1)
        assert "train/a/zz.jpg: not an image" in str(caught.value)
        assert "train/b/\\x1b[31m.jpg: an empty file" in str(caught.value)
        listed = (tmp_path / "store.partial" / "quarantine.txt").read_text().splitlines()
        assert [line.split(":")[0] for line in listed] == ["train/a/zz.jpg", "train/b/\\x1b[31m.jpg"]
        assert not (tmp_path / "store").exists()

        made = {path: path.stat().st_mtime_ns for path in (tmp_path / "store.partial/store").iterdir()}
        store = prepare(source, tmp_path / "store", SMALL, 1, bad_share=0.02)
        assert [file for file, _ in store.preparation.quarantined] == ["train/a/zz.jpg", "train/b/\x1b[31m.jpg"]
        assert len(store.train) == 96
        assert all((tmp_path / "store" / path.name).stat().st_mtime_ns == time for path, time in made.items())

    def test_a_class_without_any_good_image(self, tmp_path: Path, in_process: None) -> None:
        source = photographs(tmp_path / "data")
        for path in (source / "val/b").iterdir():
            path.write_text("no image")
        with pytest.raises(UserError, match="class b has no usable image in val"):
            prepare(source, tmp_path / "store", SMALL, 1, bad_share=1.0)

    def test_the_source_changes_meanwhile(
        self, tmp_path: Path, in_process: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = photographs(tmp_path / "data")

        def and_change(task: ShardTask) -> None:
            make_shard(task)
            (source / "val/b/new.png").touch()

        monkeypatch.setattr(preparing, "make_shard", and_change)
        with pytest.raises(UserError, match="changed while it was prepared"):
            prepare(source, tmp_path / "store", SMALL, 1)
        assert not (tmp_path / "store").exists()


class TestDestination:
    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        return photographs(tmp_path / "data")

    @pytest.fixture
    def store(self, source: Path, tmp_path: Path, in_process: None) -> Store:
        return prepare(source, tmp_path / "store", SMALL, 1)

    def test_a_finished_store_is_returned_at_once(
        self, source: Path, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(preparing, "make_shard", lambda _: pytest.fail("nothing was to be done"))
        assert prepare(source, store.path, SMALL, 1).identity == store.identity
        assert f"{store.path} is up to date" in capsys.readouterr().err

    def test_a_store_of_version_2_is_good_enough(
        self, source: Path, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        age(store.path, "manifest.json", "source.json")
        old = open_store(store.path).identity
        monkeypatch.setattr(preparing, "make_shard", lambda _: pytest.fail("nothing was to be done"))
        assert prepare(source, store.path, SMALL, 1).identity == old != store.identity
        assert f"{store.path} is up to date" in capsys.readouterr().err

    @pytest.mark.posix
    def test_a_changed_source_is_made_anew(self, source: Path, store: Store) -> None:
        Image.new("RGB", (50, 50)).save(source / "train/a/new.png")
        anew = prepare(source, store.path, SMALL, 1)
        assert anew.identity != store.identity
        assert "train/a/new.png" in anew.train.files
        assert [path.name for path in store.path.parent.iterdir() if path.name.startswith("store")] == ["store"]

    def test_the_old_store_stays_until_the_new_one_is_whole(self, source: Path, store: Store) -> None:
        (source / "train/a/new.png").write_text("no image")
        with pytest.raises(UserError, match="over the limit"):
            prepare(source, store.path, SMALL, 1)
        assert open_store(store.path).identity == store.identity

    @pytest.mark.posix
    def test_a_stop_between_the_two_renames(self, source: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        Image.new("RGB", (50, 50)).save(source / "train/a/new.png")
        rename = Path.rename

        def stop_before_the_second(path: Path, target: Path) -> Path:
            if path.name == "store" and path.parent.name == "store.partial":
                raise KeyboardInterrupt
            return rename(path, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", stop_before_the_second)
            with pytest.raises(KeyboardInterrupt):
                prepare(source, store.path, SMALL, 1)
        assert not store.path.exists()
        with pytest.raises(UserError, match="run `alexc prepare` again"):
            open_store(store.path)
        (source / "train/a/new.png").write_text("no image")  # so that the new one can never be finished
        with pytest.raises(UserError, match="over the limit"):
            prepare(source, store.path, SMALL, 1)
        assert open_store(store.path).identity == store.identity  # put back
        (source / "train/a/new.png").unlink()
        assert len(prepare(source, store.path, SMALL, 1).train) == len(store.train)
        assert not store.path.with_name("store.partial").exists()

    def test_a_stop_before_the_cleaning(self, source: Path, store: Store) -> None:
        left_over = store.path.with_name("store.partial")
        left_over.mkdir()
        (left_over / "lock").touch()
        assert prepare(source, store.path, SMALL, 1).identity == store.identity
        assert not left_over.exists()

    def test_stale_partial_work_is_not_mixed_in(self, source: Path, tmp_path: Path, in_process: None) -> None:
        (source / "train/a/bad.png").write_text("no image")
        with pytest.raises(UserError, match="over the limit"):
            prepare(source, tmp_path / "store", SMALL, 1)
        assert list((tmp_path / "store.partial/records").iterdir())
        (source / "train/a/bad.png").unlink()
        Image.new("RGB", (40, 40), "red").save(source / "train/a/000.png")
        store = prepare(source, tmp_path / "store", SMALL, 1)
        assert store.train.image(0)[0, 0].tolist() == [255, 0, 0]
        assert store.preparation.quarantined == ()

    def test_partial_work_of_version_2_is_not_mixed_in(self, source: Path, tmp_path: Path, in_process: None) -> None:
        (source / "train/a/bad.png").write_text("no image")
        with pytest.raises(UserError, match="over the limit"):
            prepare(source, tmp_path / "store", SMALL, 1)
        age(tmp_path / "store.partial", "source.json")
        made = {path: path.stat().st_mtime_ns for path in (tmp_path / "store.partial/store").iterdir()}
        with pytest.raises(UserError, match="over the limit"):
            prepare(source, tmp_path / "store", SMALL, 1)
        assert made
        assert all(path.stat().st_mtime_ns > before for path, before in made.items())

    def test_partial_work_with_sums_of_val_goes_on(
        self, source: Path, store: Store, tmp_path: Path, in_process: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def stop(partial: Path, destination: Path) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:  # an earlier alexc summed every shard
            patch.setattr(preparing, "make_shard", lambda task: make_shard(replace(task, summed=True)))
            patch.setattr(preparing, "_publish", stop)
            with pytest.raises(KeyboardInterrupt):
                prepare(source, tmp_path / "other", SMALL, 1)
        assert prepare(source, tmp_path / "other", SMALL, 1).identity == store.identity

    @pytest.mark.parametrize("geometry", [Geometry(20, 15), Geometry(21, 16)])
    def test_a_store_of_other_options_is_left_alone(self, source: Path, store: Store, geometry: Geometry) -> None:
        before = content(store.path)
        with pytest.raises(UserError, match=r"is a store of sizes .* left as it is: choose another folder with --out"):
            prepare(source, store.path, geometry, 1)
        with pytest.raises(UserError, match="is a store of EXIF orientations applied: False, not True"):
            prepare(source, store.path, SMALL, 1, exif=True)
        assert content(store.path) == before

    def test_a_store_of_another_source_is_left_alone(self, store: Store, tmp_path: Path) -> None:
        before = content(store.path)
        with pytest.raises(UserError, match=r"is a store of the images of .*data, not .*other"):
            prepare(photographs(tmp_path / "other"), store.path, SMALL, 1)
        assert content(store.path) == before

    def test_anything_else_is_left_alone(self, source: Path, tmp_path: Path, in_process: None) -> None:
        (tmp_path / "file").write_text("precious")
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "precious").touch()
        (tmp_path / "new.partial").mkdir()
        (tmp_path / "new.partial" / "precious").touch()
        for name in ("file", "folder"):
            with pytest.raises(UserError, match="exists and is not a store; it was left as it is"):
                prepare(source, tmp_path / name, SMALL, 1)
        with pytest.raises(UserError, match=r"new\.partial is needed for the work, but holds precious"):
            prepare(source, tmp_path / "new", SMALL, 1)
        assert (tmp_path / "file").read_text() == "precious"
        assert (tmp_path / "folder" / "precious").exists()
        assert (tmp_path / "new.partial" / "precious").exists()

    def test_an_empty_folder_may_become_the_store(self, source: Path, tmp_path: Path, in_process: None) -> None:
        (tmp_path / "empty").mkdir()
        assert len(prepare(source, tmp_path / "empty", SMALL, 1).train) == 8

    def test_not_inside_the_source(self, source: Path) -> None:
        for place in (source, source / "train" / "store"):
            with pytest.raises(UserError, match="would lie in the folder of images"):
                prepare(source, place, SMALL, 1)

    def test_a_place_that_cannot_be_written(self, source: Path, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(UserError, match=r"store cannot be made: .*(not a directory|file exists)"):
            prepare(source, tmp_path / "file" / "store", SMALL, 1)

    def test_a_disk_that_is_too_small(
        self, source: Path, tmp_path: Path, in_process: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        usage = shutil.disk_usage(tmp_path)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=12 * 16 * 16 * 3 - 1))
        with pytest.raises(UserError, match=r"12 images of 16 x 16 x 3 bytes need .* choose another disk with --out"):
            prepare(source, tmp_path / "store", SMALL, 1)

    def test_two_at_once(self, source: Path, tmp_path: Path, in_process: None) -> None:
        with (
            folder_lock(tmp_path / "store.partial"),
            pytest.raises(UserError, match=r"store.partial is in use by another process"),
        ):
            prepare(source, tmp_path / "store", SMALL, 1)
        assert len(prepare(source, tmp_path / "store", SMALL, 1).train) == 8


class TestStoreFor:
    @pytest.fixture(autouse=True)
    def here(self, tmp_path: Path, in_process: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)

    def test_a_folder_is_prepared_once(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        source = photographs(tmp_path / "data")
        store = store_for(Path("data"), SMALL, 1)
        assert re.fullmatch(r"data-16-[0-9a-f]{6}", store.path.name)
        assert store.path.parent == Path("stores")
        assert f"data is not prepared yet: making the store stores/{store.path.name}" in capsys.readouterr().err
        again = store_for(source, SMALL, 1)
        assert (again.identity, again.path) == (store.identity, store.path)
        assert capsys.readouterr().err == ""

    def test_a_second_command_waits_and_takes_what_the_first_one_made(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = photographs(tmp_path / "data")
        destination = preparing.default_destination(folder, SMALL)
        monkeypatch.setattr(sys, "stderr", errors := io.StringIO())  # capsys loses what is written while it reads
        with ThreadPoolExecutor(1) as other, folder_lock(Path(f"{destination}.partial").absolute()):
            waiting = other.submit(store_for, folder, SMALL, 1)
            while "waiting for the process that makes" not in errors.getvalue():
                assert not waiting.done()
                time.sleep(0.01)
            made = prepare(folder, tmp_path / "made", SMALL, 1)
            made.path.rename(destination)
            monkeypatch.setattr(preparing, "_make", None)
        assert waiting.result().identity == made.identity

    @pytest.mark.posix
    def test_a_folder_that_cannot_be_written_names_the_command_that_prepares_elsewhere(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = photographs(tmp_path / "my data")
        monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
        command = f"`alexc prepare '{folder}' --resize 20 --crop 16 --out STORE`, and give --data STORE"
        with pytest.raises(UserError, match=rf"{tmp_path} cannot be written.*{re.escape(command)}"):
            store_for(folder, SMALL, 1)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["my data"]

    def test_other_sizes_are_another_store(self, tmp_path: Path) -> None:
        photographs(tmp_path / "data")
        assert store_for(Path("data"), SMALL, 1).path != store_for(Path("data"), Geometry(21, 16), 1).path
        assert default_destination(Path("data"), SMALL) != default_destination(Path("data"), SMALL, exif=True)

    @pytest.mark.posix
    def test_a_changed_folder_is_refused_with_the_command_that_helps(self, tmp_path: Path) -> None:
        source = photographs(tmp_path / "my data")
        store = store_for(Path("my data"), SMALL, 1)
        (source / "train/a/000.png").unlink()
        with pytest.raises(UserError, match="has changed since its store stores/my data-16-") as caught:
            store_for(Path("my data"), SMALL, 1)
        assert "run `alexc prepare 'my data' --resize 20 --crop 16` again" in str(caught.value)
        prepare(Path("my data"), default_destination(Path("my data"), SMALL), SMALL, 1)
        assert len(store_for(Path("my data"), SMALL, 1).train) == len(store.train) - 1

    def test_the_store_of_version_2_is_taken(self, tmp_path: Path) -> None:
        store = store_for(photographs(tmp_path / "data"), SMALL, 1)
        age(store.path, "manifest.json", "source.json")
        taken = store_for(tmp_path / "data", SMALL, 1)
        assert (taken.path.resolve(), len(taken.train)) == (store.path.resolve(), len(store.train))

    def test_a_store_is_taken_when_it_fits(self, tmp_path: Path) -> None:
        store = prepare(photographs(tmp_path / "data"), tmp_path / "store", SMALL, 1)
        shutil.rmtree(tmp_path / "data")  # a store stands alone
        assert store_for(tmp_path / "store", SMALL, 1).identity == store.identity
        with pytest.raises(UserError, match=r"shorter side 20 and crop 16, .* wants shorter side 256 and crop 256"):
            store_for(tmp_path / "store", Geometry(), 1)

    def test_unfinished_and_missing(self, tmp_path: Path) -> None:
        source = photographs(tmp_path / "data")
        (source / "train/a/bad.png").touch()
        with pytest.raises(UserError, match="over the limit"):
            prepare(source, tmp_path / "store", SMALL, 1)
        with pytest.raises(UserError, match=r"store.partial is an unfinished store"):
            store_for(tmp_path / "store.partial", SMALL, 1)
        with pytest.raises(UserError, match=r"nothing is not a folder"):
            store_for(tmp_path / "nothing", SMALL, 1)


class TestReport:
    def test_everything_is_told_and_nothing_raw_is_printed(self, tmp_path: Path, in_process: None) -> None:
        source = photographs(tmp_path / "data", classes="ab\x1b")
        Image.new("L", (10, 10)).save(source / "train/a/grey\n.png")
        Image.new("L", (10, 10)).save(source / "train/b/grey.png")
        (source / "train/a/\u202egpj.txt.jpg").write_text("no image")
        (source / "train/a/notes.txt").touch()
        store = prepare(source, tmp_path / "store", SMALL, 1, bad_share=0.1)
        report = preparation_report(store)
        assert "\x1b" not in report
        assert "\u202e" not in report
        for line in (
            r"store        .*/store",
            r"classes      3",
            r"train        14 images, 4 to 5 per class",
            r"val          6 images, 2 per class",
            r"mean colour  \d+\.\d\d, \d+\.\d\d, \d+\.\d\d  .*",
            r"eigenvalues  0\.\d{5}, 0\.\d{5}, 0\.\d{5}  .*",
            r"  greyscale          2  one channel copied to three",
            r"  small              2  scaled up to 20 pixels",
            r"  ignored            1  clearly not images",
            r"Left out, not usable \(1\):",
            r"  train/a/\\u202egpj.txt.jpg  not an image in one of the formats.*",
            r"The same image in two classes or splits \(1\), kept as they are:",
            r"  train/a/grey\\n.png = train/b/grey.png",
        ):
            assert re.search(f"^{line}$", report, re.MULTILINE), f"{line}\nnot in\n{report}"
        assert preparation_summary(store) == (
            "train from train/, val from val/; 1 not usable and left out, 1 found in two classes or splits, "
            f"2 converted, 2 scaled up, 1 clearly not images: `alexc inspect {store.path}` shows all"
        )


class TestCommand:
    @pytest.mark.slow
    def test_the_report_is_all_that_short_work_says(self, tmp_path: Path, alexc: Alexc) -> None:
        photographs(tmp_path / "data")
        done = alexc("prepare", "data", "--resize", "20", "--crop", "16", "--workers", "2")
        assert done.returncode == 0, done.stderr
        assert "train        8 images, 4 per class" in done.stdout
        assert done.stderr == ""  # a progress line comes every ten seconds only
        assert json.loads(next((tmp_path / "stores").glob("data-16-*/manifest.json")).read_text())["version"] == 3
        again = alexc("prepare", "data", "--resize", "20", "--crop", "16")
        assert again.stdout == done.stdout
        assert "is up to date" in again.stderr

    @pytest.mark.parametrize("arguments", [("nothing",), ("data", "--crop", "300"), ("data", "--out", "data/store")])
    def test_mistakes(self, tmp_path: Path, alexc: Alexc, arguments: tuple[str, ...]) -> None:
        photographs(tmp_path / "data")
        done = alexc("prepare", *arguments)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        assert "Traceback" not in done.stderr
        assert done.stdout == ""
