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
from ..data.recipe_check import geometry_of
from ..data.views import central_view
from ..network_file import ModuleFile, NetworkFile

_COLORS = 3
_UNKNOWN = {"preprocessing": "How images are prepared is not known"}


def description(file: ModuleFile, network: nn.Module, statistics: DatasetStatistics | None) -> dict[str, str]:
    """Texts by name; lists are JSON.

    `preprocessing` describes the preparation in words. `subtract` and `multiply` are its numbers for red, green and
    blue, and `subtract_image` is the mean image: a .npy file of float32 (channels, size, size), in base64. Without a
    recipe, the preparation is not known.

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
    geometry, size = geometry_of(file), file.size
    words = [
        "Red, green and blue, 0..255" if file.input_shape[0] == _COLORS else "Grey, 0..255",
        f"scale the shorter side to {geometry.resize} pixels (bilinear, antialiased)",
        f"cut the central {geometry.crop}x{geometry.crop}",
    ]
    if size != geometry.crop:
        words.append(f"of that the central {size}x{size}")
    numbers: dict[str, str] = {}
    for part in file.recipe.prepare:
        match part:
            case recipes.Subtract(what):
                if statistics is None:
                    words.append(f"subtract the {what.replace('_', ' ')} of the images that it was trained on")
                elif what == "mean_image":
                    words.append("subtract `subtract_image`")
                    numbers["subtract_image"] = _central_mean_image(statistics, size, file.input_shape[0])
                else:
                    words.append("subtract `subtract`")
                    numbers["subtract"] = json.dumps(statistics.mean_image.mean(axis=(0, 1)).tolist())
            case recipes.Normalize(mean, std):
                channels = file.input_shape[0]
                words.append("subtract `subtract`; multiply by `multiply`")
                numbers["subtract"] = json.dumps([255 * each for each in mean][:channels])
                numbers["multiply"] = json.dumps([1 / (255 * each) for each in std][:channels])
    return {"preprocessing": "; ".join(words) + "; channels first"} | numbers


def _central_mean_image(statistics: DatasetStatistics, size: int, channels: int) -> str:
    view = central_view(statistics.geometry.crop, size)
    window = statistics.mean_image[view.top : view.top + size, view.left : view.left + size, :channels]
    content = io.BytesIO()
    np.save(content, np.ascontiguousarray(window.transpose(2, 0, 1), np.float32), allow_pickle=False)
    return base64.b64encode(content.getvalue()).decode()
