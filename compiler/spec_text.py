"""Steps and arguments as a spec writes them."""

from __future__ import annotations

from alexc.compiler.arguments import Arguments


def step_text(step: Arguments) -> str:
    """A kind and those of its arguments that are not its defaults: `conv 96 kernel=11 stride=4`."""
    parts = [step.keyword]
    without_key = True
    for name in dict.fromkeys([*step.positional, *step.fields()]):
        field, value = type(step).model_fields[name], getattr(step, name)
        if not field.is_required() and value == field.default:
            without_key = False  # what follows a value that is left out cannot stand without its key
            continue
        text = argument_text(value)
        parts.append(text if without_key and name in step.positional else f"{name}={text}")
    return " ".join(parts)


def argument_text(value: object) -> str:
    """An argument's value: `11`, `3x5`, `0.0005`, `none`, `tower`, `normal(0, 0.01)`, `sides(0, 1, 0, 1)`."""
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return _sizes_text(value)
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, Arguments):
        values = [argument_text(getattr(value, name)) for name in type(value).model_fields]
        return f"{value.keyword}({', '.join(values)})" if values else value.keyword
    return str(value)


def _sizes_text(sizes: tuple[int, ...]) -> str:
    if len(set(sizes)) == 1:
        return str(sizes[0])
    if len(sizes) == 4:  # top, bottom, left, right
        top, bottom, left, right = sizes
        return f"{top}x{left}" if (top, left) == (bottom, right) else f"sides({', '.join(map(str, sizes))})"
    return "x".join(map(str, sizes))
