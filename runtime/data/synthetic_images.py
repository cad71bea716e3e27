"""The built-in data set: synthetic photographs of ten shapes, to try everything without a download.

Each image is a function of its split, class and number: a shape with random size, position, rotation and colours on a
textured background, under uneven light, with a shadow, sometimes partly hidden, blurred and noisy as by a camera.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ..cores import available_cores
from ..errors import UserError
from ..files import sync_folder, write_error
from ..folder_lock import folder_lock
from ..progress import Progress
from .store import SPLITS, SplitName
from .worker_pool import WorkerDied, leave_if_asked, run_in_workers

_Floats = NDArray[np.floating]
Shape = Callable[[_Floats, _Floats, np.random.Generator], _Floats]

NAME = "drawn-images-v1"
COUNTS: Mapping[SplitName, int] = {"train": 200, "val": 50}
_IMAGES_PER_TASK = 25


def synthetic_images() -> Path:
    """The folder of the data set, made at its first use: `train/<class>/` and `val/<class>/`, 2,500 JPEG files.

    It is in `$XDG_CACHE_HOME/alexc`, by default `~/.cache/alexc`.

    Raises:
        UserError: the folder cannot be written.
    """
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "alexc" / NAME
    if not folder.is_dir():
        draw_data_set(folder, COUNTS, available_cores())
    return folder


def draw_data_set(folder: Path, counts: Mapping[SplitName, int], workers: int) -> None:
    """Draw `counts` images of each class; after an interruption, the next call continues.

    Raises:
        UserError: as `synthetic_images`.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    try:
        with folder_lock(partial, wait=True):
            if not folder.exists():
                _draw_missing(partial / "images", counts, workers)
                (partial / "images").rename(folder)
                sync_folder(folder.parent)
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise write_error(
            folder, error, ", or set XDG_CACHE_HOME to a folder with 60 MB free: the built-in images lie there"
        ) from None
    except WorkerDied:
        raise UserError("a process that draws the built-in data set was killed: run the same command again") from None


def draw_image(split: SplitName, shape: str, number: int) -> Image.Image:
    """One image: RGB, sometimes greyscale, with sides of 200 to 500 pixels."""
    rng = np.random.default_rng((SPLITS.index(split), list(SHAPES).index(shape), number))
    width, height = _size(rng)
    scene = _Scene(rng, width, height)
    image = _camera(rng, scene.with_object(SHAPES[shape]))
    return image.convert("L") if rng.random() < 0.04 else image


@dataclass(frozen=True)
class _DrawTask:
    folder: Path
    split: SplitName
    shape: str
    numbers: range


def _draw_missing(folder: Path, counts: Mapping[SplitName, int], workers: int) -> None:
    tasks = [
        _DrawTask(folder, split, shape, range(start, min(start + _IMAGES_PER_TASK, count)))
        for split, count in counts.items()
        for shape in SHAPES
        for start in range(0, count, _IMAGES_PER_TASK)
    ]
    with Progress("draw the built-in data set", sum(len(task.numbers) for task in tasks), "images") as progress:
        run_in_workers(_draw, tasks, workers, lambda task: progress.advance(len(task.numbers)))


def _draw(task: _DrawTask) -> None:
    folder = task.folder / task.split / task.shape
    folder.mkdir(parents=True, exist_ok=True)
    for number in task.numbers:
        leave_if_asked()
        path = folder / f"{task.shape}-{number:04d}.jpg"
        if not path.exists():
            temporary = path.with_suffix(".tmp")
            draw_image(task.split, task.shape, number).save(temporary, "JPEG", quality=85)
            temporary.replace(path)


def _size(rng: np.random.Generator) -> tuple[int, int]:
    shorter = int(rng.integers(200, 331))
    longer = int(shorter * rng.uniform(1.0, 1.5))
    return (shorter, longer) if rng.random() < 0.4 else (longer, shorter)


class _Scene:
    """A background, a light and a position for the object; pixels are float32 in 0..1, (height, width, 3)."""

    def __init__(self, rng: np.random.Generator, width: int, height: int) -> None:
        self.rng, self.width, self.height = rng, width, height
        self.ground = _surface(rng, width, height, _color(rng, 0.09), rng.uniform(0.06, 0.25))
        self.radius = min(width, height) * rng.uniform(0.3, 0.46)
        spread = max(0.0, min(width, height) / 2 - self.radius)
        self.x = width / 2 + rng.uniform(-spread, spread)
        self.y = height / 2 + rng.uniform(-spread, spread)

    def with_object(self, shape: Shape) -> _Floats:
        """The scene with the object, its shadow, sometimes an obstacle, and the light."""
        u, v = self._object_coordinates()
        distance = shape(u, v, self.rng) * self.radius
        pixels: _Floats = self.ground * (1 - self._shadow(distance))[..., None]
        pixels = _over(pixels, self._object_surface(), _coverage(distance))
        if self.rng.random() < 0.12:
            pixels = _over(pixels, *self._obstacle())
        return pixels * self._light()[..., None]

    def _object_coordinates(self) -> tuple[_Floats, _Floats]:
        """Coordinates in which the object has radius 1: rotated, and seen slightly from the side."""
        angle, tilt, lean = self.rng.uniform(0, 2 * np.pi), self.rng.uniform(0.75, 1.0), self.rng.uniform(0, 2 * np.pi)
        y, x = np.mgrid[: self.height, : self.width].astype(np.float32)
        along, across = _turned((x - self.x) / self.radius, (y - self.y) / self.radius, lean)
        return _turned(along, across / tilt, angle)

    def _object_surface(self) -> _Floats:
        ground = self.ground.mean(axis=(0, 1))
        color = _color(self.rng, 0.15)
        while np.abs(color - ground).max() < 0.4:  # the object must stand out, in lightness or in hue
            color = _color(self.rng, 0.15)
        return _surface(self.rng, self.width, self.height, color, self.rng.uniform(0.04, 0.2))

    def _shadow(self, distance: _Floats) -> _Floats:
        """The object's coverage, moved, blurred and weakened."""
        reach = self.radius * self.rng.uniform(0.05, 0.2)
        angle = self.rng.uniform(0, 2 * np.pi)
        move = (1, 0, reach * np.cos(angle), 0, 1, reach * np.sin(angle))
        shadow = Image.fromarray(_to_bytes(_coverage(distance))).transform(
            (self.width, self.height), Image.Transform.AFFINE, move
        )
        shadow = shadow.filter(ImageFilter.GaussianBlur(reach * 0.5 + 1))
        return np.asarray(shadow).astype(np.float32) * np.float32(self.rng.uniform(0.2, 0.6) / 255)

    def _obstacle(self) -> tuple[_Floats, _Floats]:
        """A bar in front of the object that hides a part of it: its surface and its coverage."""
        y, x = np.mgrid[: self.height, : self.width].astype(np.float32)
        _, across = _turned(x - self.x, y - self.y, self.rng.uniform(0, 2 * np.pi))
        bar = np.abs(across - self.radius * self.rng.uniform(-0.9, 0.9)) - self.radius * self.rng.uniform(0.06, 0.16)
        surface = _surface(self.rng, self.width, self.height, _color(self.rng, 0.1), 0.2)
        return surface, _coverage(bar)

    def _light(self) -> _Floats:
        """(height, width): brighter on one side, as from a window or a lamp."""
        y, x = np.mgrid[-1 : 1 : self.height * 1j, -1 : 1 : self.width * 1j].astype(np.float32)
        along, across = _turned(x, y, self.rng.uniform(0, 2 * np.pi))
        fall = self.rng.uniform(0.0, 0.35)
        return 1 + fall * along - self.rng.uniform(0.0, 0.15) * (across * across + along * along)


def _camera(rng: np.random.Generator, pixels: _Floats) -> Image.Image:
    """Colour cast, exposure, blur and noise."""
    cast = rng.uniform(0.85, 1.15, 3) * rng.uniform(0.75, 1.2)
    image = Image.fromarray(_to_bytes(pixels * cast.astype(np.float32)))
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.3)))
    noise = rng.standard_normal(pixels.shape, np.float32) * np.float32(rng.uniform(2, 9))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def _color(rng: np.random.Generator, vividness: float) -> _Floats:
    """(3,): any hue; with low `vividness` it is muted, as in most photographs."""
    grey = rng.uniform(0.15, 0.85)
    color: _Floats = np.clip(grey + rng.normal(0, vividness, 3), 0.05, 0.95).astype(np.float32)
    return color


def _surface(rng: np.random.Generator, width: int, height: int, color: _Floats, contrast: float) -> _Floats:
    """(height, width, 3): a material of about this colour: clouds at several scales, with a grain direction."""
    stretch = float(np.exp(rng.normal(0, 0.7)))
    roughness = rng.uniform(0.4, 0.75)
    pattern = np.zeros((height, width), np.float32)
    for octave in range(2, 8):
        columns = max(2, int(2**octave * width / 400 * stretch))
        rows = max(2, int(2**octave * height / 400 / stretch))
        cells = Image.fromarray(rng.standard_normal((rows, columns), np.float32))
        layer = np.asarray(cells.resize((width, height), Image.Resampling.BICUBIC))
        pattern += layer * np.float32(roughness ** (octave - 2))
    pattern *= np.float32(contrast) / pattern.std()
    tint = rng.normal(1, 0.25, 3).astype(np.float32)
    surface: _Floats = np.clip(color * (1 + pattern[..., None] * tint), 0, 1)
    return surface


def _over(below: _Floats, above: _Floats, coverage: _Floats) -> _Floats:
    return below + (above - below) * coverage[..., None]


def _coverage(distance: _Floats) -> _Floats:
    """The share of each pixel inside the shape, from the signed distance to the edge in pixels."""
    coverage: _Floats = np.clip(np.float32(0.5) - distance, 0, 1)
    return coverage


def _to_bytes(values: _Floats) -> NDArray[np.uint8]:
    return (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)


def _turned(x: _Floats, y: _Floats, angle: float) -> tuple[_Floats, _Floats]:
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cosine * x + sine * y, cosine * y - sine * x


# Each shape is a signed distance to its edge, negative inside, for a shape of radius 1.


def _disc(u: _Floats, v: _Floats, _: np.random.Generator) -> _Floats:
    distance: _Floats = np.hypot(u, v) - np.float32(0.9)
    return distance


def _ring(u: _Floats, v: _Floats, rng: np.random.Generator) -> _Floats:
    thickness = np.float32(rng.uniform(0.1, 0.2))
    distance: _Floats = np.abs(np.hypot(u, v) - (1 - thickness)) - thickness
    return distance


def _square(u: _Floats, v: _Floats, _: np.random.Generator) -> _Floats:
    distance: _Floats = np.maximum(np.abs(u), np.abs(v)) - np.float32(0.8)
    return distance


def _triangle(u: _Floats, v: _Floats, _: np.random.Generator) -> _Floats:
    distance: _Floats = np.maximum(np.abs(u) * np.float32(np.sqrt(3) / 2) + v / 2, -v) - np.float32(0.55)
    return distance


def _cross(u: _Floats, v: _Floats, rng: np.random.Generator) -> _Floats:
    arm = np.float32(rng.uniform(0.18, 0.32))
    u, v = np.abs(u), np.abs(v)
    distance: _Floats = np.minimum(np.maximum(u - arm, v - 1), np.maximum(u - 1, v - arm))
    return distance


def _star(u: _Floats, v: _Floats, rng: np.random.Generator) -> _Floats:
    """Five points; folded into one tenth of the circle, its edge is one straight line."""
    inner = rng.uniform(0.38, 0.5)
    fold = 2 * np.pi / 5
    angle = np.abs(np.mod(np.arctan2(v, u), np.float32(fold)) - np.float32(fold / 2))  # 0 at an inner corner
    radius = np.hypot(u, v)
    tip = np.array([np.cos(fold / 2), np.sin(fold / 2)])
    edge = tip - np.array([inner, 0.0])
    normal = np.array([edge[1], -edge[0]]) / np.linalg.norm(edge)
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    return (x - np.float32(inner)) * np.float32(normal[0]) + y * np.float32(normal[1])


def _stripes(u: _Floats, v: _Floats, rng: np.random.Generator) -> _Floats:
    """Parallel bars."""
    bars = int(rng.integers(3, 6))
    period = np.float32(1.8 / (bars - 0.5))
    place = np.mod(v + np.float32(0.9), period)
    distance: _Floats = np.maximum(
        np.maximum(np.abs(u), np.abs(v)) - np.float32(0.9), np.abs(place - period / 4) - period / 4
    )
    return distance


def _checkerboard(u: _Floats, v: _Floats, rng: np.random.Generator) -> _Floats:
    fields = np.float32(rng.integers(3, 6) / 1.8)
    alternating = np.sin(np.pi * (u + np.float32(0.9)) * fields) * np.sin(np.pi * (v + np.float32(0.9)) * fields)
    board = np.maximum(np.abs(u), np.abs(v)) - np.float32(0.9)
    distance: _Floats = np.maximum(board, -alternating / (np.float32(np.pi) * fields))
    return distance


def _dots(u: _Floats, v: _Floats, rng: np.random.Generator) -> _Floats:
    """A grid of small discs."""
    rows = int(rng.integers(3, 5))
    period = np.float32(1.9 / rows)
    size = np.float32(rng.uniform(0.28, 0.4))
    in_cell = (np.mod(axis + np.float32(0.95), period) / period - np.float32(0.5) for axis in (u, v))
    distance: _Floats = np.maximum(
        (np.hypot(*in_cell) - size) * period, np.maximum(np.abs(u), np.abs(v)) - np.float32(0.95)
    )
    return distance


def _spiral(u: _Floats, v: _Floats, rng: np.random.Generator) -> _Floats:
    """An arm of even width that winds outwards, left or right."""
    turns = rng.uniform(2.0, 3.0)
    pitch = np.float32(1 / turns)
    radius = np.hypot(u, v)
    winding = np.arctan2(v, u) * np.float32(rng.choice([-1, 1]) / (2 * np.pi))
    from_arm = np.abs(np.mod(radius / pitch - winding, 1) - np.float32(0.5)) * pitch
    distance: _Floats = np.maximum(from_arm - pitch * np.float32(0.23), radius - 1)
    return distance


SHAPES: Mapping[str, Shape] = {
    "checkerboard": _checkerboard,
    "cross": _cross,
    "disc": _disc,
    "dots": _dots,
    "ring": _ring,
    "spiral": _spiral,
    "square": _square,
    "star": _star,
    "stripes": _stripes,
    "triangle": _triangle,
}
