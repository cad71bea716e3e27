"""The words that a step takes, with their defaults, while its line is typed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from alexc.compiler.layers.arguments import Arguments
from alexc.compiler.layers.initial_values import DISTRIBUTIONS
from alexc.compiler.layers.registry import kinds
from alexc.compiler.reference import arguments_in_order, default_of, documentation, title
from alexc.compiler.tree.tree import Block
from alexc.compiler.vocabulary import BLOCK, DEFAULT, NETWORK

from .context import Context, context_at, keys, values_without_key
from .hover import model_of
from .spec import Spec


@dataclass(frozen=True)
class Parameter:
    """A word of a signature: its name, its form in the signature, and its description."""

    name: str
    form: str
    description: str


@dataclass(frozen=True)
class Signature:
    """What a step takes.

    Attributes:
        label: the whole signature.
        places: start and end of each parameter in the label.
        parameters: the parameters.
        active: the index of the parameter that is typed; their number if it is none of them.
        documentation: Markdown.
    """

    label: str
    places: tuple[tuple[int, int], ...]
    parameters: tuple[Parameter, ...]
    active: int
    documentation: str


def signature_help(spec: Spec, offset: int) -> Signature | None:
    """The signature of the step around an offset; None outside a step, in a comment and in a path."""
    line = spec.text[spec.text.rfind("\n", 0, offset) + 1 : offset]
    context = context_at(spec.text, offset)
    if "#" in line or context.word.startswith('"') or not context.heads:
        return None
    inner = _open_call(context.step)
    if inner is not None and inner[0] in DISTRIBUTIONS:
        return _of_distribution(DISTRIBUTIONS[inner[0]], inner)
    block = spec.known_symbols.blocks.get(context.step[0]) if context.step else None
    if block is not None and context.block in (NETWORK, BLOCK):
        return _of_block(block, context)
    if not context.named_step and not context.extends:  # the kind is still to be typed
        return None
    model = model_of(spec, context)
    return None if model is None else _of_step(model, context)


def _of_step(model: type[Arguments], context: Context) -> Signature:
    needed = {*model.positional, *(name for name, field in model.model_fields.items() if field.is_required())}
    names = sorted(arguments_in_order(model), key=lambda name: name not in needed)
    parameters = tuple(Parameter(name, _form(model, name), _description(model, name)) for name in names)
    step = context.named_step
    following = needed
    if step[:1] != (model.keyword,):  # `default conv`, and the changes `every conv:` and `conv1:`
        following = set()
        step = (model.keyword, *(word for word in step[step[:1] == (DEFAULT,) :] if word not in kinds()))
    heading = title(model) if model.keyword in kinds() else ""
    text = "\n\n".join(filter(None, [heading, documentation(model)]))
    active = _active(names, model.positional, following, step, context)
    return _joined(model.keyword, parameters, active, text)


def _active(
    names: Sequence[str], positional: Sequence[str], needed: Collection[str], step: Sequence[str], context: Context
) -> int:
    """The argument whose value is typed, or whose name begins with the typed word, or else the next one to write."""
    if context.key is not None:
        return names.index(context.key) if context.key in names else len(names)
    without_key = values_without_key(step)
    missing = [name for name in names if name not in {*keys(step), *positional[:without_key]}]
    begun = [name for name in missing if context.word and name.startswith(context.word)]
    found = [*begun, *(name for name in missing if name in needed)]
    return names.index(found[0]) if found else len(names)


def _form(model: type[Arguments], name: str) -> str:
    default = default_of(model, name).replace("`", "")
    if default == "required":
        return f"<{name}>" if name in model.positional else f"{name}=…"
    return f"[{name}={default or '…'}]"


def _description(model: type[Arguments], name: str) -> str:
    default = default_of(model, name)
    words = model.expectation(name).words
    return f"{words}; {default if default == 'required' else f'default {default}'}" if default else words


def _of_block(block: Block, context: Context) -> Signature:
    parameters = []
    for each in block.parameters:
        default = f"default `{each.default.span.text}`" if each.default is not None else "required"
        form = f"<{each.name.text}>" if each.default is None else f"[{each.name.text}={each.default.span.text}]"
        parameters.append(Parameter(each.name.text, form, f"a parameter of the block; {default}"))
    names = [each.name for each in parameters]
    active = _active(names, names, names, context.step, context)
    return _joined(context.step[0], tuple(parameters), active, "a block of this spec")


def _open_call(step: Sequence[str]) -> Sequence[str] | None:
    """The word before the last parenthesis that is still open, and the words after it."""
    opened: list[int] = []
    for number, word in enumerate(step):
        if word == "(":
            opened.append(number)
        elif word == ")":
            del opened[-1:]
    return (step[opened[-1] - 1], *step[opened[-1] + 1 :]) if opened and opened[-1] else None


def _of_distribution(model: type[Arguments], typed: Sequence[str]) -> Signature:
    parameters = tuple(Parameter(name, name, _description(model, name)) for name in model.positional)
    active = min(typed.count(","), len(parameters))
    return _joined(model.keyword, parameters, active, documentation(model), ("(", ", ", ")"))


def _joined(
    keyword: str,
    parameters: tuple[Parameter, ...],
    active: int,
    text: str,
    marks: tuple[str, str, str] = (" ", " ", ""),
) -> Signature:
    """The signature; `marks` are the texts before the parameters, between two of them, and after them."""
    opening, between, closing = marks
    label, places = keyword, list[tuple[int, int]]()
    for parameter in parameters:
        label += between if places else opening
        places.append((len(label), len(label) + len(parameter.form)))
        label += parameter.form
    return Signature(label + closing, tuple(places), parameters, active, text)
