"""ImageNet's tar files and devkit, read where they lie: the same store as from the unpacked images."""

from __future__ import annotations

import io
import os
import resource
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import scipy.io  # type: ignore[import-untyped]

from alexc.runtime.data import imagenet_archives
from alexc.runtime.data.prepare import prepare, store_for
from alexc.runtime.data.store import Geometry
from alexc.runtime.errors import UserError
from tests.conftest import Alexc
from tests.support import imagenet_archives as imagenet
from tests.support.listed import list_images
from tests.support.peak_memory import peak_kibibytes
from tests.support.photographs import content

SMALL = Geometry(resize=20, crop=16)


@pytest.fixture
def archives(tmp_path: Path) -> Path:
    return imagenet.write_archives(tmp_path / "imagenet")


class TestListing:
    def test_classes_are_the_sorted_synsets_and_every_image_is_there(self, archives: Path) -> None:
        images = list_images(archives)
        assert images.classes == tuple(sorted(imagenet.SYNSETS))
        assert {split: len(files) for split, files in images.splits.items()} == {"train": 15, "val": 5}
        assert images.layout == (
            "train from ILSVRC2012_img_train.tar, val from ILSVRC2012_img_val.tar, "
            "its classes from ILSVRC2012_devkit_t12.tar.gz"
        )
        for file in images.splits["train"]:
            wnid = images.classes[file.label]
            name = PurePosixPath(file.path).name
            assert file.path == f"ILSVRC2012_img_train.tar/{wnid}/{name}"
            assert file.read(archives) == imagenet.training_images()[wnid][name]
        for file in images.splits["val"]:
            assert file.read(archives) == imagenet.validation_images()[PurePosixPath(file.path).name]

    def test_validation_classes_are_those_that_torchvision_reads(
        self, archives: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from torchvision.datasets import imagenet as reference  # type: ignore[import-untyped]

        monkeypatch.setattr(reference, "_verify_archive", lambda *_: None)  # it knows the hashes of the true ones only
        reference.parse_devkit_archive(str(archives))
        _, expected = reference.load_meta_file(str(archives))
        (archives / reference.META_FILE).unlink()
        images = list_images(archives)
        assert [images.classes[file.label] for file in sorted(images.splits["val"], key=lambda f: f.path)] == expected

    def test_the_devkit_may_be_unpacked(self, archives: Path) -> None:
        packed = list_images(archives)
        devkit = archives / f"{imagenet.DEVKIT}.tar.gz"
        with tarfile.open(devkit) as archive:
            archive.extractall(archives, filter="data")
        devkit.unlink()
        assert list_images(archives).splits == packed.splits

    def test_what_is_no_validation_image_is_ignored(self, archives: Path) -> None:
        files = imagenet.validation_images() | {"readme.txt": b"x"}
        (archives / "ILSVRC2012_img_val.tar").write_bytes(imagenet.tar_of(files))
        images = list_images(archives)
        assert (len(images.splits["val"]), images.ignored) == (5, 1)

    def test_the_fingerprint_changes_with_an_archive_and_lists_nothing(
        self, archives: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from alexc.runtime.data import image_source

        monkeypatch.setattr(image_source, "list_archives", lambda *_: pytest.fail("nothing was to be listed"))
        seen = []
        for name in ("", "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar", "ILSVRC2012_devkit_t12.tar.gz"):
            if name:
                os.utime(archives / name, ns=(1, 1))
            with image_source.open_source(archives) as source:
                seen.append(source.fingerprint)
        assert len(set(seen)) == 4

    @pytest.mark.slow
    def test_memory_does_not_grow_with_an_archive(self, tmp_path: Path) -> None:
        code = (
            "import sys\n"
            "from pathlib import Path\n"
            "from alexc.runtime.data.tar_file import tar_members\n"
            "assert sum(1 for _ in tar_members(Path(sys.argv[1]))) == int(sys.argv[2])\n"
        )
        peaks = []
        for count in (1_000, 40_000):
            path = tmp_path / f"{count}.tar"
            path.write_bytes(imagenet.tar_of({f"{number:08d}.JPEG": b"" for number in range(count)}))
            peaks.append(peak_kibibytes(code, path, count))
        assert peaks[1] - peaks[0] < 8_000  # to remember every member would take some 40 MB


class TestPreparing:
    @pytest.mark.slow
    def test_the_store_is_that_of_the_unpacked_images(self, archives: Path, tmp_path: Path) -> None:
        packed = prepare(archives, tmp_path / "packed", SMALL, 2)
        loose = prepare(imagenet.write_folders(tmp_path / "loose"), tmp_path / "from_loose", SMALL, 2)
        assert packed.classes == loose.classes
        for name in ("train", "val"):
            one, other = getattr(packed, name), getattr(loose, name)
            assert one.labels.tolist() == other.labels.tolist()
            assert [PurePosixPath(file).name for file in one.files] == [PurePosixPath(f).name for f in other.files]
            for index in range(len(one)):
                np.testing.assert_array_equal(one.image(index), other.image(index))
        np.testing.assert_array_equal(packed.mean_image, loose.mean_image)

    @pytest.mark.slow
    def test_a_bad_image_in_an_archive_is_named(self, archives: Path, tmp_path: Path) -> None:
        files = imagenet.validation_images()
        files["ILSVRC2012_val_00000002.JPEG"] = b"no image"
        (archives / "ILSVRC2012_img_val.tar").write_bytes(imagenet.tar_of(files))
        store = prepare(archives, tmp_path / "store", SMALL, 1, bad_share=0.1)
        assert [file for file, _ in store.preparation.quarantined] == [
            "ILSVRC2012_img_val.tar/ILSVRC2012_val_00000002.JPEG"
        ]

    @pytest.mark.slow
    def test_by_the_command_line_and_in_training(
        self, archives: Path, tmp_path: Path, alexc: Alexc, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dry = alexc("prepare", archives, "--resize", 20, "--crop", 16, "--dry-run")
        assert dry.returncode == 0, dry.stderr
        assert "train     15 images" in dry.stdout
        done = alexc("prepare", archives, "--resize", 20, "--crop", 16)
        assert done.returncode == 0, done.stderr
        assert "train        15 images, 4 to 6 per class" in done.stdout
        monkeypatch.chdir(tmp_path)
        before = content(store_for(archives, SMALL, 1).path)
        os.utime(archives / "ILSVRC2012_img_train.tar", ns=(1, 1))
        with pytest.raises(UserError, match="has changed since its store"):
            store_for(archives, SMALL, 1)
        assert content(next((tmp_path / "stores").iterdir())) == before


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def rewrite(name: str, content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return write


TRAIN, VAL, DEVKIT = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar", "ILSVRC2012_devkit_t12.tar.gz"
SHORT_DEVKIT = imagenet.tar_of({f"{imagenet.DEVKIT}/data/meta.mat": imagenet.meta()}, "w:gz")
BROKEN_META = imagenet.tar_of(imagenet.devkit_files() | {f"{imagenet.DEVKIT}/data/meta.mat": b"MATLAB 5.0"}, "w:gz")
WITH_LINK = imagenet.tar_of({"n01000001.tar": imagenet.tar_of({}), "n02000003.tar": imagenet.tar_of({"1": b"x"})})


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / DEVKIT).unlink(), r"lacks ILSVRC2012_devkit_t12.tar.gz: put all three"),
        (lambda folder: (folder / VAL).unlink(), r"lacks ILSVRC2012_img_val.tar: put all three"),
        (lambda folder: (folder / TRAIN).unlink(), r"lacks ILSVRC2012_img_train.tar: put all three"),
        (lambda folder: cut(folder / TRAIN), r"img_train.tar is damaged or no tar file \(.*\): download it again"),
        (lambda folder: cut(folder / VAL), r"img_val.tar is damaged or no tar file \(.*\): download it again"),
        (lambda folder: cut(folder / DEVKIT), r"devkit_t12.tar.gz is damaged or no tar file \(.*\): download it again"),
        (rewrite(TRAIN, b""), r"img_train.tar is damaged or no tar file"),
        (rewrite(TRAIN, b"x" * 5000), r"img_train.tar is damaged or no tar file"),
        (rewrite(TRAIN, imagenet.tar_of({"a.jpg": b"x"})), r"a tar file for each class, .* but it has a$"),
        (rewrite(TRAIN, imagenet.tar_of({"n01000001.tar": b"x"})), r"but it has 1 classes in 1 files"),
        (rewrite(TRAIN, imagenet.tar_of({"n01000001.tar": b"x" * 999, "n02000003.tar": b"y"})), r"is damaged"),
        (rewrite(TRAIN, WITH_LINK), r"class n01000001 has no images"),
        (rewrite(VAL, imagenet.tar_of(imagenet.validation_images(6))), r"00000006.JPEG is beyond the 5 images"),
        (rewrite(VAL, imagenet.tar_of(imagenet.validation_images(4))), r"has 4 images, but .* lists 5: download"),
        (rewrite(DEVKIT, SHORT_DEVKIT), r"has no data/ILSVRC2012_validation_ground_truth.txt"),
        (rewrite(DEVKIT, BROKEN_META), r"meta.mat cannot be read"),
        (rewrite(DEVKIT, imagenet.tar_of(imagenet.devkit_files((9, 1, 1, 2, 3)), "w:gz")), r"has 9, which is no id"),
        (rewrite(DEVKIT, imagenet.tar_of(imagenet.devkit_files((1, 1, 1, 1, 1), ["n09999999"]), "w:gz")), r"n09999999"),
    ],
)
def test_archives_that_do_not_fit_are_told(archives: Path, damage: Callable[[Path], None], words: str) -> None:
    damage(archives)
    with pytest.raises(UserError, match=words):
        list_images(archives)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux's")
@pytest.mark.posix
def test_a_bomb_in_the_devkit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagenet_archives, "_LARGEST_META", 40_000_000)
    bomb = io.BytesIO()
    scipy.io.savemat(bomb, {"synsets": np.zeros(10_000_000)}, do_compression=True)
    assert len(bomb.getvalue()) < 100_000
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(UserError, match=r"meta.mat cannot be read \(.*[Aa]lloc"):
        imagenet_archives._synset_of_ids(bomb.getvalue(), "devkit")
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def with_header(content: bytes, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A tar file whose first header says another size and type."""
    header = tarfile.TarInfo.frombuf(content[: tarfile.BLOCKSIZE], "utf-8", "strict")
    header.size, header.type = size, kind
    return header.tobuf(tarfile.GNU_FORMAT) + content[tarfile.BLOCKSIZE :]


def with_attribute(name: str, value: str) -> bytes:
    """A tar file with one image, whose header has an attribute of pax."""
    content, member = io.BytesIO(), tarfile.TarInfo("ILSVRC2012_val_00000001.JPEG")
    member.pax_headers, member.size = {name: value}, 600
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(member, io.BytesIO(bytes(600)))
    return content.getvalue()


VALIDATION = imagenet.tar_of(imagenet.validation_images())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        *((with_header(VALIDATION, size), "has a negative size") for size in (-1, -512, -1024, -(2**40))),
        (with_header(VALIDATION, 2**62), "it ends in the middle of"),
        (with_header(VALIDATION, -512, tarfile.GNUTYPE_LONGNAME), "has a negative size"),
        (with_header(VALIDATION, 2**40, tarfile.GNUTYPE_LONGNAME), r"the header .* has 1,099,511,627,776 bytes"),
        (with_header(VALIDATION, 2**40, tarfile.XHDTYPE), r"the header .* has 1,099,511,627,776 bytes"),
        (with_attribute("size", "-1024"), "leads back to an earlier place"),
        (with_attribute("size", f"1{'0' * 30}"), "it ends in the middle of"),
        (with_attribute("GNU.sparse.realsize", "x"), "invalid literal"),
        (with_header(VALIDATION, 0, tarfile.XHDTYPE)[:512] * 5000 + VALIDATION, "recursion"),
    ],
)
def test_sizes_that_lead_nowhere_end_the_reading(archives: Path, content: bytes, words: str) -> None:
    (archives / VAL).write_bytes(content)
    with pytest.raises(UserError, match=rf"img_val.tar is damaged or no tar file \(.*{words}"):
        list_images(archives)


@pytest.mark.slow
def test_names_in_archives_reach_no_file_and_no_terminal(archives: Path, tmp_path: Path) -> None:
    evil = "../../\x1b[31mevil.JPEG"
    train = {f"{wnid}.tar": imagenet.tar_of(images) for wnid, images in imagenet.training_images().items()}
    train["n01000001.tar"] = imagenet.tar_of({evil: b"no image", "fine.JPEG": imagenet.picture(1)})
    (archives / TRAIN).write_bytes(imagenet.tar_of(train))
    with pytest.raises(UserError, match="over the limit") as caught:
        prepare(archives, tmp_path / "store", SMALL, 1)
    assert "\x1b" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["imagenet", "store.partial"]
