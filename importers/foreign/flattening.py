"""Removes layers that only flatten maps, which other programs need before a fully connected layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from .network import ForeignLayer


def without_needless_flattening(layers: Sequence[ForeignLayer]) -> list[ForeignLayer]:
    """Leave out each `flatten` that only layers such as `linear` read, since these flatten their input themselves."""
    readers: dict[str | None, list[ForeignLayer]] = {}
    for layer in layers:
        for name in layer.inputs:
            readers.setdefault(name, []).append(layer)
    instead: dict[str | None, str | None] = {
        layer.name: layer.inputs[0]
        for layer in layers
        if layer.kind.keyword == "flatten"
        and all(reader.kind.reads_vector for reader in readers.get(layer.name, []))
        and layer.name in readers
    }
    return [
        replace(layer, inputs=tuple(_before(name, instead) for name in layer.inputs))
        for layer in layers
        if layer.name not in instead
    ]


def _before(name: str | None, instead: Mapping[str | None, str | None]) -> str | None:
    while name in instead:
        name = instead[name]
    return name
