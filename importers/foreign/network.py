"""What a reader of foreign files makes of them: a network of alexc's kinds, its recipe, and where its devices lie.

Every part keeps its place in the foreign file, so that whatever is said about it later is said about that line. A
reader reports what it cannot express as a finding: with an error code where the network would be another one, with a
warning (and a note, which becomes a comment) where only the recipe loses something. It drops nothing silently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from alexc.compiler.graph.shapes import MOST_PARAMETERS
from alexc.compiler.layers.arguments import Arguments
from alexc.compiler.layers.initial_values import DISTRIBUTIONS, Distribution
from alexc.compiler.layers.kind import Kind, Shape
from alexc.compiler.layers.registry import kinds
from alexc.compiler.text.diagnostics import Diagnostic
from alexc.compiler.text.source import Span

Model = TypeVar("Model", bound=Arguments)


@dataclass(frozen=True)
class ForeignLayer:
    """One layer.

    Attributes:
        name: what the foreign file calls it; unique in the network, and otherwise any text.
        kind: its kind here, with all arguments. `make_kind` makes one.
        inputs: the names of the layers that it reads, which stand before it; None is the image. One for all kinds but
            joins, which read two or more, in order.
        span: its name or its type in the foreign file.
        notes: what a comment in the spec says about it, in plain words without `#`.
    """

    name: str
    kind: Kind
    inputs: tuple[str | None, ...]
    span: Span
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecipeLine:
    """A statement of a `train` block: its word, what follows it, and a note for a comment behind it or "".

    `text` is made of models of `alexc.compiler.recipe.steps` by `alexc.compiler.net.spec_text.step_text`.
    """

    word: str
    text: str
    note: str = ""


@dataclass(frozen=True)
class ForeignSplit:
    """What an axis of a mesh cuts, `images` or `channels`, in the layers of these foreign names; None is all layers."""

    what: str
    axis: str
    layers: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ForeignPlacement:
    """Which device computes what: a name here, the axes of the mesh with their lengths, what is cut along them.

    `keeps` are layers by their foreign names, with the axis and the index of the device that has them.
    """

    name: str
    mesh: tuple[tuple[str, int], ...]
    splits: tuple[ForeignSplit, ...]
    span: Span
    keeps: tuple[tuple[tuple[str, ...], str, int], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ForeignNetwork:
    """A whole foreign network.

    Attributes:
        name: what the foreign file calls it, any text.
        program: whose file it is, as comments say it: "Caffe".
        input: the shape of an image.
        layers: all layers, each after those that it reads; the last one is the network's end, and further heads end in
            a softmax that nothing reads.
        span: the place that stands for the network as a whole.
        towers: into how many towers the channels are cut.
        recipe: the statements of the `train` block in the order of docs/language.md, or none.
        placements: the placements.
        notes: comments at the head of the spec.
        recipe_notes: comments at the head of the `train` block.
    """

    name: str
    program: str
    input: Shape
    layers: tuple[ForeignLayer, ...]
    span: Span
    towers: int = 1
    recipe: tuple[RecipeLine, ...] = ()
    placements: tuple[ForeignPlacement, ...] = ()
    notes: tuple[str, ...] = ()
    recipe_notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReadResult:
    """What came of reading foreign files: a network, or None where they were not understood, and the findings."""

    network: ForeignNetwork | None
    findings: tuple[Diagnostic, ...]


@dataclass(frozen=True)
class Assumptions:
    """What foreign files may leave open.

    Attributes:
        images: the size of the training set, which turns iterations into epochs.
        input: the shape of an image, for files that do not say it; None where the user does not, either.
        most_parameters: a network of more is an error.
    """

    images: int = 1_281_167
    input: Shape | None = None
    most_parameters: int = MOST_PARAMETERS


def make_kind(
    keyword: str,
    arguments: Mapping[str, object],
    span: Span,
    findings: list[Diagnostic],
    spans: Mapping[str, Span] | None = None,
) -> Kind | None:
    """A kind with its arguments as Python values, such as `kernel=(3, 3)`, `pad=1`, `bias=None`, `weight=Normal(…)`.

    Where a value cannot be taken, a finding is appended at its place in `spans`, or at `span`, and None returned.
    Numbers are rounded to the digits that a spec may use.
    """
    return _validated(kinds()[keyword], arguments, span, findings, spans or {})


def make_distribution(
    keyword: str, arguments: Mapping[str, object], span: Span, findings: list[Diagnostic]
) -> Distribution | None:
    """What weights start from, in the same way: `make_distribution("normal", {"mean": 0, "std": 0.01}, …)`."""
    return _validated(DISTRIBUTIONS[keyword], arguments, span, findings, {})


def rounded(number: float) -> float:
    """A number with the digits that a spec may use."""
    return float(f"{number:.12g}")


def _validated(
    model: type[Model],
    arguments: Mapping[str, object],
    span: Span,
    findings: list[Diagnostic],
    spans: Mapping[str, Span],
) -> Model | None:
    values = {name: rounded(value) if isinstance(value, float) else value for name, value in arguments.items()}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        for field in dict.fromkeys(str(problem["loc"][0]) for problem in error.errors()):
            if field in arguments:
                message = f"`{model.keyword}` cannot have {field}={arguments[field]}"
                help_ = f"it must be {model.expectation(field).words}"
                findings.append(Diagnostic("E0904", message, spans.get(field, span), help=help_))
            else:
                findings.append(Diagnostic("E0904", f"the file does not say the {field} of a `{model.keyword}`", span))
        return None
