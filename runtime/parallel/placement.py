"""How a network lies on a mesh of devices: what a placed network file says of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod


@dataclass(frozen=True)
class Layers:
    """Layers that are placed alike.

    Attributes:
        names: the attributes of the network's class that hold them.
        split: the axes over which their weights are cut along dimension 0, outermost first.
        summed: the axes over which their gradients are summed.
        kept: the one device that has them, by the axis on which it does.
    """

    names: tuple[str, ...]
    split: tuple[str, ...] = ()
    summed: tuple[str, ...] = ()
    kept: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Placement:
    """A network on a mesh.

    Attributes:
        mesh: the devices on each axis, outermost first.
        layers: every layer with weights, once.
        images: the axes over which each device reads its own share of a batch, outermost first.
        loss: the axes over which each device has the loss of its own share of the batch.
        loss_kept: the one device that has the loss, by the axis on which it does.
        images_within: further axes that cut the images, but only between layers without weights.
    """

    mesh: Mapping[str, int]
    layers: Sequence[Layers]
    images: tuple[str, ...] = ()
    loss: tuple[str, ...] = ()
    loss_kept: Mapping[str, int] = field(default_factory=dict)
    images_within: tuple[str, ...] = ()

    @property
    def devices(self) -> int:
        """How many devices the mesh has."""
        return prod(self.mesh.values())

    @property
    def mesh_text(self) -> str:
        """The mesh as a spec writes it: `copy=4 tower=2`."""
        return " ".join(f"{axis}={devices}" for axis, devices in self.mesh.items())

    @property
    def image_axes(self) -> frozenset[str]:
        """All axes that cut the images anywhere."""
        summed = (axis for layers in self.layers for axis in layers.summed)
        return frozenset((*self.images, *self.loss, *self.images_within, *summed))

    def layers_of(self, tensor: str) -> Layers:
        """What is said of the layer that holds a tensor of this name: `conv1.weight`."""
        layer = tensor.rpartition(".")[0]
        return next(each for each in self.layers if layer in each.names)
