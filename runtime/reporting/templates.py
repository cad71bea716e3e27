"""The templates of the page and of its charts."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template

from ..runs.epoch_metrics import loss_text
from .missing import Missing


@cache
def template(name: str) -> Template:
    """A template of this folder; it escapes every name and text."""
    environment = Environment(
        loader=FunctionLoader(text_of), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.tests["missing"] = lambda section: isinstance(section, Missing)
    environment.filters["percent"] = lambda share: f"{share:.1%}"
    environment.filters["loss"] = loss_text
    return environment.get_template(name)


def text_of(name: str) -> str:
    """The text of a file of this folder."""
    return files("alexc.runtime.reporting").joinpath(name).read_text(encoding="utf-8")
