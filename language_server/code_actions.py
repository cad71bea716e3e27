"""The quick fixes that an editor offers at a diagnostic: the edits that come with its help."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol.types import CodeAction, CodeActionKind, Range, TextEdit
from lsprotocol.types import Diagnostic as Shown

from alexc.compiler.text.diagnostics import in_order
from alexc.compiler.text.fixes import Fix
from alexc.printable import printable

from .diagnostics import shown
from .spec import Spec


def quick_fixes(spec: Spec, place: Range) -> Iterator[tuple[CodeAction, TextEdit]]:
    """The fixes of the diagnostics that touch a place, each with the edit of this document.

    A fix of another file, which this one extends, is offered only when that file is open.
    """
    for finding in in_order(spec.source, spec.checked.diagnostics):
        fixes = [fix for fix in finding.fixes if fix.span.source is spec.source]
        diagnostic = shown(spec, finding)
        if fixes and _touch(diagnostic.range, place):
            for fix in fixes:
                yield _action(fix, diagnostic, len(fixes) == 1), _edit(spec, fix)


def _touch(one: Range, other: Range) -> bool:
    return one.start <= other.end and other.start <= one.end


def _action(fix: Fix, diagnostic: Shown, is_only: bool) -> CodeAction:
    title = printable(fix.title)
    return CodeAction(title, CodeActionKind.QuickFix, diagnostics=[diagnostic], is_preferred=is_only or None)


def _edit(spec: Spec, fix: Fix) -> TextEdit:
    return TextEdit(spec.positions.range(fix.span), fix.replacement)
