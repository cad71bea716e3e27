"""The preprocessing of torchvision's weights, and the recipe of its training script."""

from __future__ import annotations

from dataclasses import dataclass

import torchvision  # type: ignore[import-untyped]
from torch import nn

from alexc.compiler.layers.arguments import Arguments
from alexc.compiler.net.spec_text import step_text
from alexc.compiler.recipe.augmentations.mirror import Mirror
from alexc.compiler.recipe.augmentations.random_resized_crop import RandomResizedCrop
from alexc.compiler.recipe.steps import SGD, CenterCrop, CenterView, CrossEntropy, Normalize, Resize, StepRate

from ..foreign.network import RecipeLine


@dataclass(frozen=True)
class Preprocessing:
    """The preprocessing of a network: the shorter side after resizing, the crop, and the mean and deviation."""

    resize: int
    crop: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @classmethod
    def of(cls, name: str, module: nn.Module) -> Preprocessing:
        """The preprocessing of the first of torchvision's weights for this network.

        A module with `transform_input` (GoogLeNet, Inception) turns images that are normalised with ImageNet's values
        into images that are normalised with 0.5 when it has weights. The traced module has none, so the recipe does it.
        """
        given = next(iter(torchvision.models.get_model_weights(name))).transforms()
        (red, green, blue), (red_std, green_std, blue_std) = given.mean, given.std
        if hasattr(module, "transform_input"):
            red = green = blue = red_std = green_std = blue_std = 0.5
        return cls(given.resize_size[0], given.crop_size[0], (red, green, blue), (red_std, green_std, blue_std))


def recipe_of(name: str, preprocessing: Preprocessing, side: int) -> tuple[RecipeLine, ...]:
    """The preprocessing of torchvision's weights and the defaults of its training script."""
    stored = round(preprocessing.resize * side / preprocessing.crop)
    lr = 0.01 if name.startswith(("alexnet", "vgg")) else 0.1
    normalize = Normalize(mean=preprocessing.mean, std=preprocessing.std)
    steps: dict[str, tuple[Arguments, ...]] = {
        "prepare": (Resize(shorter=stored), CenterCrop(size=stored), normalize),
        "augment": (RandomResizedCrop(size=side), Mirror()),
        "test": (CenterView(size=side),),
        "loss": (CrossEntropy(),),
        "optimizer": (SGD(lr=lr, momentum=0.9, weight_decay=0.0001, form="torch"),),
        "schedule": (StepRate(every=30, divide=10.0),),
    }
    lines = [RecipeLine(word, " -> ".join(map(step_text, pipeline))) for word, pipeline in steps.items()]
    return (*lines, RecipeLine("batch", "256"), RecipeLine("epochs", "90"))
