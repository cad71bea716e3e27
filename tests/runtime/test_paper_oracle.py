"""The oracle itself, against examples worked out by hand and against central differences."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.support import paper_oracle as paper
from tests.support.paper_oracle import Array, Given, Pixels

NOTHING = Given({})


def maps(*values: float) -> Array:
    """One image with maps of one pixel each."""
    return np.array(values, dtype=np.float64).reshape(1, -1, 1, 1)


def square(side: int) -> Array:
    """One image of one map: 0, 1, 2, ... row by row."""
    return np.arange(side * side, dtype=np.float64).reshape(1, 1, side, side)


def convolved(layer: paper.Convolution, x: Array, kernels: Array, bias: Array) -> Array:
    return layer.forward(x, Given({"c.weight": kernels, "c.bias": bias}))


def test_convolution_slides_the_kernel_unflipped_and_adds_the_bias() -> None:
    kernel = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    found = convolved(paper.Convolution("c"), square(3), kernel, np.array([100.0]))
    # top left: 0*1 + 1*2 + 3*3 + 4*4
    assert found.tolist() == [[[[127.0, 137.0], [157.0, 167.0]]]]


def test_convolution_with_stride_and_padding() -> None:
    kernel = np.ones((1, 1, 3, 3))
    found = convolved(paper.Convolution("c", stride=2, padding=1), square(3), kernel, np.zeros(1))
    assert found.tolist() == [[[[0 + 1 + 3 + 4, 1 + 2 + 4 + 5], [3 + 4 + 6 + 7, 4 + 5 + 7 + 8]]]]


def test_a_towers_kernels_read_its_own_maps() -> None:
    kernels = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0], [1.0, 4.0]]).reshape(4, 2, 1, 1)
    found = convolved(paper.Convolution("c", towers=2), maps(1, 10, 100, 1000), kernels, np.zeros(4))
    assert found.ravel().tolist() == [11, 21, 3100, 4100]


def test_fully_connected_relu_flatten() -> None:
    weights = Given({"f.weight": np.array([[1.0, 2.0], [3.0, -4.0]]), "f.bias": np.array([0.5, 0.0])})
    found = paper.FullyConnected("f").forward(np.array([[1.0, 1.0]]), weights)
    assert found.tolist() == [[3.5, -1.0]]
    assert paper.Relu().forward(found, NOTHING).tolist() == [[3.5, 0.0]]
    two_maps = np.arange(8.0).reshape(1, 2, 2, 2)
    assert paper.Flatten().forward(two_maps, NOTHING).tolist() == [list(range(8))]


def test_local_response_norm_divides_by_the_sum_of_squares_of_the_neighbours() -> None:
    layer = paper.LocalResponseNorm(k=1, n=3, alpha=1, beta=1)
    found = layer.forward(maps(1, 2, 3, 4), NOTHING)
    assert found.ravel() == pytest.approx([1 / (1 + 5), 2 / (1 + 14), 3 / (1 + 29), 4 / (1 + 25)])


def test_local_response_norm_stays_inside_a_tower() -> None:
    layer = paper.LocalResponseNorm(towers=2, k=1, n=3, alpha=1, beta=1)
    found = layer.forward(maps(1, 2, 3, 4), NOTHING)
    assert found.ravel() == pytest.approx([1 / (1 + 5), 2 / (1 + 5), 3 / (1 + 25), 4 / (1 + 25)])


def test_local_response_norm_has_the_papers_constants() -> None:
    found = paper.LocalResponseNorm().forward(maps(10, 20, 30, 0, 0, 0, 7), NOTHING)
    assert found[0, 0, 0, 0] == pytest.approx(10 / (2 + 1e-4 * (100 + 400 + 900)) ** 0.75)
    assert found[0, 6, 0, 0] == pytest.approx(7 / (2 + 1e-4 * 49) ** 0.75)


@pytest.mark.parametrize(("side", "expected"), [(5, [[12, 14], [22, 24]]), (6, [[14, 16], [26, 28]])])
def test_pools_overlap_and_round_down(side: int, expected: list[list[float]]) -> None:
    assert paper.MaxPool().forward(square(side), NOTHING)[0, 0].tolist() == expected


def test_dropout_masks_in_training_and_halves_at_test_time() -> None:
    x = np.array([[1.0, 2.0, 3.0]])
    kept = np.array([[True, False, True]])
    assert paper.Dropout("d").forward(x, Given({}, {"d": kept})).tolist() == [[1, 0, 3]]
    assert paper.Dropout("d").forward(x, NOTHING).tolist() == [[0.5, 1, 1.5]]


def test_softmax_and_cross_entropy() -> None:
    logits = np.log([[1.0, 3.0], [9.0, 1.0]])
    assert paper.softmax(logits).ravel() == pytest.approx([0.25, 0.75, 0.9, 0.1])
    assert paper.cross_entropy(logits, np.array([1, 1])) == pytest.approx(-(math.log(0.75) + math.log(0.1)) / 2)
    assert paper.cross_entropy(np.array([[2000.0, 0.0]]), np.array([1])) == pytest.approx(2000.0)


def test_sgd_keeps_the_rate_that_a_gradient_met_inside_the_velocity() -> None:
    weights, velocities, gradients = {"w": np.array([1.0])}, {"w": np.zeros(1)}, {"w": np.array([2.0])}
    weights, velocities = paper.sgd(weights, velocities, gradients, rate=0.1)
    assert velocities["w"] == pytest.approx(-0.0005 * 0.1 * 1 - 0.1 * 2, rel=1e-14)
    assert weights["w"] == pytest.approx(0.79995, rel=1e-14)
    weights, velocities = paper.sgd(weights, velocities, gradients, rate=0.01)
    assert velocities["w"] == pytest.approx(-0.9 * 0.20005 - 0.0005 * 0.01 * 0.79995 - 0.01 * 2, rel=1e-14)
    assert weights["w"] == pytest.approx(0.59990100025, rel=1e-14)


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([9, 8, 7, 6], [1, 1, 1, 1]),
        ([9, 9, 9, 8, 8, 8], [1, 1, 1, 0.1, 0.1, 0.1]),
        ([9, 8, 9, 8, 7, 8], [1, 1, 1, 1, 0.1, 0.1]),
        ([9, *[9] * 20], [1, 1, 1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001]),
        ([math.nan, math.nan, 9, 8], [1, 1, 0.1, 0.1]),
    ],
)
def test_plateau_divides_three_times_and_then_ends(errors: list[float], expected: list[float]) -> None:
    assert paper.plateau_rates(errors, rate=1.0, patience=2) == pytest.approx(expected)


def test_plateau_asks_for_more_than_least() -> None:
    assert paper.plateau_rates([9.0, 8.5, 8.0, 7.5], 1.0, patience=1, least=0.5) == pytest.approx([1, 1, 0.1, 0.1])


def test_mean_image() -> None:
    dark, light = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 255, np.uint8)
    light[0, 1] = (1, 2, 3)
    mean = paper.mean_image([dark, light, light])
    assert mean[0, 0].tolist() == [170, 170, 170]
    assert mean[0, 1] == pytest.approx([2 / 3, 4 / 3, 2], rel=1e-15)


def test_colour_covariance_of_a_few_pixels() -> None:
    # red and green swing together between 0 and 1, blue alone; means 1/2, 1/2, 1/4
    pixels = np.array([[[0, 0, 0], [255, 255, 0]], [[0, 0, 255], [255, 255, 0]]], np.uint8)
    expected = [[1 / 4, 1 / 4, -1 / 8], [1 / 4, 1 / 4, -1 / 8], [-1 / 8, -1 / 8, 3 / 16]]
    assert paper.colour_covariance([pixels[:1], pixels[1:]]) == pytest.approx(np.array(expected), rel=1e-15)


def test_principal_components() -> None:
    values, vectors = paper.principal_components(np.array([[2.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 2.5]]))
    assert values == pytest.approx([3, 2.5, 1], rel=1e-14)
    root = math.sqrt(0.5)
    assert np.abs(vectors) == pytest.approx(np.array([[root, 0, root], [root, 0, root], [0, 1, 0]]), abs=1e-14)
    assert vectors[0, 0] * vectors[1, 0] > 0 > vectors[0, 2] * vectors[1, 2]


def test_principal_components_of_any_covariance_put_it_back_together() -> None:
    covariance = np.cov(np.random.default_rng(0).normal(size=(3, 50)))
    values, vectors = paper.principal_components(covariance)
    assert vectors @ np.diag(values) @ vectors.T == pytest.approx(covariance, rel=1e-12)
    assert vectors.T @ vectors == pytest.approx(np.eye(3), abs=1e-14)


def test_colour_noise_weighs_each_component_by_its_eigenvalue() -> None:
    vectors = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    noise = paper.colour_noise(np.array([0.2, 0.02, 0.002]), vectors, np.array([0.1, -0.3, 1.0]))
    assert noise == pytest.approx([255 * -0.3 * 0.02, 255 * 1.0 * 0.002, 255 * 0.1 * 0.2], rel=1e-14)


def coded(side: int) -> Pixels:
    """An image whose red tells the row, green the column."""
    rows, columns = np.indices((side, side))
    return np.stack([rows, columns, np.zeros_like(rows)], axis=2).astype(np.uint8)


def test_a_view_takes_image_and_mean_through_one_window() -> None:
    mean = coded(4).astype(np.float64) * 100
    seen = paper.view(coded(4), mean, top=1, left=2, size=2, mirrored=False)
    assert seen.tolist() == [[[-99, -99], [-198, -198]], [[-198, -297], [-198, -297]], [[0, 0], [0, 0]]]
    mirrored = paper.view(coded(4), mean, top=1, left=2, size=2, mirrored=True)
    assert mirrored.tolist() == [[[-99, -99], [-198, -198]], [[-297, -198], [-297, -198]], [[0, 0], [0, 0]]]


def test_ten_views_are_corners_centre_and_their_mirrors() -> None:
    views = paper.ten_views(coded(6), np.zeros((6, 6, 3)), size=2)
    corners = [(int(seen[0, 0, 0]), int(seen[1, 0, 0])) for seen in views]
    assert corners == [(0, 0), (0, 4), (4, 0), (4, 4), (2, 2), (0, 1), (0, 5), (4, 1), (4, 5), (2, 3)]
    assert paper.ten_views(np.zeros((256, 256, 3), np.uint8), np.ones((256, 256, 3)), 227).shape == (10, 3, 227, 227)


def test_ten_crop_probabilities_average_after_the_softmax() -> None:
    def network(views: Array) -> Array:
        """Nine views sit on the fence, the upper left corner is sure of class 0."""
        sure = (views[:, 0, 0, 0] == 0) & (views[:, 1, 0, 0] == 0)
        return np.stack([np.where(sure, 1000.0, 0.0), np.zeros(len(views))], axis=1)

    found = paper.ten_crop_probabilities(network, coded(6), np.zeros((6, 6, 3)), size=2)
    assert found == pytest.approx([(1 + 9 * 0.5) / 10, (9 * 0.5) / 10])


SMALL: tuple[paper.Layer, ...] = (
    paper.Convolution("first", stride=2, padding=1),
    paper.Relu(),
    paper.LocalResponseNorm(towers=2, k=1, n=3, alpha=0.1),
    paper.MaxPool(),
    paper.Convolution("second", padding=1, towers=2),
    paper.Relu(),
    paper.Flatten(),
    paper.FullyConnected("hidden"),
    paper.Dropout("hidden_dropout"),
    paper.FullyConnected("last"),
)


@pytest.mark.parametrize("training", [True, False])
def test_gradients_against_central_differences_of_every_weight(training: bool) -> None:
    rng = np.random.default_rng(1)
    shapes = {
        "first.weight": (6, 3, 3, 3),
        "first.bias": (6,),
        "second.weight": (4, 3, 2, 2),
        "second.bias": (4,),
        "hidden.weight": (5, 36),
        "hidden.bias": (5,),
        "last.weight": (3, 5),
        "last.bias": (3,),
    }
    weights = {name: rng.normal(0, 0.5, shape) for name, shape in shapes.items()}
    given = Given(weights, {"hidden_dropout": rng.random((2, 5)) < 0.5} if training else None)
    images, labels = rng.normal(size=(2, 3, 10, 10)), np.array([0, 2])
    _, gradients = paper.loss_and_gradients(SMALL, images, labels, given)
    assert gradients.keys() == weights.keys()
    for name, weight in weights.items():
        measured = np.zeros_like(weight)
        for place in np.ndindex(weight.shape):
            losses = []
            value = weight[place]
            for step in (-1e-5, 1e-5):
                weight[place] = value + step
                losses.append(paper.cross_entropy(paper.logits_of(SMALL, images, given), labels))
            weight[place] = value
            measured[place] = (losses[1] - losses[0]) / 2e-5
        assert np.abs(measured).max() > 1e-3
        assert gradients[name] == pytest.approx(measured, abs=1e-9, rel=1e-6)
