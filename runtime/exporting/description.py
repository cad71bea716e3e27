"""The metadata of an exported file: what the network is, and how images must be prepared for it."""

from __future__ import annotations

import base64
import io
import json
from importlib.metadata import version

import numpy as np
from torch import nn

from .. import recipes
from ..data.dataset_statistics import DatasetStatistics
from ..data.recipe_images import geometry_of
from ..data.store import Geometry
from ..data.views import central_view
from ..network_file import ModuleFile, NetworkFile

_CHANNELS = {1: "Grey", 2: "Grey and alpha", 3: "Red, green and blue", 4: "Red, green, blue and alpha"}
_UNKNOWN = {"preprocessing": "How images are prepared is not known"}


def description(file: ModuleFile, network: nn.Module, statistics: DatasetStatistics | None) -> dict[str, str]:
    """Texts by name; lists are JSON.

    `preprocessing` describes the preparation in words. `subtract` and `multiply` are its numbers for each channel, and
    `subtract_image` is the mean image: a .npy file of float32 (channels, height, width), in base64. Without a recipe,
    the preparation is not known.

    Args:
        file: the network file.
        network: the network.
        statistics: those of its training data, if known.

    Raises:
        UserError: the recipe does not say how images are prepared.
    """
    _, height, width = file.input_shape
    texts = {
        "alexc": version("alexc"),
        "network": file.name,
        "parameters": str(sum(each.numel() for each in network.parameters())),
        "size": str(width) if width == height else f"{height}x{width}",
        **(_preparation(NetworkFile.of(file, file.recipe), statistics) if file.recipe else _UNKNOWN),
    }
    return (
        texts if statistics is None or not statistics.classes else texts | {"classes": json.dumps(statistics.classes)}
    )


def _preparation(file: NetworkFile, statistics: DatasetStatistics | None) -> dict[str, str]:
    geometry, (_, height, width) = geometry_of(file), file.input_shape
    stored = geometry.shape[:2]
    resized = (
        f"the shorter side to {geometry.resize} pixels"
        if isinstance(geometry.resize, int)
        else f"to {_by(geometry.resize)}"
    )
    words = [
        f"{_CHANNELS[geometry.channels]}, 0..255" + (" in steps of 1/257" if geometry.bits > 8 else ""),
        f"scale {resized} (bilinear, antialiased)",
        f"cut the central {_by(stored)}",
    ]
    if (height, width) != stored:
        words.append(f"of that the central {_by((height, width))}")
    numbers: dict[str, str] = {}
    for part in file.recipe.prepare:
        match part:
            case recipes.Subtract(what):
                if statistics is None:
                    words.append(f"subtract the {what.replace('_', ' ')} of the images that it was trained on")
                elif what == "mean_image":
                    words.append("subtract `subtract_image`")
                    numbers["subtract_image"] = _central_mean_image(statistics, (height, width))
                else:
                    words.append("subtract `subtract`")
                    numbers["subtract"] = json.dumps(statistics.mean_image.mean(axis=(0, 1)).tolist())
            case recipes.Normalize(mean, std):
                words.append("subtract `subtract`; multiply by `multiply`")
                numbers["subtract"] = json.dumps([255 * each for each in _of_channels(mean, geometry)])
                numbers["multiply"] = json.dumps([1 / (255 * each) for each in _of_channels(std, geometry)])
    return {"preprocessing": "; ".join(words) + "; channels first"} | numbers


def _of_channels(values: tuple[float, ...], geometry: Geometry) -> tuple[float, ...]:
    return values * geometry.channels if len(values) == 1 else values


def _by(sides: tuple[int, int]) -> str:
    return f"{sides[0]}x{sides[1]}"


def _central_mean_image(statistics: DatasetStatistics, size: tuple[int, int]) -> str:
    view = central_view(statistics.geometry.crop, size)
    window = statistics.mean_image[view.top : view.top + size[0], view.left : view.left + size[1]]
    content = io.BytesIO()
    np.save(content, np.ascontiguousarray(window.transpose(2, 0, 1), np.float32), allow_pickle=False)
    return base64.b64encode(content.getvalue()).decode()
