"""Loads a network file with the weights of another file, to test, predict or export with it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import nn

from alexc.printable import printable

from .. import recipes
from ..data.dataset_statistics import DatasetStatistics
from ..data.recipe_images import geometry_of
from ..device import place_network
from ..errors import UserError
from ..network_file import ModuleFile, NetworkFile, load_module_file
from ..runs.run_folder import RunFolder
from ..runs.starting_weights import starting_weights
from ..sides import MOST_CHANNELS, Sides
from .trained_network import TrainedNetwork, load_trained_network

NETWORK_ENDINGS = (".py", ".net")  # the loader says what to do with a spec
_WEIGHTS = (".pt", ".pth", ".safetensors", ".caffemodel", ".weights")


@dataclass(frozen=True, eq=False)
class MeanImage:
    """The mean image in a file of Caffe: its values, (H, W, channels), red first."""

    path: Path
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Preparation:
    """How images are prepared, as the command line says it; None where it does not.

    Attributes:
        resize: pixels of the shorter side after scaling.
        mean: subtracted from the pixels, which are 0..255; one number, or one per channel.
        scale: multiplies the difference; one number, or one per channel.
        mean_image: subtracted in place of `mean`.
        classes: the names of the outputs; empty if they are not said.
    """

    resize: int | None = None
    mean: tuple[float, ...] | None = None
    scale: tuple[float, ...] | None = None
    mean_image: MeanImage | None = None
    classes: tuple[str, ...] = ()


NOTHING_SAID = Preparation()


def required_weights(source: Path, weights: Path | None) -> Path:
    """The weights that were named for a network file.

    Raises:
        UserError: none were.
    """
    if weights is None:
        raise UserError(f"{printable(source)} has no weights: name a run or a file with them with --weights")
    return weights


def with_weights(file: ModuleFile, path: Path) -> nn.Module:
    """The network of a file with the weights of a run, a checkpoint or a file of weights, in evaluation mode.

    Raises:
        UserError: the weights cannot be read, or do not fit.
    """
    network = file.build(seed=0)
    load_weights(network, path)
    return network.eval()


def load_weights(network: nn.Module, path: Path) -> None:
    """Load the weights of a run, a checkpoint or a file of weights into a network.

    Raises:
        UserError: they cannot be read, or do not fit.
    """
    tensors, missing = starting_weights(path, network.state_dict())
    if missing is not None:
        name = type(network).__name__
        raise UserError(f"--weights {printable(path)} holds no {missing} of the shape that {name} has")
    network.load_state_dict(tensors)


def prepared(file: ModuleFile, said: Preparation) -> NetworkFile | None:
    """The network file with the preparation from the command line, or else its own; None if there is neither.

    Raises:
        UserError: what the command line says does not fit the network.
    """
    if replace(said, classes=()) == NOTHING_SAID:
        return None if file.recipe is None else NetworkFile.of(file, file.recipe)
    if said.mean_image is not None:
        return _with_mean_image(file, said, said.mean_image)
    if file.channels > MOST_CHANNELS:
        shape = "x".join(map(str, file.input_shape))
        raise UserError(
            f"{printable(file.path)} reads images of {shape}: only images of 1 to {MOST_CHANNELS} channels can be "
            "prepared"
        )
    _, height, width = file.input_shape
    least = max(height, width)
    if said.resize is not None and said.resize < least:
        raise UserError(
            f"--resize {said.resize}: {file.name} reads images of {height}x{width}: expected {least} or more"
        )
    own = None if file.recipe is None else geometry_of(NetworkFile.of(file, file.recipe))
    size = said.resize or (file.size if own is None else own.crop)
    resize = recipes.Resize(size, 16 if own is not None and own.bits == 16 else 8)
    mean, scale = (
        _colors("--mean", said.mean or (0.0,), file.channels),
        _colors("--scale", said.scale or (1.0,), file.channels),
    )
    if not all(np.isfinite([*mean, *scale])) or 0 in scale:
        raise UserError("--mean and --scale: expected finite numbers, and no scale of 0")
    normalize = recipes.Normalize(tuple(each / 255 for each in mean), tuple(1 / (255 * each) for each in scale))
    return NetworkFile.of(
        file,
        replace(file.recipe or _only_shown(file.size), prepare=(resize, recipes.CenterCrop(size), normalize)),
    )


def _with_mean_image(file: ModuleFile, said: Preparation, mean: MeanImage) -> NetworkFile:
    """The network file with images of the size of a mean image, which is subtracted."""
    (channels, height, width), (high, wide, colors) = file.input_shape, mean.values.shape
    option = f"--mean {printable(mean.path)}"
    if colors != channels:
        raise UserError(f"{option} has {colors} channels, but {file.name} reads {channels}")
    if high < height or wide < width or (high == wide) != (height == width):
        form = "a square" if height == width else "a rectangle"
        raise UserError(
            f"{option} has {high}x{wide} values, but {file.name} reads images of {height}x{width}: expected {form} "
            "that is not smaller"
        )
    if said.resize is not None and not said.resize == high == wide:
        raise UserError(f"--resize {said.resize}: the mean image has {high}x{wide} values: leave --resize out")
    if said.scale is not None:
        raise UserError(f"{option} and --scale have no counterpart together: give the mean as R,G,B")
    steps: tuple[recipes.PrepareStep, ...] = (
        recipes.Resize(high if high == wide else (high, wide)),
        recipes.CenterCrop((high, wide)),
        recipes.Subtract("mean_image"),
    )
    return NetworkFile.of(file, replace(file.recipe or _only_shown(file.size), prepare=steps))


def load_classifier(source: Path, weights: Path | None, said: Preparation, device: torch.device) -> TrainedNetwork:
    """The network to predict with: a run, one of its checkpoints, or a network file with weights.

    Raises:
        UserError: something cannot be read, does not fit, or nothing says how images are prepared.
    """
    if source.suffix in _WEIGHTS and not RunFolder(source.parent).is_run():
        raise UserError(
            f"{printable(source)} holds weights, not a network: name the compiled network, and this file with --weights"
        )
    if source.suffix not in NETWORK_ENDINGS or source.is_dir():
        if weights is not None or said != NOTHING_SAID:
            what = "a run" if source.is_dir() else "a checkpoint of a run"
            raise UserError(
                f"{printable(source)} is {what}, which has its weights: --weights goes with a network file, as in "
                "generated/vgg16.py, and so do --mean, --scale, --resize and --classes"
            )
        checkpoint = source if source.suffix in _WEIGHTS else None
        return load_trained_network(source.parent if checkpoint else source, device, checkpoint)
    file = load_module_file(source)
    weights = required_weights(source, weights)
    network = with_weights(file, weights)
    shown = prepared(file, said)
    if shown is None:
        raise UserError(
            f"{printable(source)} does not say how images are prepared: say it with --mean and --scale, as in "
            "--mean 104,117,123 or --scale 0.00390625, or with a `train` block in its spec"
        )
    place_network(network, device).eval()
    outputs = file.outputs(network)
    statistics = _statistics(shown, weights, said, outputs)
    return TrainedNetwork(weights, weights, None, weights, None, shown, network, statistics, outputs)


def check_classes(said: Preparation, network: str, outputs: int) -> None:
    """Check that there is a name for each output, if names are said.

    Raises:
        UserError: there are more or fewer.
    """
    if said.classes and len(said.classes) != outputs:
        raise UserError(
            f"--classes names {len(said.classes):,} classes, but {network} has {outputs:,} outputs: expected one line "
            "for each"
        )


def _statistics(file: NetworkFile, weights: Path, said: Preparation, outputs: int) -> DatasetStatistics:
    """The classes and the mean of the run that the weights come from, as far as they are known."""
    run, geometry = RunFolder(weights if weights.is_dir() else weights.parent), geometry_of(file)
    subtracted = [part.what for part in file.recipe.prepare if isinstance(part, recipes.Subtract)]
    mean: NDArray[np.float64] | None = None
    if run.is_run():
        known = run.read_statistics()
        classes = known.classes
        mean = known.mean_image if known.geometry == geometry else None
    else:
        classes, color = _described(weights, geometry.channels)
        if color is not None and subtracted == ["mean_color"]:
            mean = np.broadcast_to(np.array(color), geometry.shape)
    check_classes(said, file.name, outputs)
    if said.mean_image is not None:
        return with_mean_image(file, said.mean_image, said.classes or classes)
    if subtracted and mean is None:
        raise UserError(
            f"{printable(file.path)} subtracts the {subtracted[0].replace('_', ' ')} of the images that it was trained "
            f"on, which is not known for {printable(weights)}: say what to subtract with --mean, as in "
            "--mean 104,117,123, or predict with the run"
        )
    black, channels = np.zeros(geometry.shape), geometry.channels
    return DatasetStatistics(
        said.classes or classes, geometry, black if mean is None else mean, np.zeros(channels), np.eye(channels), ""
    )


def with_mean_image(file: NetworkFile, mean: MeanImage, classes: tuple[str, ...]) -> DatasetStatistics:
    """The statistics of unknown images, of which this mean image is known."""
    geometry = geometry_of(file)
    values, channels = np.broadcast_to(mean.values, geometry.shape), geometry.channels
    return DatasetStatistics(classes, geometry, values, np.zeros(channels), np.eye(channels), "")


def _described(weights: Path, channels: int) -> tuple[tuple[str, ...], list[float] | None]:
    """The classes and the mean colour that `alexc weights export` writes into a file."""
    if weights.suffix != ".safetensors":
        return (), None
    with safe_open(weights, "pt") as file:
        said = file.metadata() or {}
    try:
        classes, color = json.loads(said.get("classes", "[]")), json.loads(said.get("subtract", "null"))
    except (ValueError, RecursionError):
        return (), None
    if not isinstance(classes, list) or not all(isinstance(each, str) for each in classes):
        classes = []
    is_color = (
        isinstance(color, list) and len(color) == channels and all(isinstance(each, float | int) for each in color)
    )
    return tuple(classes), color if is_color else None


def _only_shown(size: Sides) -> recipes.Recipe:
    """A recipe for a network that is not trained: the central view of an image."""
    return recipes.Recipe(
        prepare=(),
        augment=(),
        test=recipes.CenterView(size),
        loss=recipes.CrossEntropy(),
        optimizer=recipes.SGD(lr=1.0),
        schedule=recipes.ConstantRate(),
        batch=1,
        epochs=1,
    )


def _colors(option: str, values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    if len(values) == 1:
        return values * channels
    if len(values) != channels:
        raise UserError(f"{option} has {len(values)} numbers: expected one, or {channels}, one for each channel")
    return values
