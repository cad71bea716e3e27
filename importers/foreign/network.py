"""The model of a foreign network: layers of alexc's kinds, a recipe, and placements.

Every part keeps its span in the foreign file, so that later diagnostics point there. A reader drops nothing silently:
it reports an error if the spec would be a different network, and a warning (with a note, which becomes a comment) if
only the recipe loses something.
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
        name: its name in the foreign file: any text, unique in the network.
        kind: its kind in alexc with all arguments, from `make_kind`.
        inputs: the names of the earlier layers that it reads; None is the image. Joins read two or more, in order; all
            other kinds read one.
        span: its name or its type in the foreign file.
        notes: comments for the spec, without `#`.
    """

    name: str
    kind: Kind
    inputs: tuple[str | None, ...]
    span: Span
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecipeLine:
    """A statement of a `train` block: its keyword, the text after it, and a comment or "".

    `step_text` writes `text` from the models of `alexc.compiler.recipe.steps`.
    """

    word: str
    text: str
    note: str = ""


@dataclass(frozen=True)
class ForeignSplit:
    """Splits `images` or `channels` along an axis in the layers of these foreign names; None means all layers."""

    what: str
    axis: str
    layers: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ForeignPlacement:
    """A placement: its name, the axes of the mesh with their sizes, and the splits along them.

    `keeps` has the foreign names of layers that one device keeps, with the axis and the index of that device. With
    `half`, what the devices send is rounded to float16.
    """

    name: str
    mesh: tuple[tuple[str, int], ...]
    splits: tuple[ForeignSplit, ...]
    span: Span
    keeps: tuple[tuple[tuple[str, ...], str, int], ...] = ()
    half: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ForeignNetwork:
    """A whole foreign network.

    Attributes:
        name: its name in the foreign file: any text.
        program: the program that wrote the file, for comments: "Caffe".
        input: the shape of an image.
        layers: all layers, each after those that it reads. The last one is the output; further heads end in a softmax
            that no layer reads.
        span: where diagnostics about the whole network point.
        towers: the number of towers that the channels are split into.
        recipe: the statements of the `train` block in the order of docs/language.md; empty without a recipe.
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
    """The result of a reader: the network, or None if the files were not understood, and the diagnostics."""

    network: ForeignNetwork | None
    findings: tuple[Diagnostic, ...]


@dataclass(frozen=True)
class Assumptions:
    """Values that foreign files may leave open.

    Attributes:
        images: the size of the training set, to convert iterations to epochs.
        input: the shape of an image, for files without it; None if the user does not give it either.
        most_parameters: the largest number of parameters that is not an error.
        from_start: whether layers whose rates are those of the end of a run get the rates of a beginning.
    """

    images: int = 1_281_167
    input: Shape | None = None
    most_parameters: int = MOST_PARAMETERS
    from_start: bool = False


def make_kind(
    keyword: str,
    arguments: Mapping[str, object],
    span: Span,
    findings: list[Diagnostic],
    spans: Mapping[str, Span] | None = None,
) -> Kind | None:
    """A kind from Python values such as `kernel=(3, 3)`, `pad=1`, `bias=None`, `weight=Normal(…)`.

    Returns None if a value is not valid and appends an error, which points at the argument's span in `spans` or at
    `span`. Numbers are rounded to the digits that a spec can have.
    """
    return _validated(kinds()[keyword], arguments, span, findings, spans or {})


def make_distribution(
    keyword: str, arguments: Mapping[str, object], span: Span, findings: list[Diagnostic]
) -> Distribution | None:
    """A distribution of initial values, in the same way: `make_distribution("normal", {"mean": 0, "std": 0.01}, …)`."""
    return _validated(DISTRIBUTIONS[keyword], arguments, span, findings, {})


def rounded(number: float) -> float:
    """A number rounded to the digits that a spec can have."""
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
                findings.append(Diagnostic("E0904", f"the file does not give the {field} of a `{model.keyword}`", span))
        return None
