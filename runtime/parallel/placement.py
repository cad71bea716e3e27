"""The placement of a network on a mesh of devices, as a placed network file describes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod


@dataclass(frozen=True)
class Layers:
    """Layers with the same placement.

    Attributes:
        names: the attributes of the network's class.
        split: the axes over which their weights are split along dimension 0, outermost first.
        summed: the axes over which their gradients are summed.
        kept: for layers on one device of an axis: the axis and the index of that device.
    """

    names: tuple[str, ...]
    split: tuple[str, ...] = ()
    summed: tuple[str, ...] = ()
    kept: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Placement:
    """A network on a mesh.

    Attributes:
        mesh: the number of devices on each axis, outermost first.
        layers: every layer with weights, once.
        images: the axes over which the batch is split when it is read, outermost first.
        loss: the axes over which the batch is split when the loss is computed.
        loss_kept: if the loss is on one device of an axis: the axis and the index of that device.
        images_within: further axes that split images, but only between layers without weights.
    """

    mesh: Mapping[str, int]
    layers: Sequence[Layers]
    images: tuple[str, ...] = ()
    loss: tuple[str, ...] = ()
    loss_kept: Mapping[str, int] = field(default_factory=dict)
    images_within: tuple[str, ...] = ()

    @property
    def devices(self) -> int:
        """The number of devices of the mesh."""
        return prod(self.mesh.values())

    @property
    def mesh_text(self) -> str:
        """The mesh in the form of a spec: `copy=4 tower=2`."""
        return " ".join(f"{axis}={devices}" for axis, devices in self.mesh.items())

    @property
    def image_axes(self) -> frozenset[str]:
        """All axes that split images anywhere in the network."""
        summed = (axis for layers in self.layers for axis in layers.summed)
        return frozenset((*self.images, *self.loss, *self.images_within, *summed))

    def layers_of(self, tensor: str) -> Layers:
        """The placement of the layer with this tensor, such as `conv1.weight`."""
        layer = tensor.rpartition(".")[0]
        return next(each for each in self.layers if layer in each.names)
