"""Chooses the `default` lines of a spec: argument values that many layers of a kind share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from alexc.compiler.layers.kind import Join, Kind
from alexc.compiler.layers.trained import Trained
from alexc.compiler.net.spec_text import argument_text

_LEAST_GAIN = 2  # by how many the lines that become shorter must exceed those that become longer

# Arguments that characterise a layer: a person writes them in the layer's own line.
_OWN = ("kernels", "units", "kernel", "groups", "reads", "towers", "dilation", "share", "first", "end")
# Also written in the layer's own line, unless all layers of the kind agree.
_OWN_UNLESS_ALL_AGREE = ("window", "stride", "pad", "size", "p")
_WITHOUT_WINDOW = ("adaptive_avgpool", "conv", "linear", "local")


class Defaults:
    """The default arguments of each kind, chosen so that the lines of the layers are short."""

    def __init__(self, layers: Sequence[Kind]) -> None:
        self._values: dict[str, dict[str, object]] = {}
        by_keyword: dict[str, list[Kind]] = {}
        for layer in layers:
            if not isinstance(layer, Join):
                by_keyword.setdefault(layer.keyword, []).append(layer)
        for keyword, alike in sorted(by_keyword.items()):
            agreed = {name: value for values in self._values.values() for name, value in values.items()}
            chosen = {name: value for name in _names(alike[0]) for value in _shared(name, alike, agreed)}
            if chosen:
                self._values[keyword] = chosen
        self.lines = self._lines()

    def of(self, kind: Kind) -> Mapping[str, object]:
        """The default values of a kind, by the names of its arguments."""
        return self._values.get(kind.keyword, {})

    def _lines(self) -> list[str]:
        """Statements such as `default conv, linear weight=normal(0, 0.01)`: kinds that agree share one."""
        kinds_of: dict[str, list[str]] = {}
        for keyword, values in self._values.items():
            for name, value in values.items():
                kinds_of.setdefault(f"{name}={argument_text(value)}", []).append(keyword)
        arguments_of: dict[tuple[str, ...], list[str]] = {}
        for argument, keywords in kinds_of.items():
            arguments_of.setdefault(tuple(keywords), []).append(argument)
        ordered = sorted(arguments_of.items(), key=lambda pair: -len(pair[0]))
        return [f"default {', '.join(keywords)} {' '.join(arguments)}" for keywords, arguments in ordered]


def _names(kind: Kind) -> list[str]:
    """The names of the arguments of a kind, multipliers last."""
    return sorted(type(kind).model_fields, key=lambda name: name in Trained.model_fields)


def _shared(name: str, layers: Sequence[Kind], agreed: Mapping[str, object]) -> list[object]:
    """The value of an argument that is worth a default, in a list, or an empty list.

    `agreed` are the defaults of the kinds before this one: a value that another kind has too needs no further line.
    """
    if name in _OWN or (name in _OWN_UNLESS_ALL_AGREE and layers[0].keyword in _WITHOUT_WINDOW):
        return []
    field = type(layers[0]).model_fields[name]
    values = [getattr(layer, name) for layer in layers]
    if name != "bias" and None in values:
        return []  # None means that the argument is not written, and no line could undo a default
    texts = Counter(map(argument_text, values))
    text, count = texts.most_common(1)[0]
    if name in _OWN_UNLESS_ALL_AGREE and len(texts) > 1:
        return []
    silent = "" if field.is_required() else argument_text(field.default)
    others = texts[silent] if silent != text else len(values)
    value = values[[argument_text(each) for each in values].index(text)]
    gain = 1 if name in agreed and argument_text(agreed[name]) == text else _LEAST_GAIN
    return [value] if count - others >= gain else []
