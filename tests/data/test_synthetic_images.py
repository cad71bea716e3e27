"""The built-in data set: the same everywhere, varied, not to be told by colour, and whole after any interruption."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from alexc.runtime.data import synthetic_images
from alexc.runtime.data.decode import load_image, scale_and_crop
from alexc.runtime.data.store import Geometry, SplitName
from alexc.runtime.data.synthetic_images import COUNTS, SHAPES, draw_data_set, draw_image
from alexc.runtime.errors import UserError
from tests.support.commands import Command
from tests.support.listed import list_images


def test_ten_classes_of_two_hundred_and_fifty() -> None:
    assert len(SHAPES) == 10
    assert list(SHAPES) == sorted(SHAPES)
    assert COUNTS == {"train": 200, "val": 50}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_picture_is_a_function_of_its_number(shape: str) -> None:
    first, again, other = (np.asarray(draw_image("train", shape, n)) for n in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or np.abs(first.astype(float) - other).mean() > 5
    val = np.asarray(draw_image("val", shape, 3))
    assert first.shape != val.shape or np.abs(first.astype(float) - val).mean() > 5


def test_sizes_and_aspects_vary() -> None:
    pictures = [draw_image("train", shape, n) for shape in SHAPES for n in range(4)]
    sizes = [picture.size for picture in pictures]
    assert all(min(size) >= 200 and max(size) <= 500 for size in sizes)
    assert len(set(sizes)) > 35
    assert sum(width < height for width, height in sizes) >= 8
    assert sum(width > height for width, height in sizes) >= 8
    assert {"RGB"} <= {picture.mode for picture in pictures} <= {"RGB", "L"}


@pytest.mark.slow
def test_drawn_again_only_where_something_is_missing(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    draw_data_set(folder, {"train": 2, "val": 1}, workers=2)
    assert not folder.with_name("set.partial").exists()
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))
    assert len(files) == 30
    assert files[0] == "train/checkerboard/checkerboard-0000.jpg"
    picture, _ = load_image(folder / files[0])
    drawn = draw_image("train", "checkerboard", 0).convert("RGB")
    assert np.abs(picture.astype(float) - np.asarray(drawn)).mean() < 8  # JPEG's loss

    partial = tmp_path / "other.partial" / "images"
    partial.parent.mkdir()
    folder.rename(partial)
    kept = {path: path.stat().st_mtime_ns for path in partial.rglob("*.jpg")}
    gone = sorted(kept)[7]
    gone.unlink()
    draw_data_set(tmp_path / "other", {"train": 2, "val": 1}, workers=1)
    now = {partial / path.relative_to(tmp_path / "other"): path.stat() for path in (tmp_path / "other").rglob("*.jpg")}
    assert {path for path in now if now[path].st_mtime_ns != kept[path]} == {gone}


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(UserError, match="set XDG_CACHE_HOME to a folder"):
        synthetic_images.synthetic_images()


def test_the_cache_is_asked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "alexc" / "drawn-images-v1"
    folder.mkdir(parents=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(synthetic_images, "draw_data_set", lambda *_: pytest.fail("it was there already"))
    assert synthetic_images.synthetic_images() == folder


@pytest.mark.slow
def test_the_mean_colour_does_not_tell_the_class() -> None:
    """A classifier that knows only each class's mean colour stays near chance, one in ten."""

    def mean_colors(split: SplitName, count: int) -> NDArray[np.float64]:
        """(shapes, count, 3)."""
        small = Geometry(72, 64)
        pictures = [[np.array(draw_image(split, shape, n).convert("RGB")) for n in range(count)] for shape in SHAPES]
        return np.array([[scale_and_crop(picture, small).mean(axis=(0, 1)) for picture in row] for row in pictures])

    centers = mean_colors("train", 20).mean(axis=1)
    val = mean_colors("val", 20)
    nearest = np.linalg.norm(val[:, :, None] - centers, axis=-1).argmin(axis=-1)
    share = (nearest == np.arange(len(SHAPES))[:, None]).mean()
    assert share < 0.2


DRAW = """
from alexc.runtime.data import synthetic_images
synthetic_images.COUNTS = {"train": 16, "val": 4}
synthetic_images.synthetic_images()
raise SystemExit
"""


@pytest.mark.slow
def test_killed_while_drawing_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "alexc" / "drawn-images-v1"
    process = Command(cwd=tmp_path, first=DRAW)
    images = folder.with_name(folder.name + ".partial") / "images"
    deadline = time.monotonic() + 60
    while len(list(images.rglob("*.jpg"))) < 30:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not folder.exists()
    done = {path.relative_to(images): path.stat().st_ino for path in images.rglob("*.jpg")}
    assert len(done) < 200
    again = Command(cwd=tmp_path, first=DRAW)
    _, errors = again.communicate()
    assert again.returncode == 0, errors
    assert [len(files) for files in list_images(folder).splits.values()] == [160, 40]
    assert not list(folder.rglob("*.tmp"))
    now = {path.relative_to(folder): path.stat().st_ino for path in folder.rglob("*.jpg")}
    assert done.items() <= now.items()
