"""Compiled networks as Python objects, without a file."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch import nn

from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.graph.graph import Graph
from alexc.compiler.placed_graph.placed_graph import PlacedGraph


def names_in(text: str) -> dict[str, Any]:
    """The names that the text of a generated file defines; its classes belong to the module `compiled`."""
    module = ModuleType("compiled")
    exec(compile(text, "compiled.py", "exec", dont_inherit=True), vars(module))
    return vars(module)


def names_of(graph: Graph, placed: PlacedGraph | None = None) -> dict[str, Any]:
    """The names that the generated file of a network defines."""
    return names_in(write_pytorch(graph, "net.net", placed))


def network_of(graph: Graph, device: str = "meta") -> nn.Module:
    """The generated class, made on a device, in training mode."""
    with torch.device(device):
        network = names_of(graph)[graph.net.name]()
    assert isinstance(network, nn.Module)
    return network
