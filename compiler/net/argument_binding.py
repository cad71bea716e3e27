"""Binds the arguments of a step to the fields of its kind, and validates the values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from ..layers.arguments import Arguments
from ..layers.initial_values import DISTRIBUTIONS, Distribution
from ..text.diagnostics import Diagnostic, Label, list_in_words
from ..text.fixes import Help, did_you_mean, remove_words
from ..text.source import Span
from ..tree.tree import Argument, Call, Dimensions, LayerRange, Number, Value, Word

Bound = TypeVar("Bound", bound=Arguments)


def bind(
    model: type[Bound],
    kind: Word,
    arguments: Sequence[Argument],
    defaults: Mapping[str, Argument],
    changes: Sequence[Argument] = (),
) -> tuple[Bound | None, dict[str, Span], list[Diagnostic]]:
    """Match arguments with the fields of `model` and validate their values.

    Args:
        model: the kind.
        kind: the word that names the kind; a missing argument is reported there.
        arguments: the arguments of the step, in order.
        defaults: the arguments of `default` statements, for fields that the step does not set.
        changes: the arguments of a variant's edits, which replace the others; the last one wins.

    Returns:
        The model, or None if there are errors; the place of each argument; the errors.
    """
    given, diagnostics = _match(model, kind, arguments)
    for change in changes:
        changed, problems = _match(model, kind, [change])
        given |= changed
        diagnostics += problems
    chosen = set(model.exclusive).intersection(given)
    for field, argument in defaults.items():
        if not (chosen and field in model.exclusive):
            given.setdefault(field, argument)
    spans = {field: argument.span for field, argument in given.items()}
    values: dict[str, Any] = {}
    for field, argument in given.items():
        value, problem = _value(model, field, argument)
        if problem is None:
            values[field] = value
        else:
            diagnostics.append(problem)
    if not diagnostics:
        diagnostics += _missing(model, kind, values)
    if diagnostics:
        return None, spans, diagnostics
    try:
        return model(**values), spans, []
    except ValidationError as error:
        fields = dict.fromkeys(str(each["loc"][0]) for each in error.errors())
        return None, spans, [_wrong_value(model, field, given[field]) for field in fields]


def _match(
    model: type[Arguments], kind: Word, arguments: Sequence[Argument]
) -> tuple[dict[str, Argument], list[Diagnostic]]:
    given: dict[str, Argument] = {}
    diagnostics: list[Diagnostic] = []
    places = iter(model.positional)
    for argument in arguments:
        if argument.key is None:
            field = next(places, None)
            if field is None or len(argument.values) > 1:
                diagnostics.append(_surplus(model, kind, argument))
                continue
        elif argument.key.text in model.model_fields:
            field = argument.key.text
        else:
            diagnostics.append(
                Diagnostic(
                    "E0202",
                    f"`{kind.text}` has no argument `{argument.key.text}`",
                    argument.key.span,
                    help=did_you_mean(argument.key.span, model.model_fields) or f"`{kind.text}` takes no arguments",
                )
            )
            continue
        if field in given:
            diagnostics.append(
                Diagnostic(
                    "E0205",
                    f"`{field}` of `{kind.text}` is given twice",
                    argument.span,
                    "second value",
                    (Label(given[field].span, "first value"),),
                    Help("remove one of the two", remove_words(argument.span), remove_words(given[field].span)),
                )
            )
            continue
        given[field] = argument
    return given, diagnostics


def _surplus(model: type[Arguments], kind: Word, argument: Argument) -> Diagnostic:
    places = ", ".join(f"`{field}`" for field in model.positional)
    takes = f"takes only {places} without a key" if places else "takes no value without a key"
    others = [field for field in model.fields() if field not in model.positional]
    return Diagnostic(
        "E0202",
        f"`{kind.text}` {takes}",
        argument.span,
        help=f"write other arguments as key=value: {', '.join(others)}" if others else "",
    )


def _missing(model: type[Arguments], kind: Word, values: Mapping[str, object]) -> list[Diagnostic]:
    missing = [name for name, field in model.model_fields.items() if field.is_required() and name not in values]
    if not missing:
        return []
    quoted = [f"`{name}`" for name in missing]
    positional = [f"<{name}>" for name in missing if name in model.positional]
    keyed = [f"{name}=…" for name in missing if name not in model.positional]
    helpful = f"write `{' '.join([kind.text, *positional, *keyed])}`" if positional else f"add `{' '.join(keyed)}`"
    if model in DISTRIBUTIONS.values():  # its values have no keys
        helpful = f"write `{kind.text}({', '.join(model.positional)})`"
    return [
        Diagnostic(
            "E0203",
            f"`{kind.text}` needs {list_in_words(quoted)}",
            kind.span,
            f"{quoted[0]} must be {model.expectation(missing[0]).words}" if len(missing) == 1 else "",
            help=helpful,
        )
    ]


def _value(model: type[Arguments], field: str, argument: Argument) -> tuple[object, Diagnostic | None]:
    value = argument.values[0]
    if _takes_distribution(model, field):
        return _distribution(value)
    plain = _plain(value)
    if plain is None:
        return None, _wrong_value(model, field, argument)
    return plain, None


def _takes_distribution(model: type[Arguments], field: str) -> bool:
    annotation: object = model.model_fields[field].annotation
    return annotation == Distribution


def _plain(value: Value) -> object:
    """A value as a Python object: a call as a tuple of its name and its values; None for a range of layers."""
    match value:
        case Word(text):
            return text
        case Number(number):
            return number
        case Dimensions(sizes):
            return sizes
        case Call(name, values):
            return (name.text, *map(_plain, values))
        case LayerRange():
            return None


def _distribution(value: Value) -> tuple[Distribution | None, Diagnostic | None]:
    values: tuple[Value, ...] = ()
    match value:
        case Word():
            name = value
        case Call(name, values):
            pass
        case _:
            wanted = ", ".join(DISTRIBUTIONS)
            message = f"`{value.span.text}` is not a distribution"
            helpful = f"use one of: {wanted}; for example `normal(0, 0.01)`"
            return None, Diagnostic("E0204", message, value.span, help=helpful)
    if name.text not in DISTRIBUTIONS:
        return None, Diagnostic(
            "E0204", f"there is no distribution `{name.text}`", name.span, help=did_you_mean(name.span, DISTRIBUTIONS)
        )
    arguments = [Argument(None, (each,), each.span) for each in values]
    distribution, _, diagnostics = bind(DISTRIBUTIONS[name.text], name, arguments, {})
    return distribution, diagnostics[0] if diagnostics else None


def _wrong_value(model: type[Arguments], field: str, argument: Argument) -> Diagnostic:
    span = argument.values[0].span
    expected = model.expectation(field)
    message = f"must be {expected.words}, not `{span.text}`"
    subject = f"`{field}` of `{model.keyword}`" if model.keyword else "the number"
    return Diagnostic("E0204", f"{subject} {message}", span, help=did_you_mean(span, expected.choices))
