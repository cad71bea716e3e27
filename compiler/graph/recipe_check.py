"""Checks that the recipe of a spec fits its network."""

from __future__ import annotations

from itertools import groupby, pairwise

from ..net.net import Recipe
from ..recipe.augmentation import augmentations
from ..recipe.steps import CenterCrop, Normalize, Resize, ScaledCrops, Subtract
from ..text.diagnostics import Diagnostic, Label
from .graph import Graph

_FORMS_OF_PREPARATION = ((Resize, CenterCrop), (Resize, CenterCrop, Subtract), (Resize, CenterCrop, Normalize))


def check_recipe(graph: Graph) -> list[Diagnostic]:
    """Check that images have the size of the network's input, and that the loss fits its output."""
    recipe = graph.net.recipe
    if recipe is None:
        return []
    return [
        *_check_preparation(recipe),
        *_check_augmentation(recipe),
        *_check_windows(recipe),
        *_check_views(graph, recipe),
        *_check_loss(graph, recipe),
    ]


def _check_preparation(recipe: Recipe) -> list[Diagnostic]:
    form = tuple(type(step) for step in recipe.prepare)
    if form not in _FORMS_OF_PREPARATION:
        message = "`prepare` must be `resize`, then `center_crop`, then `subtract`, `normalize` or nothing"
        return [
            _misfit(message, recipe, "prepare", help="prepare resize 256 -> center_crop 256 -> subtract mean_image")
        ]
    resize, crop = recipe.prepare[0], recipe.prepare[1]
    assert isinstance(resize, Resize)
    assert isinstance(crop, CenterCrop)
    if crop.size > resize.shorter:
        message = f"`center_crop` cuts {crop.size} pixels out of a shorter side of {resize.shorter}"
        cut = Label(recipe.spans[Resize.keyword], f"leaves {resize.shorter}")
        return [_misfit(message, recipe, CenterCrop.keyword, cut, "resize to more, or cut less")]
    return []


def _check_augmentation(recipe: Recipe) -> list[Diagnostic]:
    for before, step in pairwise(recipe.augment):
        if step.order <= before.order:
            same_place = groupby(augmentations(), key=lambda each: each.order)
            order = ", ".join(" or ".join(f"`{each.keyword}`" for each in steps) for _, steps in same_place)
            message = f"`augment` has `{step.keyword}` out of order, or twice"
            return [_misfit(message, recipe, step.keyword, help=f"each at most once, in this order: {order}")]
    return []


def _check_windows(recipe: Recipe) -> list[Diagnostic]:
    scaling = [step.keyword for step in recipe.augment if step.scales]
    scaling += [recipe.test.keyword] if isinstance(recipe.test, ScaledCrops) else []
    subtracted = next((step for step in recipe.prepare if isinstance(step, Subtract)), None)
    if scaling and subtracted is not None and subtracted.what == "mean_image":
        message = f"a mean image does not fit windows that `{scaling[0]}` scales"
        here = Label(recipe.spans[Subtract.keyword], "subtracts it here")
        return [_misfit(message, recipe, scaling[0], here, "subtract mean_color, or normalize")]
    test = recipe.test
    if isinstance(test, ScaledCrops) and min(test.sizes) < test.size:
        message = f"`scaled_crops` cuts {test.size}x{test.size} pixels out of images of {min(test.sizes)}"
        helpful = f"sizes of at least {test.size}"
        return [_misfit(message, recipe, test.keyword, help=helpful)]
    return []


def _check_views(graph: Graph, recipe: Recipe) -> list[Diagnostic]:
    channels, height, width = graph.net.input.sizes
    says = Label(graph.net.input_span, "the network's input")
    if channels != 3 or height != width:
        message = f"recipes show square images of 3 channels, the network reads {graph.net.input}"
        return [_misfit(message, recipe, "test", says)]
    stored = next((step.size for step in recipe.prepare if isinstance(step, CenterCrop)), height)
    views = [(step.keyword, step.view_size, step.scales) for step in recipe.augment if step.view_size is not None]
    diagnostics = []
    for keyword, size, scales in (*views, (recipe.test.keyword, recipe.test.size, False)):
        if size != height:
            message = f"`{keyword}` shows {size}x{size} pixels, the network reads {height}x{width}"
            diagnostics.append(_misfit(message, recipe, keyword, says, "make the two sizes equal"))
        elif size > stored and not scales:
            cut = Label(recipe.spans[CenterCrop.keyword], f"keeps {stored}x{stored}")
            message = f"`{keyword}` cuts {size}x{size} pixels out of images of {stored}x{stored}"
            diagnostics.append(_misfit(message, recipe, keyword, cut, "prepare larger images"))
            break  # the other views have the same problem
    return diagnostics


def _check_loss(graph: Graph, recipe: Recipe) -> list[Diagnostic]:
    last = graph.nodes[-1].layer
    if last.kind.in_loss:
        return []
    end = Label(last.span, "the network ends here")
    message = "`cross_entropy` reads a softmax, and the network does not end in one"
    return [_misfit(message, recipe, "loss", end, "end the last layer with `-> softmax`")]


def _misfit(message: str, recipe: Recipe, word: str, other: Label | None = None, help: str = "") -> Diagnostic:
    return Diagnostic("E0501", message, recipe.spans[word], others=(other,) if other else (), help=help)
