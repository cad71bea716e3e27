"""Builds a network from the text of a compiled file, without the file."""

from __future__ import annotations

import hashlib
import linecache
import sys
from types import ModuleType
from typing import Any

from torch import nn


def build(text: str, name: str, class_name: str, seed: int | None) -> nn.Module:
    """Build the network of a compiled file.

    Args:
        text: the text of the file.
        name: its name in tracebacks, which show its lines.
        class_name: the class of the network.
        seed: the seed of the initial values; None uses torch's global generator.
    """
    network: Any = vars(_run(text, name))[class_name]()
    if seed is not None:
        network.reset_parameters(seed)
    assert isinstance(network, nn.Module)
    return network


def _run(text: str, name: str) -> ModuleType:
    """Run a text once, so that networks built from the same text have the same class."""
    digest = hashlib.sha256("\n".join([name, text]).encode()).hexdigest()
    module = ModuleType(f"alexc_built_{digest[:16]}")
    if module.__name__ in sys.modules:
        return sys.modules[module.__name__]
    module.__file__ = f"<alexc {name}>"
    linecache.cache[module.__file__] = (len(text), None, text.splitlines(keepends=True), module.__file__)
    exec(compile(text, module.__file__, "exec", dont_inherit=True), vars(module))  # noqa: S102 - the compiler's own text
    sys.modules[module.__name__] = module  # pickle and torch look the class up there
    return module
