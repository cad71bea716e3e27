"""Kinds, steps and distributions in the words of their own documentation."""

from __future__ import annotations

import inspect
import sys

from .layers.arguments import Arguments
from .net.spec_text import argument_text


def usage(model: type[Arguments]) -> str:
    """Its keyword and the arguments that may stand without their key: `conv <kernels>`."""
    return " ".join([model.keyword, *(f"<{name}>" for name in model.positional)])


def title(model: type[Arguments]) -> str:
    """What its module says that it is."""
    return documentation(sys.modules[model.__module__]).split(": ", 1)[1].rstrip(".")


def documentation(documented: object) -> str:
    """The docstring of a model or a module."""
    text = inspect.getdoc(documented)
    assert text, documented
    return text


def arguments_in_order(model: type[Arguments]) -> list[str]:
    """The names of its arguments: first those that may stand without a key."""
    return list(dict.fromkeys([*model.positional, *model.fields()]))


def default_of(model: type[Arguments], name: str) -> str:
    """What holds where an argument is not written, as Markdown; empty where that depends on others."""
    field = model.model_fields[name]
    if field.is_required():
        return "must be said"
    return "" if field.default is None else f"`{argument_text(field.default)}`"
