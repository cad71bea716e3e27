"""The second stage: names bound, defaults applied, every layer a validated model of its kind."""

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
    GradientStep,
    Loss,
    Optimizer,
    Precision,
    PrepareStep,
    Schedule,
    TestViews,
)
from ..text.source import Source, Span


@dataclass(frozen=True)
class Layer:
    """One part of a pipeline.

    Attributes:
        name: its name, with the statement's in front: `conv1`, `conv1.relu`.
        line: the name of the pipeline that it stands in.
        statement: the network's own line that it belongs to.
        kind: its kind, with the arguments.
        inputs: the names of the layers that it reads; None for the network's input.
        span: the kind's word.
        argument_spans: the place of each argument that is written.
    """

    name: str
    line: str
    statement: str
    kind: Kind
    inputs: tuple[str | None, ...]
    span: Span
    argument_spans: Mapping[str, Span]


@dataclass(frozen=True)
class Axis:
    """A named axis of a mesh of devices, its length, and the place of its name."""

    name: str
    devices: int
    span: Span = field(compare=False)


@dataclass(frozen=True)
class Split:
    """What is cut along an axis: the images of a batch, or the channels; in some layers, or (None) in all."""

    what: Literal["images", "channels"]
    axis: str
    statements: tuple[str, ...] | None
    span: Span = field(compare=False)


@dataclass(frozen=True)
class Keep:
    """Layers that live on one device of an axis, counted from 0."""

    statements: tuple[str, ...]
    axis: str
    index: int
    span: Span = field(compare=False)


@dataclass(frozen=True)
class Placement:
    """Which device computes what; the axes of the mesh outermost first."""

    name: str
    span: Span = field(compare=False)
    mesh: tuple[Axis, ...]
    splits: tuple[Split, ...]
    keeps: tuple[Keep, ...]

    @property
    def devices(self) -> int:
        """How many devices the mesh has."""
        return prod(axis.devices for axis in self.mesh)


@dataclass(frozen=True)
class Recipe:
    """A `train` block. `spans` are the places of its statements and of their steps, by their words.

    None stands where nothing was said.
    """

    prepare: tuple[PrepareStep, ...]
    augment: tuple[Augmentation, ...]
    test: TestViews
    loss: Loss
    optimizer: Optimizer
    schedule: Schedule
    gradients: tuple[GradientStep, ...]
    precision: Precision | None
    average: Average | None
    stop: EarlyStopping | None
    batch: int
    epochs: int
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
