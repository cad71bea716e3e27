"""The recipe of a network, and how it stores images."""

from __future__ import annotations

from alexc.compiler.net.net import Recipe
from alexc.compiler.recipe.steps import CenterCrop, Resize
from alexc.runtime.data.store import Geometry
from alexc.runtime.errors import UserError

from .net import Net
from .printable import printable


def recipe_of(net: Net) -> Recipe:
    """The recipe of a network.

    Raises:
        UserError: it has none.
    """
    if net.graph.net.recipe is None:
        raise UserError(f"{printable(net.name)}: the spec has no recipe: add a `train` block")
    return net.graph.net.recipe


def geometry_of(net: Net) -> Geometry:
    """How the images of a network are scaled and cut in a store.

    Raises:
        UserError: the network has no recipe.
    """
    recipe = recipe_of(net)
    (resize,) = (step for step in recipe.prepare if isinstance(step, Resize))
    (crop,) = (step for step in recipe.prepare if isinstance(step, CenterCrop))
    return Geometry(resize.shorter, crop.size, net.graph.net.input.channels, resize.bits)
