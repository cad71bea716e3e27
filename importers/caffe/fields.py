"""Typed access to the fields of a message. Fields that no code asks for are reported."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from alexc.compiler.text.diagnostics import Diagnostic
from alexc.compiler.text.source import Span

from ..foreign.network import rounded
from .prototxt import Field, Message, Scalar

LARGEST, SMALLEST = 1e15, 1e-30  # beside 0


class Fields:
    """The values of a message by field.

    A value of the wrong type is reported, and the default is returned. `unread` has the fields that no code asked for:
    those that the reader does not know.
    """

    def __init__(self, message: Message, findings: list[Diagnostic]) -> None:
        self.span = message.span
        self._findings = findings
        self._by_name: dict[str, list[Field]] = {}
        for field in message.fields:
            self._by_name.setdefault(field.name, []).append(field)
        self._asked: set[str] = set()
        self._inner: list[Fields] = []

    def has(self, name: str) -> bool:
        """Whether the message has the field; this does not count as asking for it."""
        return name in self._by_name

    def places(self, outer: str, inner: str) -> list[Span]:
        """The spans of the fields `inner` in a field `outer`; this does not count as asking for them."""
        messages = [field.value for field in self._by_name.get(outer, [])]
        inside = [each.fields for each in messages if isinstance(each, Message)]
        return [field.span for fields in inside for field in fields if field.name == inner]

    def span_of(self, *names: str) -> Span:
        """The span of the first of these fields that the message has, or of the message."""
        found = [self._by_name[name][-1] for name in names if name in self._by_name]
        if not found:
            return self.span
        value = found[0].value
        return found[0].span.to(value.span) if isinstance(value, Scalar) else found[0].span

    def spans_of(self, name: str) -> list[Span]:
        """The spans of a field's values, in order, without those of messages."""
        return [field.value.span for field in self._by_name.get(name, []) if isinstance(field.value, Scalar)]

    def texts(self, name: str) -> list[str]:
        """All values of a field as text, without quotation marks."""
        return [value.text for value in self._scalars(name)]

    def text(self, name: str, default: str = "") -> str:
        """The last value, which counts if a field that is not a list is repeated."""
        return (self.texts(name) or [default])[-1]

    def numbers(self, name: str) -> list[float]:
        """All values of a field as numbers."""
        return [number for scalar in self._scalars(name) for number in self._number(name, scalar)]

    def number(self, name: str, default: float) -> float:
        """The last value as a number."""
        return (self.numbers(name) or [default])[-1]

    def whole_numbers(self, name: str) -> list[int]:
        """All values of a field as whole numbers."""
        return [number for scalar in self._scalars(name) for number in self._whole(name, scalar)]

    def whole(self, name: str, default: int) -> int:
        """The last value as a whole number."""
        return (self.whole_numbers(name) or [default])[-1]

    def flag(self, name: str, default: bool) -> bool:
        """The last value as `true` or `false`."""
        words = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}
        for scalar in self._scalars(name)[-1:]:
            if scalar.text.lower() in words:
                return words[scalar.text.lower()]
            self._report(f"`{name}` is `{scalar.text}`, which is neither true nor false", scalar.span)
        return default

    def messages(self, name: str) -> list[Fields]:
        """All values of a field as messages."""
        self._asked.add(name)
        found = []
        for field in self._by_name.get(name, []):
            if isinstance(field.value, Message):
                found.append(Fields(field.value, self._findings))
                self._inner.append(found[-1])
            else:
                self._report(f"`{name}` is a value, but must be a message in braces", field.span)
        return found

    def message(self, name: str) -> Fields:
        """The values of a field merged into one message, as protocol buffers do it; empty if there is none."""
        self._asked.add(name)
        merged: list[Field] = []
        span = self.span
        for field in self._by_name.get(name, []):
            if isinstance(field.value, Message):
                merged += field.value.fields
                span = field.span
            else:
                self._report(f"`{name}` is a value, but must be a message in braces", field.span)
        inner = Fields(Message(tuple(merged), span), self._findings)
        self._inner.append(inner)
        return inner

    def ignore(self, *names: str) -> list[str]:
        """Count these fields as asked for; returns those that the message has."""
        self._asked.update(names)
        return [name for name in names if name in self._by_name]

    def unread_here(self) -> list[Field]:
        """The fields that no code asked for, the first of each name."""
        return [fields[0] for name, fields in self._by_name.items() if name not in self._asked]

    def unread(self) -> list[Field]:
        """The same, including the fields of messages that were asked for."""
        return [*self.unread_here(), *(field for inner in self._inner for field in inner.unread())]

    def _scalars(self, name: str) -> Sequence[Scalar]:
        self._asked.add(name)
        found = []
        for field in self._by_name.get(name, []):
            if isinstance(field.value, Scalar):
                found.append(field.value)
            else:
                self._report(f"`{name}` is a message in braces, but must be a value", field.span)
        return found

    def _number(self, name: str, scalar: Scalar) -> list[float]:
        try:
            value = float(int(scalar.text, 16)) if "x" in scalar.text.lower() else float(scalar.text.rstrip("fF"))
        except (ValueError, OverflowError):
            value = float("nan")
        if not isfinite(value) or abs(value) > LARGEST or 0 < abs(value) < SMALLEST:
            self._report(f"`{name}` is `{scalar.text}`, which is not a usable number", scalar.span)
            return []
        return [rounded(value)]

    def _whole(self, name: str, scalar: Scalar) -> list[int]:
        values = self._number(name, scalar)
        if values and not values[0].is_integer():
            self._report(f"`{name}` is `{scalar.text}`, but must be a whole number", scalar.span)
            return []
        return [int(value) for value in values]

    def _report(self, message: str, span: Span) -> None:
        self._findings.append(Diagnostic("E0904", message, span))
