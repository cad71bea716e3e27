"""The one exception that `Net` raises."""

from __future__ import annotations

from collections.abc import Sequence

from alexc.compiler.text.diagnostics import Diagnostic, in_order, render_all
from alexc.compiler.text.source import Source
from alexc.runtime.errors import UserError


class SpecError(UserError):
    """What was given cannot be used: a spec with mistakes, a path without a file, the name of no placement.

    The message is what `alexc check` prints.

    Attributes:
        findings: the mistakes in a spec's text, in its order: each with `code`, `headline`, `label` and `help`, and the
            `span` that it is about (`span.text`, `span.line_and_column`). Empty where no line of a spec is at fault.
    """

    def __init__(self, message: str, findings: Sequence[Diagnostic] = ()) -> None:
        super().__init__(message)
        self.findings = tuple(findings)

    @classmethod
    def of(cls, source: Source, findings: Sequence[Diagnostic]) -> SpecError:
        """The mistakes that were found in a spec."""
        return cls(render_all(source, findings), in_order(source, findings))

    def report(self) -> str:
        """What the command line prints: each finding says by itself that it is an error."""
        return str(self) if self.findings else f"error: {self}"

    def _render_traceback_(self) -> list[str]:
        """What IPython and Jupyter show in the place of a traceback, which would only lead into alexc."""
        return self.report().splitlines()


SpecError.__module__ = "alexc"
