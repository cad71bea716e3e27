"""Checks that the recipe of a spec fits its network."""

from __future__ import annotations

from itertools import groupby, pairwise

from ..layers.initial_values import Kaiming, Xavier
from ..net.net import Recipe
from ..recipe.augmentation import augmentations
from ..recipe.steps import CenterCrop, Normalize, Resize, ScaledCrops, Subtract
from ..text.diagnostics import Diagnostic, Label, did_you_mean
from .graph import Graph, Node

_LARGEST_SCALED = 20.0  # pixels with a standard deviation of about 5; those of the default `normalize` go up to 2.6
_FORMS_OF_PREPARATION = ((Resize, CenterCrop), (Resize, CenterCrop, Subtract), (Resize, CenterCrop, Normalize))


def check_recipe(graph: Graph) -> list[Diagnostic]:
    """Check the recipe against the network: the size of the images, the loss, and the scale of the pixels.

    The scale is only a warning, and is checked only if there are no errors.
    """
    recipe = graph.net.recipe
    if recipe is None:
        return []
    errors = [
        *_check_preparation(recipe),
        *_check_augmentation(recipe),
        *_check_windows(recipe),
        *_check_views(graph, recipe),
        *_check_loss(graph, recipe),
        *_check_layers(graph, recipe),
    ]
    return errors or _check_pixel_scale(graph, recipe)


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
    last, loss = graph.nodes[-1], recipe.loss
    end = Label(last.layer.span, "the network ends here")
    if loss.activation not in ("", last.layer.kind.keyword):
        message = f"`{loss.keyword}` reads a {loss.activation}, and the network does not end in one"
        return [_misfit(message, recipe, "loss", end, f"end the last layer with `-> {loss.activation}`")]
    if len(last.output.sizes) != 1:
        message = f"`{loss.keyword}` reads a vector, and the network ends in feature maps of {last.output}"
        return [_misfit(message, recipe, "loss", end, "end the network with a `linear` layer")]
    return []


def _check_layers(graph: Graph, recipe: Recipe) -> list[Diagnostic]:
    trained = [node.layer.name for node in graph.nodes if node.weights]
    return [
        _misfit(
            f"`{step.keyword}` names `{step.layer}`, which is no layer with weights of this network",
            recipe,
            step.keyword,
            help=did_you_mean(step.layer, trained),
        )
        for step in recipe.layers
        if step.layer not in trained
    ]


def _check_pixel_scale(graph: Graph, recipe: Recipe) -> list[Diagnostic]:
    """Warn if a first layer reads pixels of up to 255, or nearly so, with weights for inputs of about 1."""
    largest = max((_largest_value(step) for step in recipe.prepare if isinstance(step, Normalize)), default=255.0)
    if largest <= _LARGEST_SCALED:
        return []
    here = Label(recipe.spans["prepare"], f"leaves values of up to {largest:.0f}")
    return [
        Diagnostic(
            "W0501",
            f"`{node.layer.name}` reads pixels that are not scaled, but `weight={node.weights.start.keyword}` is for "
            "inputs of about 1",
            node.layer.argument_spans.get("weight", node.layer.span),
            others=(here,),
            help="prepare with `normalize` and its default `std`, or the loss can become NaN; or give this layer "
            "smaller weights, as in `weight=normal(0, 0.01)`",
        )
        for node in _layers_with_large_outputs(graph)
        if node.weights
    ]


def _largest_value(step: Normalize) -> float:
    return max(max(mean, 1 - mean) / std for mean, std in zip(step.mean, step.std, strict=True))


def _layers_with_large_outputs(graph: Graph) -> list[Node]:
    """The first layers with `kaiming` or `xavier` whose outputs reach another layer, or the end, without a norm."""
    pixels: set[str | None] = {None}  # what has the values of pixels
    outputs: dict[str | None, set[str]] = {None: set()}  # the first layers whose outputs are in it
    reached: set[str] = set()
    for node in graph.nodes:
        name, kind = node.layer.name, node.layer.kind
        read = set[str]().union(*(outputs[each] for each in node.layer.inputs))
        of_pixels = not pixels.isdisjoint(node.layer.inputs)
        if kind.normalises:
            read, of_pixels = set(), False
        elif node.weights:
            reached |= read
            read = {name} if of_pixels and isinstance(node.weights.start, (Kaiming, Xavier)) else set()
            of_pixels = False
        outputs[name] = read
        pixels |= {name} if of_pixels else set()
    reached |= outputs[graph.nodes[-1].layer.name]
    return [node for node in graph.nodes if node.layer.name in reached]


def _misfit(message: str, recipe: Recipe, word: str, other: Label | None = None, help: str = "") -> Diagnostic:
    return Diagnostic("E0501", message, recipe.spans[word], others=(other,) if other else (), help=help)
