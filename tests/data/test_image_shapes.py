"""Images of 1 to 4 channels, of 16 bits and of any rectangle: stored, drawn and rendered as plain numpy has them."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms import v2  # type: ignore[import-untyped]
from typer import BadParameter

from alexc import Net
from alexc.cli import app
from alexc.runtime import recipes
from alexc.runtime.augmentations.augmentation import Augmentation
from alexc.runtime.augmentations.color_jitter import ColorAdjustment
from alexc.runtime.augmentations.cutout import Cutout
from alexc.runtime.augmentations.mirror import Mirror
from alexc.runtime.augmentations.pca_color import PCAColor
from alexc.runtime.augmentations.random_crop import RandomCrop
from alexc.runtime.augmentations.random_resized_crop import RandomResizedCrop
from alexc.runtime.augmentations.view import View, same_views
from alexc.runtime.data import prepare as preparing
from alexc.runtime.data.batch_loader import BatchLoader
from alexc.runtime.data.contact_sheet import write_contact_sheet
from alexc.runtime.data.dataset_statistics import DatasetStatistics, load_statistics, save_statistics, statistics_of
from alexc.runtime.data.decode import decode, load_image, scale_and_crop
from alexc.runtime.data.device_store import stored_on
from alexc.runtime.data.displayed import as_rgb
from alexc.runtime.data.prepare_report import preparation_report
from alexc.runtime.data.recipe_images import geometry_of
from alexc.runtime.data.store import Geometry, Store, check_store, open_store
from alexc.runtime.data.views import Renderer, TrainingViews, central_view, views_for_test
from alexc.runtime.errors import UserError
from alexc.runtime.evaluation.file_weights import Preparation, load_classifier
from alexc.runtime.evaluation.prediction import predict
from alexc.runtime.evaluation.run_evaluation import evaluate_run
from alexc.runtime.evaluation.trained_network import load_trained_network
from alexc.runtime.network_file import load_network_file
from alexc.runtime.reporting.page import make_report
from tests.support import tiny_training as tiny
from tests.support.drawn_views import views_of
from tests.support.one_process import make_shards_here

Array = NDArray[Any]
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
HEIGHT, WIDTH = 14, 22  # of the stored images
SIZE = (9, 16)  # of a view
RNG = np.random.default_rng(11)
KINDS = [(channels, 8) for channels in MODES] + [(1, 16)]
kinds = pytest.mark.parametrize(("channels", "bits"), KINDS, ids=str)


def noise(channels: int, bits: int, height: int = HEIGHT, width: int = WIDTH) -> Array:
    kind = np.uint8 if bits == 8 else np.uint16
    pixels: Array = RNG.integers(0, np.iinfo(kind).max, (height, width, channels), kind, endpoint=True)
    return pixels


def file_of(pixels: Array) -> Image.Image:
    """The image file of some pixels, with all their channels and bits."""
    if pixels.dtype != np.uint8:
        return Image.fromarray(pixels[..., 0])
    return Image.fromarray(pixels.squeeze(), MODES[pixels.shape[2]])


def png(pixels: Array) -> bytes:
    content = io.BytesIO()
    file_of(pixels).save(content, "PNG")
    return content.getvalue()


def facts(channels: int, bits: int = 8) -> DatasetStatistics:
    mixed = RNG.uniform(0.1, 1, (channels, channels))
    values, vectors = np.linalg.eigh(mixed @ mixed.T / 20)
    mean = RNG.uniform(0, 255, (HEIGHT, WIDTH, channels))
    return DatasetStatistics(("a",), Geometry(40, (HEIGHT, WIDTH), channels, bits), mean, values, vectors, "x")


# Decoding


@kinds
def test_a_file_of_these_channels_is_read_as_it_is(channels: int, bits: int) -> None:
    pixels = noise(channels, bits)
    decoded, treatments = decode(png(pixels), ".png", channels=channels, bits=bits)
    np.testing.assert_array_equal(decoded, pixels)
    assert (decoded.dtype, treatments, decoded.flags.writeable) == (pixels.dtype, frozenset(), True)


def on_white(pixels: Array) -> Array:
    """Without the last channel, the opacity."""
    alpha = pixels[..., -1:] / 255
    mixed: Array = np.rint(pixels[..., :-1] * alpha + 255 * (1 - alpha))
    return mixed


def luma(pixels: Array) -> Array:
    mixed: Array = np.rint(pixels @ np.array([[0.299], [0.587], [0.114]]))
    return mixed


@pytest.mark.parametrize(
    ("given", "wanted", "converted", "treatment"),
    [
        (3, 1, luma, {"colour"}),
        (4, 1, lambda pixels: luma(on_white(pixels)), {"colour", "transparent"}),
        (2, 1, on_white, {"transparent"}),
        (1, 2, lambda pixels: np.concatenate([pixels, np.full_like(pixels, 255)], 2), {"opaque"}),
        (4, 2, lambda pixels: np.concatenate([luma(pixels[..., :3]), pixels[..., 3:]], 2), {"colour"}),
        (2, 4, lambda pixels: pixels[..., [0, 0, 0, 1]], {"greyscale"}),
        (3, 4, lambda pixels: np.concatenate([pixels, np.full_like(pixels[..., :1], 255)], 2), {"opaque"}),
    ],
)
def test_other_channels_are_converted_and_counted(
    given: int, wanted: int, converted: Callable[[Array], Array], treatment: set[str]
) -> None:
    pixels = noise(given, 8)
    decoded, treatments = decode(png(pixels), ".png", channels=wanted)
    np.testing.assert_allclose(decoded.astype(float), converted(pixels), atol=1)  # Pillow blends in steps of 1/255
    assert treatments == treatment


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_grey_image_of_a_jpeg_is_pillows(mode: str, tmp_path: Path) -> None:
    image = Image.fromarray(np.tile(np.arange(64, dtype=np.uint8) * 3, (48, 1))).convert(mode)
    image.save(tmp_path / "photo.jpg")
    decoded, treatments = load_image(tmp_path / "photo.jpg", channels=1)
    np.testing.assert_array_equal(decoded[..., 0], np.asarray(Image.open(tmp_path / "photo.jpg").convert("L")))
    assert treatments == ({"colour"} if mode == "RGB" else frozenset())


def test_pixels_of_8_bits_get_the_range_of_16() -> None:
    pixels = noise(1, 8)
    decoded, _ = decode(png(pixels), ".png", channels=1, bits=16)
    np.testing.assert_array_equal(decoded, pixels.astype(np.uint16) * 257)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("channels", [1, 4])
def test_every_orientation_is_turned_upright_as_pillow_does(channels: int, orientation: int, tmp_path: Path) -> None:
    from PIL import ImageOps

    image = file_of(noise(channels, 8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "turned.png", exif=exif)
    decoded, _ = load_image(tmp_path / "turned.png", exif=True, channels=channels)
    upright = ImageOps.exif_transpose(Image.open(tmp_path / "turned.png"))
    assert upright is not None
    np.testing.assert_array_equal(decoded.squeeze(), np.asarray(upright))


@kinds
@pytest.mark.parametrize("geometry", [(20, (14, 19)), ((18, 31), (18, 31)), ((9, 40), (8, 12)), (9, 5)])
def test_images_are_scaled_as_torchvision_scales_them(channels: int, bits: int, geometry: tuple[Any, Any]) -> None:
    import torch

    resize, crop = geometry
    pixels = noise(channels, bits)
    made = scale_and_crop(pixels.copy(), Geometry(resize, crop, channels, bits))
    exact = torch.from_numpy(pixels if bits == 8 else pixels.astype(np.float32)).permute(2, 0, 1)
    scaled = v2.functional.resize(exact, [resize] if isinstance(resize, int) else list(resize), antialias=True)
    cut = v2.functional.center_crop(scaled, [crop, crop] if isinstance(crop, int) else list(crop)).permute(1, 2, 0)
    np.testing.assert_array_equal(made, np.rint(cut.numpy()).astype(pixels.dtype))


# Stores


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    make_shards_here(monkeypatch)


def make_images(folder: Path, channels: int, bits: int) -> dict[str, Array]:
    """Write images of the size of a store; returns them by their path."""
    images = {}
    for split, name, number in product(("train", "val"), ("a", "b"), range(2)):
        path = folder / split / name / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        images[f"{split}/{name}/{number}.png"] = pixels = noise(channels, bits)
        path.write_bytes(png(pixels))
    return images


def make_store(folder: Path, channels: int, bits: int, quality: int | None = None) -> tuple[Store, dict[str, Array]]:
    images = make_images(folder / "images", channels, bits)
    geometry = Geometry((HEIGHT, WIDTH), (HEIGHT, WIDTH), channels, bits)
    return preparing.prepare(folder / "images", folder / "store", geometry, 1, quality=quality), images


@pytest.mark.usefixtures("alone")
@kinds
def test_a_store_holds_the_images_and_their_statistics(channels: int, bits: int, tmp_path: Path) -> None:
    store, images = make_store(tmp_path, channels, bits)
    for split in (store.train, store.val):
        for number, file in enumerate(split.files):
            np.testing.assert_array_equal(split.image(number), images[file])
    assert store.train.bytes == 4 * HEIGHT * WIDTH * channels * bits // 8
    # The mean image, and the principal components, of the images in float64.
    train = np.stack([images[file] for file in store.train.files]) / (2**bits - 1)
    np.testing.assert_allclose(store.mean_image, 255 * train.mean(axis=0), rtol=1e-12)
    covariance = np.atleast_2d(np.cov(train.reshape(-1, channels).T, bias=True))
    vectors, values = store.eigenvectors, store.eigenvalues
    np.testing.assert_allclose(vectors @ np.diag(values) @ vectors.T, covariance, atol=1e-12)
    assert values.tolist() == sorted(values, reverse=True)
    check_store(store)
    save_statistics(statistics_of(store), tmp_path / "data.npz")
    assert load_statistics(tmp_path / "data.npz").geometry == store.geometry == open_store(store.path).geometry
    if channels in (1, 4):
        write_contact_sheet(store, tmp_path / "sheet.png")
    assert f"{HEIGHT} x {WIDTH} per image, scaled to {HEIGHT} x {WIDTH}" in preparation_report(store)


@pytest.mark.usefixtures("alone")
def test_a_grey_store_of_jpegs(tmp_path: Path) -> None:
    store, images = make_store(tmp_path, 1, 8, quality=100)
    for number, file in enumerate(store.val.files):
        difference = store.val.image(number).astype(int) - images[file]
        assert difference.shape == (HEIGHT, WIDTH, 1)
        assert np.abs(difference).max() <= 3
    with pytest.raises(UserError, match="JPEGs hold 1 or 3 channels of 8 bits, not 4 of 8 bits: store raw pixels"):
        preparing.prepare(tmp_path / "images", tmp_path / "other", Geometry(9, 9, 4), 1, quality=90)


@pytest.mark.usefixtures("alone")
def test_a_store_of_other_channels_is_refused(tmp_path: Path) -> None:
    store, _ = make_store(tmp_path, 1, 8)
    with pytest.raises(
        UserError, match=r"size 14x22 and crop 14x22, 1 channel, but .* wants shorter side 9 and crop 9"
    ) as error:
        preparing.store_for(store.path, Geometry(9, 9), 1)
    assert "`alexc prepare DATA --resize 9 --crop 9`" in str(error.value)
    made = preparing.default_destination(tmp_path / "images", store.geometry)
    assert made.name.startswith("images-14x22-")
    assert made != preparing.default_destination(tmp_path / "images", Geometry((HEIGHT, WIDTH), (HEIGHT, WIDTH)))


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        (((20, 30), (21, 30)), "resize 20x30 and crop 21x30 do not fit"),
        ((20, (20, 21)), "resize 20 and crop 20x21 do not fit"),
        ((20, 20, 5), "images of 5 channels"),
        ((20, 20, 0), "images of 0 channels"),
        ((20, 20, 3, 16), "images of 3 channels of 16 bits"),
        (((20, 30, 3), 20), "not the size of an image"),
    ],
)
def test_geometries_that_no_store_has(geometry: tuple[Any, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Geometry(*geometry)


def test_equal_sides_are_a_square() -> None:
    assert Geometry(20, (12, 12)) == Geometry(20, 12)
    assert Geometry((20, 20), 12) != Geometry(20, 12)  # the aspect of the image is kept in one of them


@pytest.mark.parametrize("size", ["28x28x3", "x28", "28.5", "-1", "9" * 5000])
def test_sizes_that_the_command_does_not_take(size: str) -> None:
    with pytest.raises(BadParameter, match="expected pixels as in 256, or height x width as in 480x640"):
        app.main(["prepare", "images", f"--crop={size}"], standalone_mode=False)


# Views


def by_numpy(image: Array, view: View, mean: Array, factor: Array, scale: float) -> Array:
    """A view without a scaled window, in float64."""
    window = (slice(view.top, view.top + SIZE[0]), slice(view.left, view.left + SIZE[1]))
    shown = image[window] / scale - mean[window]
    shown = shown[:, ::-1] if view.mirrored else shown
    scaled: Array = (shown + np.array(view.color)) * factor
    return scaled


def rendered(image: Array, view: View, mean: Array, factor: Array | None = None) -> Array:
    out = np.full((*SIZE, image.shape[2]), np.nan, np.float32)
    Renderer(SIZE, mean, factor, bits=8 * image.dtype.itemsize).render(image, view, out)
    return out


@kinds
def test_ten_crops_of_a_rectangle(channels: int, bits: int) -> None:
    image, known = noise(channels, bits), facts(channels, bits)
    factor = RNG.uniform(0.01, 0.02, channels)
    views = views_for_test(recipes.TenCrop(SIZE), (HEIGHT, WIDTH))
    places = [(0, 0), (0, 6), (5, 0), (5, 6), (2, 3)]
    assert [(view.top, view.left, view.mirrored) for view in views] == [
        (top, left, mirrored) for mirrored in (False, True) for top, left in places
    ]
    for view in views:
        expected = by_numpy(image, replace_color(view, channels), known.mean_image, factor, 1 if bits == 8 else 257)
        np.testing.assert_allclose(rendered(image, view, known.mean_image, factor), expected, atol=1e-5)


def replace_color(view: View, channels: int) -> View:
    """The same view with no colour for each channel, which is what no colour means."""
    return View(view.top, view.left, view.mirrored, (0.0,) * channels)


@kinds
def test_crops_mirrors_and_colour_noise_are_those_of_numpy(channels: int, bits: int) -> None:
    image, known = noise(channels, bits), facts(channels, bits)
    views = TrainingViews((RandomCrop(SIZE), Mirror(), PCAColor(0.1)), known, SIZE, seed=3)
    drawn = views_of(views, 0, 60)
    assert {view.top for view in drawn} == set(range(HEIGHT - SIZE[0] + 1))
    assert {view.left for view in drawn} == set(range(WIDTH - SIZE[1] + 1))
    assert {view.mirrored for view in drawn} == {False, True}
    for view in drawn[:8]:
        assert len(view.color) == channels
        expected = by_numpy(image, view, known.mean_image, np.ones(channels), 1 if bits == 8 else 257)
        np.testing.assert_allclose(rendered(image, view, known.mean_image), expected, atol=1e-3)


@pytest.mark.parametrize("channels", MODES)
def test_colour_noise_is_along_the_principal_components(channels: int) -> None:
    """Covariance V diag((0.1 * eigenvalue)^2) V^T on the scale of 0..1, over as many channels as there are."""
    known = facts(channels)
    views = TrainingViews((PCAColor(0.1),), known, SIZE, seed=5)
    draws = np.array([view.color for view in views_of(views, 0, 3000)]) / 255
    along = draws @ known.eigenvectors
    np.testing.assert_allclose(along.std(axis=0), 0.1 * known.eigenvalues, rtol=0.06)


@kinds
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_window_is_scaled_channel_by_channel(channels: int, bits: int, mirrored: bool) -> None:
    image = noise(channels, bits)
    made = rendered(image, View(2, 3, mirrored, window=(12, 18)), np.zeros((HEIGHT, WIDTH, channels)))
    exact = image if bits == 8 else image.astype(np.float32)
    for channel in range(channels):
        window = Image.fromarray(np.ascontiguousarray(exact[2:14, 3:21, channel]))
        scaled = np.asarray(window.resize((SIZE[1], SIZE[0]), Image.Resampling.BILINEAR)) / (1 if bits == 8 else 257)
        np.testing.assert_allclose(made[..., channel], scaled[:, ::-1] if mirrored else scaled, atol=1e-4)


def test_windows_of_a_rectangle_are_drawn_as_torchvision_draws_them() -> None:
    import torch

    known = facts(1)
    for smallest, aspect in ((0.2, 1.5), (0.95, 1.05)):  # of the second, no window fits: the fallback
        rule = RandomResizedCrop(SIZE, smallest, aspect)
        ours = views_of(TrainingViews((rule,), known, SIZE, seed=1), 0, 900)
        windows = np.array([(view.top, view.left, *(view.window or ())) for view in ours], float)
        crop, image = v2.RandomResizedCrop(SIZE, (smallest, 1.0), (1 / aspect, aspect)), torch.zeros(1, HEIGHT, WIDTH)
        torch.manual_seed(0)
        made = [crop.make_params([image]) for _ in range(900)]
        theirs = np.array([[each[key] for key in ("top", "left", "height", "width")] for each in made], float)
        np.testing.assert_allclose(windows.mean(axis=0), theirs.mean(axis=0), atol=0.3)
        np.testing.assert_allclose(windows.std(axis=0), theirs.std(axis=0), atol=0.3)


def test_brightness_and_contrast_of_grey_images_are_torchvisions() -> None:
    image = noise(1, 8)
    steps = (ColorAdjustment("adjust_brightness", 1.3), ColorAdjustment("adjust_contrast", 0.6))
    made = rendered(image, View(1, 2, adjustments=steps), np.zeros((HEIGHT, WIDTH, 1)))
    window = Image.fromarray(np.ascontiguousarray(image[1:10, 2:18, 0]))
    tv: Any = v2.functional  # it takes Pillow's images too
    window = tv.adjust_contrast(tv.adjust_brightness(window, 1.3), 0.6)
    np.testing.assert_array_equal(made[..., 0], np.asarray(window))


@pytest.mark.parametrize("channels", MODES)
def test_cutout_blanks_every_channel(channels: int) -> None:
    image, known = noise(channels, 8), facts(channels)
    views = TrainingViews((Cutout(6),), known, SIZE, seed=3)
    center = rendered(image, central_view((HEIGHT, WIDTH), SIZE), known.mean_image)
    blanked = [rendered(image, view, known.mean_image) for view in views_of(views, 0, 40)]
    for made in blanked:
        hole = (made == 0).all(axis=2)
        np.testing.assert_array_equal(made[~hole], center[~hole])
        assert 0 < hole.sum() <= 36
    assert any((made[-1] == 0).any() for made in blanked)
    assert any((made[:, -1] == 0).any() for made in blanked)


def test_other_test_views_of_a_rectangle() -> None:
    grid = views_for_test(recipes.GridCrop(SIZE, 2), (HEIGHT, WIDTH))
    assert [(view.top, view.left) for view in grid[:4]] == [(0, 0), (0, 6), (5, 0), (5, 6)]
    scaled = views_for_test(recipes.ScaledCrops(SIZE, (14, 28)), (HEIGHT, WIDTH))
    assert scaled[:10] == views_for_test(recipes.TenCrop(SIZE), (HEIGHT, WIDTH))
    half = scaled[13]  # the last corner at twice the size: a window of half the size
    assert (half.top, half.left, half.window) == (HEIGHT - 4, WIDTH - 8, (4, 8))


@pytest.mark.usefixtures("alone")
def test_a_batch_of_grey_rectangles(tmp_path: Path) -> None:
    store, _ = make_store(tmp_path, 1, 16)
    view = central_view((HEIGHT, WIDTH), SIZE)
    renderer = Renderer(SIZE, store.mean_image, bits=16)
    with BatchLoader(renderer, SIZE, 4, threads=1) as loader:
        (batch,) = loader.batches(store.train, [np.arange(3)], same_views([view]))
    assert batch.images.shape == (3, 1, *SIZE)
    window = slice(view.top, view.top + SIZE[0]), slice(view.left, view.left + SIZE[1])
    for number in range(3):
        expected = store.train.image(number)[window] / 257 - store.mean_image[window]
        np.testing.assert_allclose(batch.images[number].permute(1, 2, 0), expected, atol=1e-4)


@pytest.mark.usefixtures("alone")
@kinds
@pytest.mark.parametrize(
    "augment", [(RandomCrop(SIZE), Mirror(), PCAColor(0.1), Cutout(4)), (RandomResizedCrop(SIZE),)]
)
def test_a_device_renders_the_same_bits(
    channels: int, bits: int, augment: tuple[Augmentation, ...], tmp_path: Path
) -> None:
    """On a GPU if there is one."""
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    store, _ = make_store(tmp_path, channels, bits)
    center = np.broadcast_to(store.mean_image.mean(axis=(0, 1)), store.mean_image.shape)
    renderer = Renderer(SIZE, center if augment[0].scales else store.mean_image, np.full(channels, 0.5), bits=bits)
    views = TrainingViews(augment, statistics_of(store), SIZE, seed=1)
    cached = {} if augment[0].scales else stored_on(device, store, augment, free=1 << 30)
    shown = []
    for on_device, stored in ((None, {}), (device, {}), (device, cached)):
        with BatchLoader(renderer, SIZE, 4, 1, on_device, stored=stored) as loader:
            (batch,) = loader.batches(store.train, [np.arange(4)], views.of_epoch(0, np.arange(len(store.train))).take)
            shown.append(batch.images.cpu().clone())
    assert torch.equal(shown[0], shown[1])
    assert torch.equal(shown[0], shown[2])


@pytest.mark.parametrize("channels", MODES)
def test_people_see_every_image_in_rgb(channels: int) -> None:
    pixels = noise(channels, 8)
    shown = as_rgb(pixels)
    colors = pixels if channels % 2 else on_white(pixels)
    assert shown.shape == (HEIGHT, WIDTH, 3)
    assert shown.dtype == np.uint8
    np.testing.assert_array_equal(shown, np.broadcast_to(colors, shown.shape))


def test_people_see_the_range_of_16_bits() -> None:
    pixels = (1000 + np.arange(511, dtype=np.uint16)).reshape(7, 73, 1)
    shown = as_rgb(pixels)
    assert (shown.min(), shown.max()) == (0, 255)
    np.testing.assert_array_equal(shown[..., 1], np.rint((pixels[..., 0] - 1000) / 2))


# The whole way

SPEC = """
network Net {{
  input {channels}x9x16
  conv 4 kernel=3 weight=normal(0, 0.01) -> relu -> maxpool 2 stride=2
  linear 2 -> softmax
}}

train {{
  prepare   resize 14x22{bits} -> center_crop 14x22 -> subtract mean_image
  augment   random_crop 9x16 -> mirror -> pca_color 0.1 -> cutout 4
  test      ten_crop 9x16
  loss      cross_entropy
  optimizer sgd lr=0.001
  schedule  constant
  batch     4
  epochs    1
}}
"""


@pytest.mark.usefixtures("alone")
@kinds
def test_a_network_of_these_images_is_trained_evaluated_and_reported(channels: int, bits: int, tmp_path: Path) -> None:
    """The training makes the store. The prediction for a file is the mean over its ten crops, as numpy computes it."""
    import torch

    images = make_images(tmp_path / "images", channels, bits)
    text = SPEC.format(channels=channels, bits=" bits=16" if bits == 16 else "")
    (tmp_path / "net.net").write_text(text)
    (tmp_path / "net.py").write_text(Net.from_file(tmp_path / "net.net").python())
    geometry = geometry_of(load_network_file(tmp_path / "net.py"))
    store = preparing.prepare(tmp_path / "images", tmp_path / "store", geometry, 1)
    run = tiny.run_to(tiny.options(tmp_path / "net.py", store.path, tmp_path / "run"))
    trained = load_trained_network(run.path, torch.device("cpu"))
    evaluation = evaluate_run(trained, None, 32, None)
    assert list(evaluation.scores) == ["10 crops", "centre"]
    page = make_report(run, trained, None, 32, None)
    assert len(page.missing()) == (channels in (2, 4)) + 1  # the kernels, and the drawing that this page did without
    file = store.val.files[1]
    best, _ = predict(trained, tmp_path / "images" / file)
    views = [replace_color(view, channels) for view in trained.test_views()]
    scale = 1 if bits == 8 else 257
    crops = np.stack([by_numpy(images[file], view, store.mean_image, np.ones(channels), scale) for view in views])
    logits = trained.network(torch.from_numpy(crops.astype(np.float32)).permute(0, 3, 1, 2))
    expected = logits.softmax(1).mean(0)
    assert best.probability == pytest.approx(float(expected.max().detach()), rel=1e-4)
    # The same weights with what the command line says of the preparation, in place of the recipe.
    said = load_classifier(tmp_path / "net.py", run.path, Preparation(None, (3.0,), (0.5,)), torch.device("cpu"))
    best, _ = predict(said, tmp_path / "images" / file)
    other = [by_numpy(images[file], view, np.full((HEIGHT, WIDTH, 1), 3.0), np.array(0.5), scale) for view in views]
    logits = said.network(torch.from_numpy(np.stack(other).astype(np.float32)).permute(0, 3, 1, 2))
    assert best.probability == pytest.approx(float(logits.softmax(1).mean(0).max().detach()), rel=1e-4)
