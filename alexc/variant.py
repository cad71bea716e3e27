"""A variant of a network: the changes are the lines of one more network in its spec, which extends it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import count

from alexc.compiler.net.name_check import objection
from alexc.compiler.pipeline import Checked, check_text
from alexc.compiler.text.diagnostics import Diagnostic
from alexc.compiler.text.fixes import Fix, Help
from alexc.compiler.text.source import Source, Span

from .printable import printable
from .spec_error import SpecError

_INDENT = "  "


def check_variant(base: Source, network: str, changes: str, name: str | None, most_parameters: int) -> Checked:
    """Check a spec with one more network, which extends its last one.

    Args:
        base: the spec.
        network: the name of its last network.
        changes: the lines of the new network.
        name: the name of the new network; None for that of the other one and "Variant".
        most_parameters: more parameters than this are an error.

    Raises:
        SpecError: there are errors; each is at its place in `changes`, or in `base` if it is there.
    """
    if name is None:
        name = _free_name(network, base.text)
    elif complaint := objection(name):
        raise SpecError(f"name `{printable(name)}`: it {complaint}")
    elif re.search(rf"\bnetwork\s+{name}\b", base.text):
        raise SpecError(f"name `{name}`: {printable(base.name)} has a network of this name; choose another name")
    before = f"{base.text.rstrip()}\n\nnetwork {name} extends {network} {{\n"
    inside = "\n".join(f"{_INDENT}{line}".rstrip(" ") for line in changes.split("\n"))
    checked = check_text(f"{before}{inside}\n}}\n", f"{name}.net", base.path, most_parameters=most_parameters)
    if checked.graph is None:
        given = Source(f"changes to {base.name}", changes)
        places = _Places(base, given, len(before))
        raise SpecError.of(given, [places.of_finding(each, checked.source) for each in checked.diagnostics])
    return checked


def _free_name(network: str, text: str) -> str:
    stem = f"{re.sub(r'Variant[0-9]*$', '', network)}Variant"
    names = (f"{stem}{number}" for number in count(2))
    taken = set(re.findall(r"\w+", text))
    return stem if stem not in taken else next(name for name in names if name not in taken)


@dataclass(frozen=True)
class _Places:
    """Where the places of a spec with a variant are in the two texts that it was made of.

    Attributes:
        base: the spec.
        changes: the text of the changes.
        start: the character of the spec with the variant where the changes start.
    """

    base: Source
    changes: Source
    start: int

    def of_finding(self, finding: Diagnostic, whole: Source) -> Diagnostic:
        """The finding with its places in the two texts."""
        others = tuple(replace(each, span=self._span(each.span, whole)) for each in finding.others)
        edits = [Fix(self._span(each.span, whole), each.replacement) for each in finding.fixes]
        return replace(finding, span=self._span(finding.span, whole), others=others, help=Help(finding.help, *edits))

    def _span(self, span: Span, whole: Source) -> Span:
        if span.source is not whole:
            return span
        if span.end <= len(self.base.text.rstrip()):
            return Span(self.base, span.start, span.end)
        return Span(self.changes, self._place(span.start, whole), self._place(span.end, whole))

    def _place(self, place: int, whole: Source) -> int:
        """The character of the changes; the nearest one for what stands around them."""
        lines = whole.text.count("\n", self.start, max(place, self.start))
        return min(max(place - self.start - len(_INDENT) * (lines + 1), 0), len(self.changes.text))
