"""The words of the language by what they are, for what colours, completes or explains them."""

from __future__ import annotations

from collections.abc import Iterator

from .layers.arguments import Arguments
from .layers.initial_values import DISTRIBUTIONS
from .layers.registry import kinds
from .recipe.steps import CHOICES, NUMBERS

# The keywords of blocks, and what each says.
BLOCKS = {
    "network": "the mathematics: layers, kernels, towers, which maps each layer reads, initial values",
    "placement": "which device computes what; it never changes what is computed",
    "train": "the recipe: preparation, augmentation, test views, optimiser, schedule",
    "block": "a kind of layer made of others; its parameters stand for values",
}
# What a network says beside its layers.
SETTINGS = {
    "input": "channels x height x width of an image, as in `input 3x227x227`",
    "towers": "cuts the channels of every layer into that many equal parts",
    "default": "arguments for every layer of these kinds that does not say otherwise",
}
REPEAT = {"repeat": "writes its lines so many times, with the number behind each name: `repeat 3 { … }`"}
# What a network says that extends another.
EDITS = {
    "every": "one kind in the place of another, or other arguments, everywhere: `every relu: tanh`",
    "without": "drops all layers of a kind, or a line: `without lrn`",
    "after": "puts a line in behind another: `after conv5: conv 256 kernel=3`",
    "before": "puts a line in before another: `before fc6: dropout 0.2 scale=train`",
}
PLACEMENT = {
    "mesh": "the axes of devices, the outermost first: `mesh copy=4 tower=2`",
    "split": "what is cut along an axis: `split channels by tower in conv1..conv5`",
    "keep": "layers that live on one device of an axis: `keep fc8 on tower 0`",
}
# The words between the parts of a placement's statement.
SPLIT_WORDS = ("images", "channels")
LINKING_WORDS = ("by", "in", "on")
# What may stand for a value in parentheses beside the distributions.
CALLS = ("sides", "rgb")
RECIPE = (*CHOICES, *NUMBERS)


def models() -> Iterator[type[Arguments]]:
    """Everything that takes arguments: the kinds, the steps of a recipe, the distributions."""
    yield from kinds().values()
    for steps in CHOICES.values():
        yield from steps
    yield from DISTRIBUTIONS.values()


def steps() -> dict[str, type[Arguments]]:
    """The steps that the statements of a recipe name, by their keyword."""
    return {step.keyword: step for choices in CHOICES.values() for step in choices}


def choices_in_words(statement: str) -> str:
    """What a statement of a recipe takes."""
    return " or ".join(f"`{step.keyword}`" for step in CHOICES[statement]) if statement in CHOICES else "a whole number"


def choices() -> set[str]:
    """The words that stand for values of arguments."""
    words = {"none", "same", *DISTRIBUTIONS}
    for model in models():
        words.update(*(model.expectation(name).choices for name in model.model_fields))
    return words
