"""The keywords and the documentation of layer kinds, recipe steps and distributions, for editors and docs.

All of it comes from the classes themselves. Importing every kind takes time, so nothing that checks a spec imports
this module.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator

from .layers.arguments import Arguments
from .layers.initial_values import DISTRIBUTIONS
from .layers.registry import kinds
from .net.spec_text import argument_text
from .recipe.steps import CHOICES


def models() -> Iterator[type[Arguments]]:
    """Every class whose arguments a spec can write: kinds, recipe steps, distributions."""
    yield from kinds().values()
    yield from steps().values()
    yield from DISTRIBUTIONS.values()


def steps() -> dict[str, type[Arguments]]:
    """The recipe steps by their keyword."""
    return {step.keyword: step for choices in CHOICES.values() for step in choices}


def choices_in_words(statement: str) -> str:
    """The values that a statement of a recipe takes, as a sentence fragment."""
    return " or ".join(f"`{step.keyword}`" for step in CHOICES[statement]) if statement in CHOICES else "a whole number"


def choices() -> set[str]:
    """The words that an argument can have as its value, such as `none`, `same` or `tower`."""
    words = {"none", "same", *DISTRIBUTIONS}
    for model in models():
        words.update(*(model.expectation(name).choices for name in model.model_fields))
    return {word for word in words if not word.isdigit()}  # `towers=1` has a number


def calls() -> set[str]:
    """The words before the parentheses of a value: those of distributions, and others such as `sides` and `rgb`."""
    fields = [model.expectation(name) for model in models() for name in model.model_fields]
    return {*DISTRIBUTIONS, *(word for expected in fields for word in expected.calls)}


def usage(model: type[Arguments]) -> str:
    """The keyword with the arguments that may be written without a key: `conv <kernels>`."""
    return " ".join([model.keyword, *(f"<{name}>" for name in model.positional)])


def title(model: type[Arguments]) -> str:
    """The first line of its module's docstring, without the keyword."""
    return documentation(sys.modules[model.__module__]).split(": ", 1)[1].rstrip(".")


def documentation(documented: object) -> str:
    """The docstring of a class or a module."""
    text = inspect.getdoc(documented)
    assert text, documented
    return text


def arguments_in_order(model: type[Arguments]) -> list[str]:
    """The names of the arguments; those that may be written without a key come first."""
    return list(dict.fromkeys([*model.positional, *model.fields()]))


def default_of(model: type[Arguments], name: str) -> str:
    """The default of an argument as Markdown; empty when it depends on other arguments."""
    field = model.model_fields[name]
    if field.is_required():
        return "required"
    return "" if field.default is None else f"`{argument_text(field.default, model.expectation(name).call)}`"
