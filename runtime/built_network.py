"""A network of PyTorch from the text of a compiled file, without the file."""

from __future__ import annotations

import hashlib
import linecache
import sys
from types import ModuleType
from typing import Any

from torch import nn


def build(text: str, name: str, class_name: str, seed: int | None) -> nn.Module:
    """The network of a compiled file, in a module of its own.

    Args:
        text: what the compiler wrote.
        name: what tracebacks call it; they show its lines.
        class_name: the network's class.
        seed: the initial values are a function of it; with None, of torch's own generator.
    """
    network: Any = vars(_run(text, name))[class_name]()
    if seed is not None:
        network.reset_parameters(seed)
    assert isinstance(network, nn.Module)
    return network


def _run(text: str, name: str) -> ModuleType:
    """The same text is run once, so that two of its networks are of one class."""
    digest = hashlib.sha256("\n".join([name, text]).encode()).hexdigest()
    module = ModuleType(f"alexc_built_{digest[:16]}")
    if module.__name__ in sys.modules:
        return sys.modules[module.__name__]
    module.__file__ = f"<alexc {name}>"
    linecache.cache[module.__file__] = (len(text), None, text.splitlines(keepends=True), module.__file__)
    exec(compile(text, module.__file__, "exec", dont_inherit=True), vars(module))  # noqa: S102 - the compiler's own text
    sys.modules[module.__name__] = module  # pickle and torch look it up there
    return module
