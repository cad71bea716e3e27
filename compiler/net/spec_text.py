"""Layers, recipes and placements as the text that a spec has for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from ..layers.arguments import RGB, SIDES, Arguments, Iterations
from ..recipe.steps import RECIPE_STATEMENTS
from ..vocabulary import BY, HALF, IN, KEEP, MESH, ON, SEND, SPLIT
from .net import Placement, Recipe

_DIGITS = 15  # a number in a spec has at most this many before its point, and after it


def step_text(step: Arguments, defaults: Mapping[str, object] | None = None) -> str:
    """The keyword and the arguments that differ from their defaults: `conv 96 kernel=11 stride=4`.

    `defaults` are the values of the spec's `default` lines, which replace the defaults of the kind.
    """
    parts = [step.keyword]
    without_key = True
    own = {name: each.default for name, each in type(step).model_fields.items() if not each.is_required()}
    omitted = {**own, **(defaults or {})}
    for name in dict.fromkeys([*step.positional, *step.fields()]):
        value = getattr(step, name)
        if name in omitted and value == omitted[name]:
            without_key = False  # after an omitted value, the next ones need their keys
            continue
        expected = step.expectation(name)
        pair = expected.keeps_pairs and isinstance(value, tuple)
        text = "x".join(map(str, value)) if pair else argument_text(value, expected.call)
        parts.append(text if without_key and name in step.positional else f"{name}={text}")
    return " ".join(parts)


def argument_text(value: object, call: str = "") -> str:
    """The text of an argument's value: `11`, `3x5`, `0.0005`, `none`, `tower`, `normal(0, 0.01)`, `sides(0, 1, 0, 1)`.

    `call` is the word before the parentheses, as the field's expectation names it.
    """
    if value is None:
        return "none"
    if isinstance(value, Iterations):
        call = value.keyword
    if isinstance(value, tuple) and call == RGB.call:
        return argument_text(value[0]) if len(value) == 1 else _channels_text(value)
    if isinstance(value, tuple):
        is_size = call in ("", SIDES.call)
        return _sizes_text(value) if is_size else f"{call}({', '.join(map(argument_text, value))})"
    if isinstance(value, float):
        return _number_text(value)
    if isinstance(value, Arguments):
        fields = type(value).model_fields
        given = {name: getattr(value, name) for name in fields}
        written = [name for name in fields if fields[name].is_required() or given[name] != fields[name].default]
        values = [argument_text(given[name]) for name in written]
        return f"{value.keyword}({', '.join(values)})" if values else value.keyword
    return str(value)


def _channels_text(values: tuple[float, ...]) -> str:
    of_colors, of_any = RGB.calls
    return f"{of_colors if len(values) == 3 else of_any}({', '.join(map(_number_text, values))})"


def _number_text(value: float) -> str:
    """A number without loss, and with at most 15 digits before the point and 15 after it, as in a spec."""
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    if exponent >= 0 and len(digits) + exponent <= _DIGITS:
        return repr(int(value))
    text = repr(value)
    before, _, after = text.partition("e")[0].lstrip("-").partition(".")
    if max(len(before), len(after)) <= _DIGITS:
        return text
    leading = max(1, len(digits) - _DIGITS)
    figures = "".join(map(str, digits))
    rest = f".{figures[leading:]}" if figures[leading:] else ""
    return f"{'-' * sign}{figures[:leading]}{rest}e{exponent + len(digits) - leading}"


def _sizes_text(sizes: tuple[int, ...]) -> str:
    if len(set(sizes)) == 1:
        return str(sizes[0])
    if len(sizes) == 4:  # top, bottom, left, right
        top, bottom, left, right = sizes
        return f"{top}x{left}" if (top, left) == (bottom, right) else f"{SIDES.call}({', '.join(map(str, sizes))})"
    return "x".join(map(str, sizes))


def recipe_texts(recipe: Recipe) -> dict[str, str]:
    """The text after the first word of each statement of a `train` block, by that word; "" for an absent statement."""
    return {name: _statement_text(getattr(recipe, name)) for name in RECIPE_STATEMENTS}


def _statement_text(value: Arguments | tuple[Arguments, ...] | int | None) -> str:
    match value:
        case None:
            return ""
        case int():
            return str(value)
        case tuple():
            return " -> ".join(map(step_text, value))
        case Arguments():
            return step_text(value)


def placement_lines(placement: Placement, lines: Sequence[str]) -> list[str]:
    """The statements of a `placement` block; `lines` are the names of the network's lines in order."""
    mesh = " ".join(f"{axis.name}={axis.devices}" for axis in placement.mesh)
    splits = [
        f"{SPLIT} {split.what} {BY} {split.axis}"
        + (f" {IN} {_ranges(split.statements, lines)}" if split.statements else "")
        for split in placement.splits
    ]
    keeps = [f"{KEEP} {_ranges(keep.statements, lines)} {ON} {keep.axis} {keep.index}" for keep in placement.keeps]
    return [f"{MESH} {mesh}", *splits, *keeps, *([f"{SEND} {HALF}"] if placement.half else [])]


def _ranges(names: Sequence[str], lines: Sequence[str]) -> str:
    """The names of lines as a placement writes them: `conv1..conv5, fc8`."""
    places = {name: place for place, name in enumerate(lines)}
    runs: list[list[str]] = []
    for name in sorted(names, key=places.__getitem__):
        if runs and places[name] == places[runs[-1][-1]] + 1:
            runs[-1].append(name)
        else:
            runs.append([name])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]}..{run[-1]}" for run in runs)
