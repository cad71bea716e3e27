"""A checked spec: names are resolved, defaults applied, and every layer is a validated object of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Literal

from ..layers.kind import Kind, Shape
from ..recipe.augmentation import Augmentation
from ..recipe.steps import (
    Average,
    EarlyStopping,
    FixedRule,
    GradientStep,
    LayerStep,
    Loss,
    Optimizer,
    Precision,
    PrepareStep,
    Schedule,
    TestViews,
)
from ..text.fixes import Fix, add_words, remove_words, set_argument
from ..text.source import Source, Span


@dataclass(frozen=True)
class Layer:
    """One layer.

    Attributes:
        name: the full name: `conv1`, `conv1.relu`.
        line: the name of its pipeline.
        statement: the line of the network, outside all blocks, that it belongs to.
        kind: the kind with its arguments.
        inputs: the names of the layers that it reads; None for the network's input.
        span: the place of the kind's word.
        argument_spans: the place of each written argument.
        written: the kind with its arguments, without those of `default` lines and of a variant's edits.
        inherited: the arguments that `default` lines give.
    """

    name: str
    line: str
    statement: str
    kind: Kind
    inputs: tuple[str | None, ...]
    span: Span
    argument_spans: Mapping[str, Span]
    written: Span
    inherited: frozenset[str] = frozenset()

    @property
    def written_parts(self) -> list[Span]:
        """The places that make this layer what it is: `written`, and its arguments in a variant's edits."""
        return [self.written, *(span for name, span in self.argument_spans.items() if name not in self.inherited)]

    def with_argument(self, name: str, value: str | None) -> Fix | None:
        """The edit that gives an argument another value, or removes it; None if it is not written here."""
        span = None if name in self.inherited else self.argument_spans.get(name)
        if value is None:
            return None if span is None else remove_words(span)
        return add_words(self.written, f"{name}={value}") if span is None else set_argument(span, name, value)


@dataclass(frozen=True)
class Axis:
    """A named axis of a device mesh: the number of devices along it, and the place of its name."""

    name: str
    devices: int
    span: Span = field(compare=False)


@dataclass(frozen=True)
class Split:
    """A split along an axis: of the images of a batch, or of the channels. `statements` is None for all layers."""

    what: Literal["images", "channels"]
    axis: str
    statements: tuple[str, ...] | None
    span: Span = field(compare=False)


@dataclass(frozen=True)
class Keep:
    """Layers that are kept on one device of an axis; `index` counts from 0."""

    statements: tuple[str, ...]
    axis: str
    index: int
    span: Span = field(compare=False)


@dataclass(frozen=True)
class Placement:
    """Assigns the parts of a network to devices. `mesh` has its axes, the outermost first.

    With `half`, what the devices send each other of activations and their gradients is rounded to float16. `mesh_span`
    is the statement of the mesh.
    """

    name: str
    span: Span = field(compare=False)
    mesh: tuple[Axis, ...]
    splits: tuple[Split, ...]
    keeps: tuple[Keep, ...]
    half: bool = False
    mesh_span: Span | None = field(default=None, compare=False)

    @property
    def devices(self) -> int:
        """The number of devices of the mesh."""
        return prod(axis.devices for axis in self.mesh)


@dataclass(frozen=True)
class Recipe:
    """A `train` block. An optional statement that is not written is None; one of `epochs` and `iterations` is written.

    `spans` are the places of the statements and of their steps, by their first words; `augment.0` is the first step of
    `augment`, and `augment.0.size` the argument `size` of this step.
    """

    prepare: tuple[PrepareStep, ...]
    augment: tuple[Augmentation, ...]
    test: TestViews
    loss: Loss
    optimizer: Optimizer
    schedule: Schedule
    bias_schedule: FixedRule | None
    layers: tuple[LayerStep, ...]
    gradients: tuple[GradientStep, ...]
    precision: Precision | None
    average: Average | None
    stop: EarlyStopping | None
    batch: int
    epochs: int | None
    iterations: int | None
    spans: Mapping[str, Span]


@dataclass(frozen=True)
class Net:
    """A spec: one network, its placements, and its recipe or None."""

    source: Source
    name: str
    name_span: Span
    input: Shape
    input_span: Span
    towers: int
    layers: tuple[Layer, ...]
    placements: tuple[Placement, ...]
    recipe: Recipe | None
