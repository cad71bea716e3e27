"""What the translation of a Caffe layer gets and returns, and what all translations share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from alexc.compiler.layers.kind import Join, Kind, Shape
from alexc.compiler.text.diagnostics import Diagnostic
from alexc.compiler.text.source import Span

from ..foreign.network import make_kind
from .fields import Fields
from .layer import CaffeLayer

MULTIPLIERS = ("weight_rate", "weight_decay", "bias_rate", "bias_decay")


@dataclass(frozen=True)
class Context:
    """What the translation of a layer depends on beside the layer.

    Attributes:
        shapes: the shapes of its inputs; None where one is not known.
        read_as_maps: whether a layer that needs feature maps reads its output.
        has_initial_values: whether the file has initial values.
        findings: the list that diagnostics are appended to.
    """

    shapes: Sequence[Shape | None]
    read_as_maps: bool
    has_initial_values: bool
    findings: list[Diagnostic]

    @property
    def input_shape(self) -> Shape | None:
        """The shape of the first input, or None if that is not known."""
        return self.shapes[0] if self.shapes else None

    def report(self, message: str, span: Span, help_: str = "", code: str = "E0903") -> None:
        """Append an error."""
        self.findings.append(Diagnostic(code, message, span, help=help_))


@dataclass(frozen=True)
class Part:
    """One of the layers that a Caffe layer becomes, if it does not read what is usual.

    Attributes:
        kind: its kind.
        reads: what it reads, by number: first come the inputs of the Caffe layer, then the parts in their order.
    """

    kind: Kind
    reads: tuple[int, ...]


Translated = list[Kind | Part]
Translation = Callable[[CaffeLayer, Context], Translated | None]


def as_parts(made: Translated, inputs: int) -> list[Part]:
    """All as parts. A kind reads the part before it, the first one the first input; a join reads all inputs."""
    parts: list[Part] = []
    for each in made:
        if isinstance(each, Part):
            parts.append(each)
        elif isinstance(each, Join):
            parts.append(Part(each, tuple(range(inputs))))
        else:
            parts.append(Part(each, (inputs + len(parts) - 1 if parts else 0,)))
    return parts


def one(
    keyword: str,
    arguments: Mapping[str, object],
    layer: CaffeLayer,
    context: Context,
    spans: Mapping[str, Span] | None = None,
) -> Translated | None:
    """A single kind, or None and an error if an argument is not valid."""
    kind = make_kind(keyword, arguments, layer.span, context.findings, spans)
    return None if kind is None else [kind]


def chain(steps: Sequence[tuple[str, Mapping[str, object]]], layer: CaffeLayer, context: Context) -> Translated | None:
    """Kinds that each read the one before, or None and an error if an argument is not valid."""
    kinds = [make_kind(keyword, arguments, layer.span, context.findings) for keyword, arguments in steps]
    made: Translated = [kind for kind in kinds if kind is not None]
    return made if len(made) == len(kinds) else None


def pair(
    parameters: Fields, both: str, high: str, wide: str, default: int | None, findings: list[Diagnostic]
) -> tuple[int, int] | None:
    """(height, width), from one field that is given once or twice, or from one field for each."""
    sizes = parameters.whole_numbers(both)
    if high and (parameters.has(high) or parameters.has(wide)):
        fallback = 0 if default is None else default
        if sizes:
            message = f"`{both}` and `{high}` say the same"
            findings.append(Diagnostic("E0904", message, parameters.span_of(high, wide)))
        return parameters.whole(high, fallback), parameters.whole(wide, fallback)
    if len(sizes) > 2:
        message = f"images have two sides, but `{both}` is given {len(sizes)} times"
        findings.append(Diagnostic("E0904", message, parameters.span_of(both)))
    if not sizes:
        return None if default is None else (default, default)
    return sizes[0], sizes[-1]


def sides(parameters: Fields, context: Context) -> tuple[int, int, int, int] | None:
    """The padding at the top, at the bottom, on the left and on the right; the last form is Synopsys'."""
    both = pair(parameters, "pad", "pad_h", "pad_w", 0, context.findings)
    four = [parameters.whole(name, 0) for name in ("pad_t", "pad_b", "pad_l", "pad_r")]
    if both is None:
        return None
    if not any(four):
        return both[0], both[0], both[1], both[1]
    if any(both):
        context.report(
            "`pad` and `pad_t` say the same", parameters.span_of("pad_t", "pad_b", "pad_l", "pad_r"), "", "E0904"
        )
        return None
    return four[0], four[1], four[2], four[3]


def require_axis(parameters: Fields, name: str, context: Context) -> None:
    """Report an error unless an axis is that of the channels, counted from the front or from the back."""
    shape = context.input_shape
    from_the_back = [] if shape is None else [-len(shape.sizes)]
    if parameters.whole(name, 1) not in (1, *from_the_back):
        context.report(f"only the channel axis can be the `{name}` here", parameters.span_of(name), "axis 1")
