"""Reads a `train` block into a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from ..layers.arguments import Arguments
from ..recipe.steps import CHOICES, LENGTHS, NUMBERS, PIPELINES
from ..text.diagnostics import Diagnostic, Label
from ..text.fixes import Fix, Help, did_you_mean, remove_statement
from ..text.source import Span
from ..tree.tree import Block, Pipeline, Step, Word, first_word, last_line
from .argument_binding import bind
from .net import Recipe

_EXAMPLES = {
    "prepare": "resize 256 -> center_crop 256 -> subtract mean_image",
    "augment": "random_crop 227 -> mirror",
    "test": "ten_crop 227",
    "loss": "cross_entropy",
    "optimizer": "sgd lr=0.01 momentum=0.9",
    "schedule": "plateau of=val_error divide=10 times=3",
    "bias_schedule": "exponential divide=10",
    "layers": "freeze conv1 after=72",
    "gradients": "clip_norm 1",
    "precision": "bf16",
    "average": "ema decay=0.999",
    "stop": "stalled of=val_error patience=10",
    "batch": "128",
    "epochs": "90",
    "iterations": "450000",
}
# Optional statements, with their defaults.
_OPTIONAL: dict[str, Any] = {
    "augment": (),
    "bias_schedule": None,
    "layers": (),
    "gradients": (),
    "precision": None,
    "average": None,
    "stop": None,
}


def read_train_block(chain: Sequence[Block]) -> tuple[Recipe | None, list[Diagnostic]]:
    """Read a recipe; `chain` is its block and the blocks that it extends, the root first.

    Every statement must occur exactly once, those of `_OPTIONAL` at most once, and one of `epochs` and `iterations`.
    The statements of a variant replace those of its base.
    """
    diagnostics: list[Diagnostic] = []
    statements: dict[str, Pipeline] = {}
    for block in chain:
        own = _statements_of(block, diagnostics)
        if any(name in own for name in LENGTHS):
            statements = {name: each for name, each in statements.items() if name not in LENGTHS}
        statements |= own
    values: dict[str, Any] = dict(_OPTIONAL)
    spans: dict[str, Span] = {}
    for name, statement in statements.items():
        values[name], places, problems = _read_statement(name, statement)
        spans |= {name: statement.span, **places}
        diagnostics += problems
    values |= {other: None for other, name in (LENGTHS, LENGTHS[::-1]) if name in values and other not in values}
    misspelt = {match for each in diagnostics for match in get_close_matches(each.span.text, _EXAMPLES, n=1)}
    for name, example in _EXAMPLES.items():
        if name not in values and name not in misspelt and name != "iterations":
            helpful = Help(f"{name} {example}", last_line(chain[-1], f"{name} {example}"))
            message = f"the recipe does not say its `{name}`"
            diagnostics.append(Diagnostic("E0210", message, chain[-1].span, help=helpful))
    return (None if diagnostics else Recipe(**values, spans=spans)), diagnostics


def _statements_of(block: Block, diagnostics: list[Diagnostic]) -> dict[str, Pipeline]:
    statements: dict[str, Pipeline] = {}
    for statement in block.statements:
        keyword = first_word(statement)
        if not isinstance(statement, Pipeline) or statement.label or keyword.text not in _EXAMPLES:
            message = f"a recipe has no statement `{keyword.text}`"
            diagnostics.append(Diagnostic("E0202", message, keyword.span, help=did_you_mean(keyword.span, _EXAMPLES)))
        elif keyword.text in statements:
            before = statements[keyword.text].span
            first = Label(before, "first given here")
            message = f"`{keyword.text}` is given twice"
            helpful = Help("remove one of the two", remove_statement(statement.span), remove_statement(before))
            diagnostics.append(Diagnostic("E0210", message, statement.span, others=(first,), help=helpful))
        else:
            statements[keyword.text] = statement
    lengths = [statements[name] for name in LENGTHS if name in statements]
    if len(lengths) == len(LENGTHS):
        message = "the length of the training is given twice, in `epochs` and in `iterations`"
        first = Label(lengths[0].span, "first length")
        helpful = Help("remove one of the two", *(remove_statement(each.span) for each in reversed(lengths)))
        diagnostics.append(Diagnostic("E0210", message, lengths[1].span, others=(first,), help=helpful))
    return statements


def _read_statement(name: str, statement: Pipeline) -> tuple[Any, dict[str, Span], list[Diagnostic]]:
    """The value of a statement, the places of its steps and of their arguments, and the errors."""
    first = statement.steps[0]
    if len(statement.steps) > 1 and name not in PIPELINES:
        surplus = statement.steps[1].span
        return None, {}, [Diagnostic("E0204", f"`{name}` takes one thing, not a pipeline", surplus)]
    if name in NUMBERS:
        number, _, problems = bind(NUMBERS[name], first.kind, first.arguments, {})
        return (number.value if number else None), {}, problems
    values: list[Arguments] = []
    spans: dict[str, Span] = {}
    diagnostics: list[Diagnostic] = []
    for position, step in enumerate(_steps(name, statement)):
        if step is None:
            choices = " or ".join(f"`{choice.keyword}`" for choice in CHOICES[name])
            message = f"`{name}` does not say what"
            example = f"{name} {_EXAMPLES[name]}"
            whole = Fix(first.span, example) if first.span == statement.span and not first.arguments else None
            helpful = Help(example, whole)
            diagnostics.append(Diagnostic("E0203", message, first.span, f"expected {choices}", help=helpful))
            continue
        value, arguments, problems = _read_step(name, step)
        spans |= {step.kind.text: step.span, f"{name}.{position}": step.span}
        spans |= {f"{name}.{position}.{argument}": span for argument, span in arguments.items()}
        diagnostics += problems
        if value is not None:
            values.append(value)
    if diagnostics:
        return None, spans, diagnostics
    return (tuple(values) if name in PIPELINES else values[0]), spans, []


def _steps(name: str, statement: Pipeline) -> list[Step | None]:
    """The steps that a statement names, with their arguments; None if the first is missing."""
    return [] if name in NUMBERS else [_inner_step(statement.steps[0]), *statement.steps[1:]]


def _inner_step(step: Step) -> Step | None:
    """The step `resize 256` in the statement `prepare resize 256`."""
    if not step.arguments or step.arguments[0].key is not None:
        return None
    kind = step.arguments[0].values[0]
    if not isinstance(kind, Word) or len(step.arguments[0].values) > 1:
        return None
    return Step(kind, step.arguments[1:], kind.span.to(step.span))


def _read_step(statement: str, step: Step) -> tuple[Arguments | None, dict[str, Span], list[Diagnostic]]:
    choices = {choice.keyword: choice for choice in CHOICES[statement]}
    if step.kind.text not in choices:
        message = f"`{statement}` knows no `{step.kind.text}`"
        return None, {}, [Diagnostic("E0201", message, step.kind.span, help=did_you_mean(step.kind.span, choices))]
    return bind(choices[step.kind.text], step.kind, step.arguments, {})
