"""Checks that the recipe of a spec fits its network."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise

from ..layers.arguments import MOST_CHANNELS
from ..layers.initial_values import Kaiming, Xavier
from ..net.net import Recipe
from ..net.spec_text import argument_text
from ..recipe.augmentation import augmentations
from ..recipe.steps import CenterCrop, Normalize, Resize, ScaledCrops, Subtract
from ..text.diagnostics import Diagnostic, Label
from ..text.fixes import Fix, Help, add_words, did_you_mean, remove_statement, remove_words, set_argument
from ..text.source import Span
from .graph import Graph, Node

_LARGEST_SCALED = 20.0  # pixels with a standard deviation of about 5; those of the default `normalize` go up to 2.6
_COLORS = 3
_OTHER_COLORS = {1: "for grey images, change brightness and contrast, or leave it out"}
Sides = int | tuple[int, int]  # of a square, or height and width
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
        *_check_channels(graph, recipe),
        *_check_views(graph, recipe),
        *_check_loss(graph, recipe),
        *_check_layers(graph, recipe),
    ]
    return errors or _check_pixel_scale(graph, recipe)


def _check_preparation(recipe: Recipe) -> list[Diagnostic]:
    form = tuple(type(step) for step in recipe.prepare)
    if form not in _FORMS_OF_PREPARATION:
        message = "`prepare` must be `resize`, then `center_crop`, then `subtract`, `normalize` or nothing"
        form_ = "prepare resize 256 -> center_crop 256 -> subtract mean_image"
        return [_misfit(message, recipe, "prepare", help=Help(form_, Fix(recipe.spans["prepare"], form_)))]
    resize, crop = recipe.prepare[0], recipe.prepare[1]
    assert isinstance(resize, Resize)
    assert isinstance(crop, CenterCrop)
    if not _fits(crop.size, resize.shorter):
        of = f"a shorter side of {resize.shorter}"
        if isinstance(resize.shorter, tuple):
            of = f"images of {_by(resize.shorter)}"
        pixels = f"{crop.size} pixels" if isinstance(crop.size, int) else f"{_by(crop.size)} pixels"
        message = f"`center_crop` cuts {pixels} out of {of}"
        cut = Label(recipe.spans[Resize.keyword], f"leaves {argument_text(resize.shorter)}")
        return [_misfit(message, recipe, CenterCrop.keyword, cut, "resize to more, or cut less")]
    return []


def _check_augmentation(recipe: Recipe) -> list[Diagnostic]:
    for before, step in pairwise(recipe.augment):
        if step.order <= before.order:
            same_place = groupby(augmentations(), key=lambda each: each.order)
            order = ", ".join(" or ".join(f"`{each.keyword}`" for each in steps) for _, steps in same_place)
            message = f"`augment` has `{step.keyword}` out of order, or twice"
            helpful = Help(f"each at most once, in this order: {order}", _in_order(recipe))
            return [_misfit(message, recipe, step.keyword, help=helpful)]
    return []


def _in_order(recipe: Recipe) -> Fix | None:
    """The edit that sorts the steps of `augment`; None if two have the same place, or a comment stands between them."""
    order = sorted(range(len(recipe.augment)), key=lambda number: recipe.augment[number].order)
    places = {step.order for step in recipe.augment}
    if len(places) < len(order) or "#" in recipe.spans["augment"].text:
        return None
    texts = [recipe.spans[f"augment.{number}"].text for number in order]
    return Fix(recipe.spans["augment"], f"augment {' -> '.join(texts)}")


def _without_step(recipe: Recipe, number: int) -> Fix:
    """The edit that removes a step of `augment`, with its arrow."""
    step = recipe.spans[f"augment.{number}"]
    if len(recipe.augment) == 1:
        return remove_statement(recipe.spans["augment"])
    if number == 0:
        return Fix(Span(step.source, step.start, recipe.spans["augment.1"].start), "")
    return Fix(Span(step.source, recipe.spans[f"augment.{number - 1}"].end, step.end), "")


def _check_windows(recipe: Recipe) -> list[Diagnostic]:
    scaling = [step.keyword for step in recipe.augment if step.scales]
    scaling += [recipe.test.keyword] if isinstance(recipe.test, ScaledCrops) else []
    subtracted = next((step for step in recipe.prepare if isinstance(step, Subtract)), None)
    if scaling and subtracted is not None and subtracted.what == "mean_image":
        message = f"a mean image does not fit windows that `{scaling[0]}` scales"
        here = Label(recipe.spans[Subtract.keyword], "subtracts it here")
        place = recipe.spans[Subtract.keyword]
        helpful = Help("subtract mean_color, or normalize", Fix(place, "subtract mean_color"), Fix(place, "normalize"))
        return [_misfit(message, recipe, scaling[0], here, helpful)]
    test = recipe.test
    if isinstance(test, ScaledCrops):
        stored = next((step.size for step in recipe.prepare if isinstance(step, CenterCrop)), test.size)
        shorter = min(_height_and_width(stored))
        least = max(
            -(-side * shorter // most)
            for side, most in zip(_height_and_width(test.size), _height_and_width(stored), strict=True)
        )
        if min(test.sizes) < least:
            message = f"`scaled_crops` cuts {_by(test.size)} pixels out of images of {min(test.sizes)}"
            return [_misfit(message, recipe, test.keyword, help=f"sizes of at least {least}")]
    return []


def _check_channels(graph: Graph, recipe: Recipe) -> list[Diagnostic]:
    """Check that each step can change the images, by their number of channels and bits."""
    channels = graph.net.input.channels
    says = Label(graph.net.input_span, "the network's input")
    reads = f"the network reads {channels} channel{'s' if channels > 1 else ''}"
    if channels > MOST_CHANNELS:
        return [_misfit(f"recipes show images of 1 to {MOST_CHANNELS} channels, {reads}", recipe, "test", says)]
    diagnostics = []
    for number, step in enumerate(recipe.augment):
        if channels not in step.channels:
            message = f"`{step.keyword}` changes images of {_or(step.channels)} channels, {reads}"
            helpful = Help(_OTHER_COLORS.get(channels, "remove it"), _without_step(recipe, number))
            diagnostics.append(_misfit(message, recipe, step.keyword, says, helpful))
    for number, normalize in enumerate(recipe.prepare):
        if isinstance(normalize, Normalize) and not {len(normalize.mean), len(normalize.std)} <= {1, channels}:
            values = max(len(normalize.mean), len(normalize.std))
            message = f"`normalize` has values for {values} channels, {reads}"
            one = "normalize mean=0.5 std=0.5"
            place = recipe.spans[f"prepare.{number}"]
            helpful = Help(f"write one number for all channels, or one for each: {one}", Fix(place, one))
            diagnostics.append(_misfit(message, recipe, Normalize.keyword, says, helpful))
    return diagnostics or _check_bits(graph, recipe)


def _check_bits(graph: Graph, recipe: Recipe) -> list[Diagnostic]:
    resize = next((step for step in recipe.prepare if isinstance(step, Resize)), None)
    if resize is None or resize.bits == 8:
        return []
    without_bits = remove_words(recipe.spans[f"prepare.{recipe.prepare.index(resize)}.bits"])
    here = Label(recipe.spans[Resize.keyword], "keeps 16 bits")
    channels = graph.net.input.channels
    if channels != 1:
        message = f"16 bits are for grey images of one channel, the network reads {channels} channels"
        says = Label(graph.net.input_span, "the network's input")
        return [_misfit(message, recipe, Resize.keyword, says, Help("leave `bits=16` out", without_bits))]
    return [
        _misfit(
            f"`{step.keyword}` changes images of 8 bits only",
            recipe,
            step.keyword,
            here,
            Help("remove one of the two", _without_step(recipe, number), without_bits),
        )
        for number, step in enumerate(recipe.augment)
        if step.adjusts
    ]


def _check_views(graph: Graph, recipe: Recipe) -> list[Diagnostic]:
    _, high, wide = graph.net.input.sizes
    read = (high, wide)
    says = Label(graph.net.input_span, "the network's input")
    stored = next((step.size for step in recipe.prepare if isinstance(step, CenterCrop)), read)
    views = [
        (f"augment.{number}", step.keyword, step.view_size, step.scales)
        for number, step in enumerate(recipe.augment)
        if step.view_size is not None
    ]
    diagnostics = []
    for place, keyword, size, scales in (*views, ("test.0", recipe.test.keyword, recipe.test.size, False)):
        if _height_and_width(size) != read:
            message = f"`{keyword}` shows {_by(size)} pixels, the network reads {_by(read)}"
            helpful = Help("make the two sizes equal", *_equal_sizes(graph, recipe, place, size))
            diagnostics.append(_misfit(message, recipe, keyword, says, helpful))
        elif not _fits(size, stored) and not scales:
            cut = Label(recipe.spans[CenterCrop.keyword], f"keeps {_by(stored)}")
            message = f"`{keyword}` cuts {_by(size)} pixels out of images of {_by(stored)}"
            diagnostics.append(_misfit(message, recipe, keyword, cut, "prepare larger images"))
            break  # the other views have the same problem
    return diagnostics


def _equal_sizes(graph: Graph, recipe: Recipe, step: str, size: Sides) -> list[Fix]:
    """The edits that give the view the size of the input, and the input the size of the view."""
    channels, *read = graph.net.input.sizes
    written = recipe.spans.get(f"{step}.size")
    view = [] if written is None else [set_argument(written, "size", argument_text(tuple(read)))]
    return [*view, Fix(graph.net.input_span, f"input {channels}x{_by(size)}")]


def _height_and_width(sides: Sides) -> tuple[int, int]:
    return (sides, sides) if isinstance(sides, int) else sides


def _by(sides: Sides) -> str:
    return "x".join(map(str, _height_and_width(sides)))


def _fits(part: Sides, whole: Sides) -> bool:
    return all(side <= most for side, most in zip(_height_and_width(part), _height_and_width(whole), strict=True))


def _or(numbers: Sequence[int]) -> str:
    return " or ".join(map(str, numbers))


def _check_loss(graph: Graph, recipe: Recipe) -> list[Diagnostic]:
    last, loss = graph.nodes[-1], recipe.loss
    end = Label(last.layer.span, "the network ends here")
    if loss.activation not in ("", last.layer.kind.keyword):
        message = f"`{loss.keyword}` reads a {loss.activation}, and the network does not end in one"
        arrow = f"-> {loss.activation}"
        alone = sum(node.layer.written == last.layer.written for node in graph.nodes) == 1
        helpful = Help(f"end the last layer with `{arrow}`", add_words(last.layer.written, arrow) if alone else None)
        return [_misfit(message, recipe, "loss", end, helpful)]
    if len(last.output.sizes) != 1:
        message = f"`{loss.keyword}` reads a vector, and the network ends in feature maps of {last.output}"
        return [_misfit(message, recipe, "loss", end, "end the network with a `linear` layer")]
    return []


def _check_layers(graph: Graph, recipe: Recipe) -> list[Diagnostic]:
    trained = [node.layer.name for node in graph.nodes if node.weights]
    found = []
    for number, step in enumerate(recipe.layers):
        if step.layer not in trained:
            argument = recipe.spans[f"layers.{number}.layer"]
            word = Span(argument.source, argument.end - len(step.layer), argument.end)  # without its key
            message = f"`{step.keyword}` names `{step.layer}`, which is no layer with weights of this network"
            found.append(_misfit(message, recipe, f"layers.{number}", help=did_you_mean(word, trained)))
    return found


def _check_pixel_scale(graph: Graph, recipe: Recipe) -> list[Diagnostic]:
    """Warn if a first layer reads pixels of up to 255, or nearly so, with weights for inputs of about 1."""
    largest = max((_largest_value(step) for step in recipe.prepare if isinstance(step, Normalize)), default=255.0)
    if largest <= _LARGEST_SCALED:
        return []
    here = Label(recipe.spans["prepare"], f"leaves values of up to {largest:.0f}")
    of_colors = graph.net.input.channels == _COLORS
    scaled = "`normalize` and its default `std`" if of_colors else "`normalize mean=0.5 std=0.25`"
    normalize = _normalized(recipe, "normalize" if of_colors else "normalize mean=0.5 std=0.25")
    smaller = "normal(0, 0.01)"
    return [
        Diagnostic(
            "W0501",
            f"`{node.layer.name}` reads pixels that are not scaled, but `weight={node.weights.start.keyword}` is for "
            "inputs of about 1",
            node.layer.argument_spans.get("weight", node.layer.span),
            others=(here,),
            help=Help(
                f"prepare with {scaled}, or the loss can become NaN; or give this layer smaller weights, as in "
                f"`weight={smaller}`",
                normalize,
                node.layer.with_argument("weight", smaller),
            ),
        )
        for node in _layers_with_large_outputs(graph)
        if node.weights
    ]


def _normalized(recipe: Recipe, normalize: str) -> Fix:
    """The edit that normalises the prepared images, in place of what is subtracted from them."""
    for number, step in enumerate(recipe.prepare):
        if isinstance(step, Subtract | Normalize):
            return Fix(recipe.spans[f"prepare.{number}"], normalize)
    return add_words(recipe.spans["prepare"], f"-> {normalize}")


def _largest_value(step: Normalize) -> float:
    channels = max(len(step.mean), len(step.std))
    means, stds = (values * channels if len(values) == 1 else values for values in (step.mean, step.std))
    return max(max(mean, 1 - mean) / std for mean, std in zip(means, stds, strict=True))


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
