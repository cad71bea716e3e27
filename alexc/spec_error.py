"""The exception that `Net` raises."""

from __future__ import annotations

from collections.abc import Sequence

from alexc.compiler.text.diagnostics import Diagnostic, in_order, render_all
from alexc.compiler.text.source import Source
from alexc.runtime.errors import UserError


class SpecError(UserError):
    """A spec has errors, a file cannot be read, or an argument is wrong.

    The message is what `alexc check` prints.

    Attributes:
        findings: the errors in the text of a spec, in the order of the text. Each has `code`, `headline`, `label`,
            `help` and `span`, the place of the error (`span.text`, `span.line_and_column`). Empty if the error is not
            in the text of a spec, such as a missing file.
    """

    def __init__(self, message: str, findings: Sequence[Diagnostic] = ()) -> None:
        super().__init__(message)
        self.findings = tuple(findings)

    @classmethod
    def of(cls, source: Source, findings: Sequence[Diagnostic]) -> SpecError:
        """Make an exception of the errors in a spec."""
        return cls(render_all(source, findings), in_order(source, findings))

    def report(self) -> str:
        """The text for the command line. Each finding already starts with "error"; other messages get that prefix."""
        return str(self) if self.findings else f"error: {self}"


SpecError.__module__ = "alexc"
