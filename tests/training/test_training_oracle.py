"""The runtime against the float64 oracle: a whole training, its evaluation, and the statistics of a store."""

from __future__ import annotations

import copy
import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.pipeline import check_text
from alexc.runtime import recipes
from alexc.runtime.augmentations.pca_color import PCAColor
from alexc.runtime.data.dataset_statistics import statistics_of
from alexc.runtime.data.prepare import prepare
from alexc.runtime.data.random_streams import epoch_order
from alexc.runtime.data.split import Split
from alexc.runtime.data.store import Geometry, Store
from alexc.runtime.data.views import Renderer, TrainingViews, ten_views
from alexc.runtime.evaluation.prediction import predict
from alexc.runtime.evaluation.run_evaluation import evaluate_run
from alexc.runtime.evaluation.trained_network import TrainedNetwork, load_trained_network
from alexc.runtime.layers.dropout import Dropout, fix_masks, keep_mask
from alexc.runtime.runs.epoch_metrics import EpochMetrics
from alexc.runtime.training.plateau import PlateauSchedule
from alexc.runtime.training.set_up import set_up
from tests.support import paper_oracle as paper
from tests.support.drawn_views import views_of
from tests.support.paper_oracle import Array, Given, Labels, Pixels
from tests.support.photographs import photographs
from tests.support.tiny_training import options

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
CPU = torch.device("cpu")
STORED, SIZE, CLASSES = 33, 27, ("ash", "birch", "cedar", "elder")
# The mean of 16 images, and every pixel minus the mean, is exact in the float32 of the batches.
TRAIN_IMAGES, VAL_IMAGES, BATCH, EPOCHS, SEED, RATE = 16, 12, 5, 4, 12, 0.004
PATIENCE = 1

# AlexNet in small: every kind of layer, towers and all.
SPEC = f"""
network Tiny {{
  input 3x{SIZE}x{SIZE}
  towers 2
  default lrn size=5 k=2 alpha=1e-4 beta=0.75 norm=sum over=tower
  conv1: conv 8 kernel=5 stride=2 weight=normal(0, 0.01)                -> relu -> lrn -> maxpool 3 stride=2
  conv2: conv 8 kernel=3 pad=1 reads=tower weight=normal(0, 0.1) bias=1 -> relu
  fc3:   linear 12 reads=all weight=normal(0, 0.1) bias=1               -> relu -> dropout 0.5 scale=test
  fc4:   linear 4 reads=all weight=normal(0, 0.1)                       -> softmax
}}

train {{
  prepare   resize {STORED} -> center_crop {STORED} -> subtract mean_image
  augment   random_crop {SIZE} -> mirror -> pca_color 0.1 by=eigenvalue
  test      ten_crop {SIZE}
  loss      cross_entropy
  optimizer sgd lr={RATE} momentum=0.9 weight_decay=0.0005
  schedule  plateau of=val_error divide=10 times=3 patience={PATIENCE}
  batch     {BATCH}
  epochs    {EPOCHS}
}}
"""
TINY: tuple[paper.Layer, ...] = (
    paper.Convolution("conv1", stride=2),
    paper.Relu(),
    paper.LocalResponseNorm(towers=2),
    paper.MaxPool(),
    paper.Convolution("conv2", padding=1, towers=2),
    paper.Relu(),
    paper.Flatten(),
    paper.FullyConnected("fc3"),
    paper.Relu(),
    paper.Dropout("fc3_dropout"),
    paper.FullyConnected("fc4"),
)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """With layers this small, waiting for a second thread takes longer than the work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@dataclass(frozen=True)
class Images:
    """A split for the oracle: pixels and labels, read from the image files of the test."""

    pixels: list[Pixels]
    labels: Labels


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noisy images of correlated colours with a tint for each class; lossless, in the size of the store."""
    folder = tmp_path_factory.mktemp("oracle") / "images"
    rng = np.random.default_rng(8)
    mixing = np.array([[60.0, 50.0, 40.0], [-15.0, 5.0, 20.0], [4.0, -8.0, 4.0]])
    for split, count in (("train", TRAIN_IMAGES), ("val", VAL_IMAGES)):
        for number in range(count):
            light = rng.normal(size=(STORED, STORED, 3)) * 0.6 + rng.normal(size=3) * 0.5
            light[..., number % 4 // 2] += number % 2 * 2 - 1
            pixels = np.clip(light @ mixing + 110, 0, 255).astype(np.uint8)
            path = folder / split / CLASSES[number % 4] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return folder


@pytest.fixture(scope="module")
def store(source: Path) -> Store:
    return prepare(source, source.with_name("store"), Geometry(STORED, STORED), workers=1)


@pytest.fixture(scope="module")
def mean(source: Path, store: Store) -> Array:
    """The mean image that the oracle computes."""
    return paper.mean_image(images_of(source, "train", store.train).pixels)


def images_of(source: Path, name: str, split: Split) -> Images:
    """The images in the order of the split; classes are the folders in alphabetical order."""
    pixels = [np.array(Image.open(source / file)) for file in split.files]
    labels = [CLASSES.index(Path(file).parent.name) for file in split.files]
    assert {Path(file).parts[0] for file in split.files} == {name}
    return Images(pixels, np.array(labels))


def network_file(folder: Path, spec: str) -> Path:
    """The compiled file of the spec, changed to compute in float64."""
    checked = check_text(spec, "tiny.net")
    assert checked.graph is not None, checked.diagnostics
    text, single = write_pytorch(checked.graph, "tiny.net"), "        self.reset_parameters()\n"
    assert text.count(single) == 1
    double = "        self.double().register_forward_pre_hook(lambda _, inputs: (inputs[0].double(),))\n"
    path = folder / "tiny.py"
    path.write_text(text.replace(single, double + single))
    return path


def weights_of(network: nn.Module) -> dict[str, Array]:
    return {name: weight.detach().numpy().copy() for name, weight in network.named_parameters()}


def masks_of(network: nn.Module, step: int, images: int) -> dict[str, NDArray[np.bool_]]:
    """The dropout masks of this step of a training."""
    twin = copy.deepcopy(network)
    fix_masks(twin, SEED, step)
    masks = {}
    for name, module in twin.named_modules():
        if isinstance(module, Dropout):
            assert module.key is not None
            masks[name] = keep_mask(int(module.key), images, 12, module.p, CPU).numpy()
    return masks


def error_of(weights: dict[str, Array], val: Images, mean: Array) -> float:
    """The share of validation images that the central view gets wrong."""
    margin = (STORED - SIZE) // 2
    views = np.stack([paper.view(image, mean, margin, margin, SIZE, False) for image in val.pixels])
    guesses = paper.logits_of(TINY, views, Given(weights)).argmax(axis=1)
    return float((guesses != val.labels).mean())


@dataclass
class Trajectory:
    """The course of a training: per step, per epoch, and at its end."""

    losses: list[float]
    rates: list[float]
    errors: list[float]
    weights: dict[str, Array]
    velocities: dict[str, Array]


def oracle_trajectory(network: nn.Module, views: TrainingViews, train_images: Images, val: Images) -> Trajectory:
    """A training by the equations of the paper; order, windows and masks are taken from the runtime."""
    weights, mean = weights_of(network), paper.mean_image(train_images.pixels)
    done = Trajectory([], [], [], weights, {name: np.zeros_like(weight) for name, weight in weights.items()})
    for epoch in range(EPOCHS):
        rate = paper.plateau_rates([*done.errors, math.inf], RATE, patience=PATIENCE)[epoch]
        order = epoch_order(SEED, epoch, TRAIN_IMAGES)
        for start in range(0, TRAIN_IMAGES, BATCH):
            batch = order[start : start + BATCH].tolist()
            shown = [render(train_images.pixels[image], mean, views, epoch, image) for image in batch]
            given = Given(done.weights, masks_of(network, len(done.losses), len(batch)))
            loss, gradients = paper.loss_and_gradients(TINY, np.stack(shown), train_images.labels[batch], given)
            done.weights, done.velocities = paper.sgd(done.weights, done.velocities, gradients, rate)
            done.losses.append(loss)
            done.rates.append(rate)
        done.errors.append(error_of(done.weights, val, mean))
    return done


def render(image: Pixels, mean: Array, views: TrainingViews, epoch: int, number: int) -> Array:
    drawn = views_of(views, epoch, number + 1)[number]
    colour = np.array(drawn.color, dtype=np.float64)
    return paper.view(image, mean, drawn.top, drawn.left, SIZE, drawn.mirrored) + colour[:, None, None]


def records(run: Path, kind: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]


# The batches round colour noise to float32; without it they are exact.
@pytest.mark.slow
@pytest.mark.parametrize(("colour", "tolerance"), [(" -> pca_color 0.1 by=eigenvalue", 1e-6), ("", 1e-9)])
def test_a_training_follows_the_equations_of_the_paper(
    source: Path, store: Store, tmp_path: Path, colour: str, tolerance: float
) -> None:
    spec = SPEC.replace(" -> pca_color 0.1 by=eigenvalue", colour)
    asked = options(network_file(tmp_path, spec), store.path, tmp_path / "run", seed=SEED)
    with set_up(asked) as trainer:
        network = trainer.model.network
        expected = oracle_trajectory(
            network,
            trainer.data.views,
            images_of(source, "train", store.train),
            images_of(source, "val", store.val),
        )
        trainer.train(lambda: False)
        weights = weights_of(network)
        velocities = trainer.model.state_dict()["optimizer"]["velocity"]
    assert velocities.keys() == weights.keys()

    assert len(expected.losses) == EPOCHS * 4  # of 5, 5, 5 and 1 images
    assert len(set(expected.rates)) > 1, "the rate has to change for its place in the update to show"
    steps, epochs = records(tmp_path / "run", "step"), records(tmp_path / "run", "epoch")
    assert [record["loss"] for record in steps] == pytest.approx(expected.losses, rel=tolerance)
    assert [record["rate"] for record in steps] == pytest.approx(expected.rates, rel=1e-14)
    assert [record["val_error"] for record in epochs] == pytest.approx(expected.errors, rel=1e-14)
    for name, weight in expected.weights.items():
        assert weights[name] == pytest.approx(weight, rel=tolerance, abs=tolerance * np.abs(weight).max())
        velocity = expected.velocities[name]
        assert velocities[name].numpy() == pytest.approx(
            velocity, rel=tolerance, abs=tolerance * np.abs(velocity).max()
        )


@pytest.fixture(scope="module")
def trained(store: Store, tmp_path_factory: pytest.TempPathFactory) -> TrainedNetwork:
    """The tiny network after its training, as `evaluate` and `predict` load it."""
    folder = tmp_path_factory.mktemp("trained")
    with set_up(options(network_file(folder, SPEC), store.path, folder / "run", seed=SEED)) as trainer:
        trainer.train(lambda: False)
    return load_trained_network(folder / "run", CPU)


def ten_crop_answers(trained: TrainedNetwork, images: Images, mean: Array) -> Array:
    given = Given(weights_of(trained.network))
    return np.stack(
        [
            paper.ten_crop_probabilities(lambda views: paper.logits_of(TINY, views, given), image, mean, SIZE)
            for image in images.pixels
        ]
    )


def test_evaluation_averages_ten_crops_after_the_softmax(
    trained: TrainedNetwork, source: Path, store: Store, mean: Array
) -> None:
    val = images_of(source, "val", store.val)
    expected = ten_crop_answers(trained, val, mean)
    scores = evaluate_run(trained, store.path, rows=40).scores
    right = expected[np.arange(len(val.labels)), val.labels]
    assert scores["10 crops"].loss == pytest.approx(-np.log(right).mean(), rel=1e-6)
    assert scores["10 crops"].top1_error == (expected.argmax(axis=1) != val.labels).mean()
    assert scores["centre"].top1_error == error_of(weights_of(trained.network), val, mean)


def test_prediction_averages_ten_crops_after_the_softmax(
    trained: TrainedNetwork, source: Path, store: Store, mean: Array
) -> None:
    val = images_of(source, "val", store.val)
    for file, expected in zip(store.val.files, ten_crop_answers(trained, val, mean), strict=True):
        guesses = predict(trained, source / file)
        found = {guess.name: guess.probability for guess in guesses}
        assert found == pytest.approx(dict(zip(CLASSES, expected.tolist(), strict=True)), rel=1e-5)
        assert list(found.values()) == sorted(found.values(), reverse=True)


def assert_statistics(store: Store, pixels: list[Pixels]) -> None:
    """Sums are exact, so the mean is equal to the bit, and the components up to rounding."""
    assert np.array_equal(store.mean_image, paper.mean_image(pixels))
    values, vectors = paper.principal_components(paper.colour_covariance(pixels))
    assert store.eigenvalues == pytest.approx(values, rel=1e-12)
    signs = np.sign((store.eigenvectors * vectors).sum(axis=0))
    assert store.eigenvectors == pytest.approx(vectors * signs, abs=1e-11)


def test_a_store_has_the_mean_and_the_principal_colours(source: Path, store: Store) -> None:
    assert_statistics(store, images_of(source, "train", store.train).pixels)


@pytest.mark.slow
def test_a_store_of_nine_noisy_images_has_the_mean_and_the_principal_colours(tmp_path: Path) -> None:
    """A ninth is not exact in any float: the mean must be divided once, and kept in float64."""
    folder = photographs(tmp_path / "images", train=3, val=1, classes="abc")
    store = prepare(folder, tmp_path / "store", Geometry(24, 20), workers=1)
    assert_statistics(store, [store.train.image(index) for index in range(9)])


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "flowers5").is_dir(), reason="needs the photographs of the shared data")
def test_a_store_of_photographs_has_the_mean_and_the_principal_colours(tmp_path: Path) -> None:
    for folder in sorted((DATA / "flowers5").glob("*/*")):
        target = tmp_path / "flowers" / folder.relative_to(DATA / "flowers5")
        target.mkdir(parents=True)
        for photograph in sorted(folder.iterdir())[:4]:
            shutil.copy(photograph, target)
    store = prepare(tmp_path / "flowers", tmp_path / "store", Geometry(256, 256), workers=1)
    assert len(store.train) == 20
    assert_statistics(store, [store.train.image(index) for index in range(20)])


def test_colour_noise_is_drawn_once_per_image_and_use_along_the_components(source: Path, store: Store) -> None:
    """In the components of the oracle, the noise of a view is three independent draws from N(0, 0.1)."""
    pixels = images_of(source, "train", store.train).pixels
    values, vectors = paper.principal_components(paper.colour_covariance(pixels))
    views = TrainingViews((PCAColor(0.1),), statistics_of(store), SIZE, SEED)
    added = np.array([view.color for epoch in range(50) for view in views_of(views, epoch, 100)])
    draws = added @ vectors / (255 * values)
    for seen, draw in zip(added[:10], draws[:10], strict=True):
        assert paper.colour_noise(values, vectors, draw) == pytest.approx(seen, rel=1e-9)
    count = len(draws)
    standard = draws / 0.1
    assert len(np.unique(added, axis=0)) == count
    assert np.abs(standard.mean(axis=0)).max() < 5 / count**0.5
    assert np.abs((standard**2).mean(axis=0) - 1).max() < 5 * (2 / count) ** 0.5
    assert np.abs((standard**4).mean(axis=0) - 3).max() < 5 * (96 / count) ** 0.5
    assert np.abs(np.corrcoef(standard.T) - np.eye(3)).max() < 5 / count**0.5


@pytest.mark.parametrize(("stored", "size"), [(256, 227), (STORED, SIZE)])
def test_ten_views_are_those_of_the_paper(stored: int, size: int) -> None:
    rng = np.random.default_rng(4)
    image = rng.integers(0, 256, (stored, stored, 3), dtype=np.uint8)
    mean = rng.uniform(0, 255, (stored, stored, 3))
    renderer = Renderer(size, mean)
    for view, expected in zip(ten_views(stored, size), paper.ten_views(image, mean, size), strict=True):
        out = np.full((size, size, 3), np.nan, np.float32)
        renderer.render(image, view, out)
        assert np.abs(np.moveaxis(out, 2, 0) - expected).max() < 1e-4


def test_plateau_divides_as_the_paper_says() -> None:
    """Two thousand random sequences of validation errors, with ties, long waits and NaN."""
    rng = np.random.default_rng(6)
    for _ in range(2000):
        errors = (rng.integers(0, 8, 30) + np.linspace(6, 0, 30)).round().tolist()
        errors = [math.nan if rng.random() < 0.05 else error for error in errors]
        times, patience, least = int(rng.integers(0, 4)), int(rng.integers(1, 5)), float(rng.integers(0, 2))
        schedule = PlateauSchedule(recipes.Plateau("val_error", 10, times, patience, least), RATE)
        rates = []
        for error in errors:
            rates.append(schedule.rate)
            schedule.after_epoch(EpochMetrics(1.0, 1.0, 1.0, error, 1.0))
            if schedule.ended:
                break
        assert rates == pytest.approx(
            paper.plateau_rates(errors, RATE, times=times, patience=patience, least=least), rel=1e-14
        )
