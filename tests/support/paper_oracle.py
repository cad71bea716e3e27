"""The equations of the 2012 AlexNet paper in float64 NumPy: the reference for the compiled network and the runtime.

They follow the paper alone. This module imports neither torch nor alexc: an oracle must not share code with the tested
program. It is written to be read next to the paper; one full-size image takes about a second.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]
Weights = Mapping[str, Array]


@dataclass(frozen=True)
class Given:
    """The inputs of a pass besides the images: weights by name and, in training only, dropout masks by layer."""

    weights: Weights
    masks: Mapping[str, Flags] | None = None


class Layer(Protocol):
    """A layer of a network; shapes are (N, maps, height, width) or (N, units)."""

    def forward(self, x: Array, given: Given) -> Array:
        """The layer's output."""
        ...

    def backward(self, x: Array, slope: Array, given: Given) -> tuple[Array, dict[str, Array]]:
        """From the gradient of the loss by the output, its gradients by the input and by the weights of the layer."""
        ...


@dataclass(frozen=True)
class Convolution:
    """Cross-correlation plus bias; a tower's kernels read the maps of their own tower only (section 3.2)."""

    name: str
    stride: int = 1
    padding: int = 0
    towers: int = 1

    def forward(self, x: Array, given: Given) -> Array:
        kernels, bias = given.weights[f"{self.name}.weight"], given.weights[f"{self.name}.bias"]
        windows = self._windows(x, kernels)
        outputs = [
            np.einsum("ncyxij,ocij->noyx", windows[:, read], kernels[write], optimize=True)
            for read, write in self._towers(x, kernels)
        ]
        return np.concatenate(outputs, axis=1) + bias[:, None, None]

    def backward(self, x: Array, slope: Array, given: Given) -> tuple[Array, dict[str, Array]]:
        kernels = given.weights[f"{self.name}.weight"]
        windows = self._windows(x, kernels)
        by_kernels = np.zeros_like(kernels)
        by_padded = np.zeros_like(self._pad(x))
        for read, write in self._towers(x, kernels):
            by_kernels[write] = np.einsum("noyx,ncyxij->ocij", slope[:, write], windows[:, read], optimize=True)
            for i, j in itertools.product(range(kernels.shape[2]), range(kernels.shape[3])):
                share = np.einsum("noyx,oc->ncyx", slope[:, write], kernels[write][:, :, i, j], optimize=True)
                rows = slice(i, i + self.stride * slope.shape[2], self.stride)
                columns = slice(j, j + self.stride * slope.shape[3], self.stride)
                by_padded[:, read, rows, columns] += share
        inside = slice(self.padding, -self.padding or None)
        by_weights = {f"{self.name}.weight": by_kernels, f"{self.name}.bias": slope.sum(axis=(0, 2, 3))}
        return by_padded[:, :, inside, inside], by_weights

    def _pad(self, x: Array) -> Array:
        margin = (self.padding, self.padding)
        return np.pad(x, ((0, 0), (0, 0), margin, margin))

    def _windows(self, x: Array, kernels: Array) -> Array:
        """Shape (N, maps, output rows, output columns, kernel rows, kernel columns)."""
        every = np.lib.stride_tricks.sliding_window_view(self._pad(x), kernels.shape[2:], axis=(2, 3))
        return every[:, :, :: self.stride, :: self.stride]

    def _towers(self, x: Array, kernels: Array) -> Iterator[tuple[slice, slice]]:
        """For each tower, the maps that it reads and the maps that it writes."""
        reads, writes = x.shape[1] // self.towers, kernels.shape[0] // self.towers
        for tower in range(self.towers):
            yield slice(tower * reads, (tower + 1) * reads), slice(tower * writes, (tower + 1) * writes)


@dataclass(frozen=True)
class FullyConnected:
    """Weights (outputs, inputs) times the inputs, plus bias."""

    name: str

    def forward(self, x: Array, given: Given) -> Array:
        return x @ given.weights[f"{self.name}.weight"].T + given.weights[f"{self.name}.bias"]

    def backward(self, x: Array, slope: Array, given: Given) -> tuple[Array, dict[str, Array]]:
        by_weights = {f"{self.name}.weight": slope.T @ x, f"{self.name}.bias": slope.sum(axis=0)}
        return slope @ given.weights[f"{self.name}.weight"], by_weights


@dataclass(frozen=True)
class Relu:
    """max(0, x) (section 3.1)."""

    def forward(self, x: Array, given: Given) -> Array:
        return np.where(x > 0, x, 0.0)

    def backward(self, x: Array, slope: Array, given: Given) -> tuple[Array, dict[str, Array]]:
        return np.where(x > 0, slope, 0.0), {}


@dataclass(frozen=True)
class LocalResponseNorm:
    """b_i = a_i / (k + alpha * sum of a_j^2)^beta, j over the n maps around i in i's tower (section 3.3).

    The sum, not the mean. Maps past a tower's edge count as zeros.
    """

    towers: int = 1
    k: float = 2.0
    n: int = 5
    alpha: float = 1e-4
    beta: float = 0.75

    def forward(self, x: Array, given: Given) -> Array:
        return x / self._base(x) ** self.beta

    def backward(self, x: Array, slope: Array, given: Given) -> tuple[Array, dict[str, Array]]:
        """A map is in its own numerator, and in the denominators of all maps whose window contains it."""
        base = self._base(x)
        pull = slope * x * -self.beta * base ** (-self.beta - 1)
        by_input = slope / base**self.beta
        for i in range(x.shape[1]):
            for j in self._window(i, x.shape[1]):
                by_input[:, j] += pull[:, i] * self.alpha * 2 * x[:, j]
        return by_input, {}

    def _base(self, x: Array) -> Array:
        base = np.full_like(x, self.k)
        for i in range(x.shape[1]):
            for j in self._window(i, x.shape[1]):
                base[:, i] += self.alpha * x[:, j] ** 2
        return base

    def _window(self, i: int, maps: int) -> range:
        size = maps // self.towers
        first = i // size * size
        return range(max(first, i - self.n // 2), min(first + size - 1, i + self.n // 2) + 1)


@dataclass(frozen=True)
class MaxPool:
    """The maximum of z x z neighbours every s pixels; windows overlap as s < z (section 3.4); sizes round down."""

    z: int = 3
    s: int = 2

    def forward(self, x: Array, given: Given) -> Array:
        greatest: Array = self._windows(x).max(axis=(4, 5))
        return greatest

    def backward(self, x: Array, slope: Array, given: Given) -> tuple[Array, dict[str, Array]]:
        """The gradient goes to the maximum; among equal values, to the first."""
        windows = self._windows(x)
        first = windows.reshape(*slope.shape, self.z * self.z).argmax(axis=4)
        by_input = np.zeros_like(x)
        for i, j in itertools.product(range(self.z), range(self.z)):
            rows = slice(i, i + self.s * slope.shape[2], self.s)
            columns = slice(j, j + self.s * slope.shape[3], self.s)
            by_input[:, :, rows, columns] += np.where(first == i * self.z + j, slope, 0.0)
        return by_input, {}

    def _windows(self, x: Array) -> Array:
        every = np.lib.stride_tricks.sliding_window_view(x, (self.z, self.z), axis=(2, 3))
        return every[:, :, :: self.s, :: self.s]


@dataclass(frozen=True)
class Flatten:
    """Flattens maps, rows and columns to units, in that order."""

    def forward(self, x: Array, given: Given) -> Array:
        return x.reshape(len(x), -1)

    def backward(self, x: Array, slope: Array, given: Given) -> tuple[Array, dict[str, Array]]:
        return slope.reshape(x.shape), {}


@dataclass(frozen=True)
class Dropout:
    """In training, a mask sets units to zero; at test time, all units are multiplied by 1 - p (section 4.2)."""

    name: str
    p: float = 0.5

    def forward(self, x: Array, given: Given) -> Array:
        return x * self._factor(given)

    def backward(self, x: Array, slope: Array, given: Given) -> tuple[Array, dict[str, Array]]:
        return slope * self._factor(given), {}

    def _factor(self, given: Given) -> Array:
        if given.masks is None:
            return np.array(1 - self.p)
        return given.masks[self.name].astype(np.float64)


# Figure 2 of the paper: LRN and pooling after conv1 and conv2, pooling after conv5, dropout in fc6 and fc7.
ALEXNET: tuple[Layer, ...] = (
    Convolution("conv1", stride=4),
    Relu(),
    LocalResponseNorm(towers=2),
    MaxPool(),
    Convolution("conv2", padding=2, towers=2),
    Relu(),
    LocalResponseNorm(towers=2),
    MaxPool(),
    Convolution("conv3", padding=1),
    Relu(),
    Convolution("conv4", padding=1, towers=2),
    Relu(),
    Convolution("conv5", padding=1, towers=2),
    Relu(),
    MaxPool(),
    Flatten(),
    FullyConnected("fc6"),
    Relu(),
    Dropout("fc6_dropout"),
    FullyConnected("fc7"),
    Relu(),
    Dropout("fc7_dropout"),
    FullyConnected("fc8"),
)


def logits_of(network: Sequence[Layer], images: Array, given: Given) -> Array:
    """The logits: (N, maps, height, width) to (N, classes)."""
    return _values(network, images, given)[-1]


def loss_and_gradients(
    network: Sequence[Layer], images: Array, labels: Labels, given: Given
) -> tuple[float, dict[str, Array]]:
    """The mean cross-entropy of a batch, and its gradients by each weight, with the chain rule."""
    values = _values(network, images, given)
    probabilities = softmax(values[-1])
    target = np.zeros_like(probabilities)
    target[np.arange(len(labels)), labels] = 1.0
    slope = (probabilities - target) / len(labels)
    gradients: dict[str, Array] = {}
    for layer, x in zip(reversed(network), reversed(values[:-1]), strict=True):
        slope, by_weights = layer.backward(x, slope, given)
        gradients.update(by_weights)
    return cross_entropy(values[-1], labels), gradients


def _values(network: Sequence[Layer], images: Array, given: Given) -> list[Array]:
    """The input of each layer, then the output of the last one."""
    values = [images]
    for layer in network:
        values.append(layer.forward(values[-1], given))
    return values


def softmax(logits: Array) -> Array:
    """exp(x_c) / sum of exp(x); subtracting the maximum first avoids overflow and does not change the result."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: Array = powers / powers.sum(axis=1, keepdims=True)
    return result


def cross_entropy(logits: Array, labels: Labels) -> float:
    """The mean over the batch of -log of the probability of the right class (section 3.5)."""
    greatest = logits.max(axis=1)
    log_sum = greatest + np.log(np.exp(logits - greatest[:, None]).sum(axis=1))
    return float(np.mean(log_sum - logits[np.arange(len(labels)), labels]))


def sgd(
    weights: Weights, velocities: Weights, gradients: Weights, rate: float, momentum: float = 0.9, decay: float = 0.0005
) -> tuple[dict[str, Array], dict[str, Array]]:
    """v <- momentum v - decay rate w - rate g; w <- w + v (section 5)."""
    moved = {
        name: momentum * velocities[name] - decay * rate * w - rate * gradients[name] for name, w in weights.items()
    }
    return {name: w + moved[name] for name, w in weights.items()}, moved


def plateau_rates(
    errors: Sequence[float], rate: float, divide: float = 10.0, times: int = 3, patience: int = 3, least: float = 0.0
) -> list[float]:
    """The learning rate of each epoch, given the error of each epoch; the list ends with the training (section 5).

    The rate is divided when `patience` epochs in a row did not lower the best error by more than `least`, `times`
    times; the plateau after that is the end.
    """
    rates: list[float] = []
    best, waited, divisions = math.inf, 0, 0
    for error in errors:
        rates.append(rate / divide**divisions)
        if error < best - least:
            best, waited = error, 0
            continue
        waited += 1
        if waited == patience:
            waited = 0
            divisions += 1
        if divisions > times:
            break
    return rates


def mean_image(images: Sequence[Pixels]) -> Array:
    """The mean per pixel and channel of (height, width, 3) images: an integer sum, divided once (section 2)."""
    total = np.zeros(images[0].shape, dtype=np.int64)
    for image in images:
        total += image
    return total / len(images)


def colour_covariance(images: Sequence[Pixels]) -> Array:
    """The 3x3 covariance of the RGB values of all pixels of all images, scaled to 0..1 (section 4.1).

    The computation is exact until the last division.
    """
    count = 0
    sums: list[int] = [0, 0, 0]
    products: list[list[int]] = [[0, 0, 0] for _ in range(3)]
    for image in images:
        pixels = image.reshape(-1, 3).astype(np.int64)
        count += len(pixels)
        for i in range(3):
            sums[i] += int(pixels[:, i].sum())
            for j in range(3):
                products[i][j] += int((pixels[:, i] * pixels[:, j]).sum())
    return np.array(
        [[(count * products[i][j] - sums[i] * sums[j]) / (count * 255) ** 2 for j in range(3)] for i in range(3)]
    )


def principal_components(covariance: Array) -> tuple[Array, Array]:
    """Eigenvalues in descending order, and eigenvectors in columns, by Jacobi rotations; the signs are arbitrary."""
    matrix, vectors = covariance.copy(), np.eye(3)
    for _ in range(20):
        for p, q in ((0, 1), (0, 2), (1, 2)):
            angle = math.atan2(2 * matrix[p, q], matrix[q, q] - matrix[p, p]) / 2
            rotation = np.eye(3)
            rotation[p, p] = rotation[q, q] = math.cos(angle)
            rotation[p, q], rotation[q, p] = math.sin(angle), -math.sin(angle)
            matrix = rotation.T @ matrix @ rotation
            vectors = vectors @ rotation
    values = np.diag(matrix)
    order = np.argsort(-values)
    return values[order], vectors[:, order]


def colour_noise(eigenvalues: Array, eigenvectors: Array, draws: Array) -> Array:
    """[p1 p2 p3][a1 l1, a2 l2, a3 l3]^T of section 4.1, added to each pixel; scaled from 0..1 to 0..255."""
    noise = np.zeros(3)
    for i in range(3):
        noise += 255 * draws[i] * eigenvalues[i] * eigenvectors[:, i]
    return noise


def view(image: Pixels, mean: Array, top: int, left: int, size: int, mirrored: bool) -> Array:
    """(3, size, size): image minus mean, both cropped to the same window, then mirrored (section 4.1)."""
    window = slice(top, top + size), slice(left, left + size)
    seen = image[window].astype(np.float64) - mean[window]
    return np.moveaxis(seen[:, ::-1] if mirrored else seen, 2, 0)


def ten_views(image: Pixels, mean: Array, size: int) -> Array:
    """(10, 3, size, size): four corners and the centre, then their mirror images (section 4.1)."""
    bottom, right = image.shape[0] - size, image.shape[1] - size
    places = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
    return np.stack(
        [view(image, mean, top, left, size, mirrored) for mirrored in (False, True) for top, left in places]
    )


def ten_crop_probabilities(network: Callable[[Array], Array], image: Pixels, mean: Array, size: int) -> Array:
    """The class probabilities of one image: the average of the ten views' softmax outputs (section 4.1)."""
    average: Array = softmax(network(ten_views(image, mean, size))).mean(axis=0)
    return average
