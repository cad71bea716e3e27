"""The `block` definitions of a spec, and the values of the parameters in each use of a block."""

from __future__ import annotations

from collections.abc import Sequence

from ..layers.registry import kinds
from ..text.diagnostics import Diagnostic, Label, list_in_words
from ..text.fixes import Help, add_words, did_you_mean, remove_words
from ..text.source import Span
from ..tree.tree import Block, Step, Value
from ..vocabulary import INPUT, NO_LINE_NAMES, SETTINGS
from .name_check import objection


def read_blocks(blocks: Sequence[Block], diagnostics: list[Diagnostic]) -> dict[str, Block]:
    """Check each definition by itself and return them by name."""
    found: dict[str, Block] = {}
    for block in blocks:
        name = block.name
        if name is None:
            named = add_words(block.keyword.span, "inception" if block.parameters else "inception(n)")
            helpful = Help("write `block inception(n) { … }`", named)
            diagnostics.append(Diagnostic("E0206", "a block needs a name", block.span, help=helpful))
        elif complaint := _objection(name.text):
            message = f"`{name.text}` {complaint}"
            diagnostics.append(Diagnostic("E0206", message, name.span, help="choose another name"))
        elif name.text in found:
            first = Label(found[name.text].span, "first defined here")
            message = f"there are two blocks `{name.text}`"
            diagnostics.append(Diagnostic("E0207", message, name.span, others=(first,), help="rename one of the two"))
        elif not block.statements:
            diagnostics.append(
                Diagnostic(
                    "E0210",
                    f"the block `{name.text}` has no lines",
                    block.span,
                    help="add a line, as in `block pair(n) { conv n kernel=3 -> relu }`",
                )
            )
        else:
            found[name.text] = block
            _check_parameters(block, diagnostics)
    return found


def _objection(name: str) -> str:
    if name in kinds():
        return "is the name of a layer kind"
    return objection(name) or ("is a keyword of the language" if name in NO_LINE_NAMES or name in SETTINGS else "")


def _check_parameters(block: Block, diagnostics: list[Diagnostic]) -> None:
    seen: dict[str, Span] = {}
    for name in (parameter.name for parameter in block.parameters):
        if name.text in seen:
            first = Label(seen[name.text], "first listed here")
            message = f"the block lists the parameter `{name.text}` twice"
            diagnostics.append(Diagnostic("E0207", message, name.span, others=(first,), help="rename one of the two"))
        elif "." in name.text or name.text == INPUT:
            message = f"`{name.text}` cannot be the name of a parameter"
            diagnostics.append(Diagnostic("E0206", message, name.span, help="choose another name"))
        seen[name.text] = name.span


def bind_parameters(block: Block, step: Step, diagnostics: list[Diagnostic]) -> dict[str, Value] | None:
    """The value of each parameter in one use of a block; None after an error, which is reported."""
    names = [parameter.name.text for parameter in block.parameters]
    given: dict[str, Value] = {}
    written: dict[str, Span] = {}
    problems: list[Diagnostic] = []
    places = iter(names)
    defined = (Label(block.span, "defined here"),)
    for argument in step.arguments:
        name = next(places, None) if argument.key is None else argument.key.text
        value, *more = argument.values
        if name is None or name not in names or more:
            takes = f"takes only {list_in_words([f'`{each}`' for each in names])}" if names else "takes no arguments"
            helpful = did_you_mean(argument.key.span, names) if argument.key else ""
            place = argument.key.span if argument.key else argument.span
            problems.append(Diagnostic("E0202", f"the block `{step.kind.text}` {takes}", place, "", defined, helpful))
        elif name in given:
            first = (Label(given[name].span, "first value"),)
            message = f"`{name}` of the block `{step.kind.text}` is given twice"
            helpful = Help("remove one of the two", remove_words(argument.span), remove_words(written[name]))
            problems.append(Diagnostic("E0205", message, argument.span, "", first, helpful))
        else:
            given[name], written[name] = value, argument.span
    for parameter in block.parameters:
        if parameter.default is not None:
            given.setdefault(parameter.name.text, parameter.default)
    missing = [f"`{name}`" for name in names if name not in given]
    if missing and not problems:
        message = f"the block `{step.kind.text}` needs {list_in_words(missing)}"
        problems.append(Diagnostic("E0203", message, step.kind.span, "", defined, _form(block)))
    diagnostics += [each for each in problems if each not in diagnostics]
    return None if problems else given


def _form(block: Block) -> str:
    assert block.name is not None
    form = " ".join([block.name.text, *(f"<{each.name.text}>" for each in block.parameters if each.default is None)])
    return f"write `{form}`"
