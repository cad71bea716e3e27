"""The outline of a file: its blocks and their lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lsprotocol.types import DocumentSymbol, SymbolKind

from alexc.compiler.tree.tree import Block, Nested, Pipeline, Statement, first_word
from alexc.compiler.vocabulary import BLOCK, NETWORK, PLACEMENT, TRAIN

from .spec import Spec

_SYMBOLS = {
    NETWORK: SymbolKind.Class,
    BLOCK: SymbolKind.Function,
    PLACEMENT: SymbolKind.Namespace,
    TRAIN: SymbolKind.Event,
}


def document_symbols(spec: Spec) -> list[DocumentSymbol]:
    """A symbol for each block, with a child for each of its lines."""
    return [_block(spec, block) for block in spec.tree.blocks]


def _block(spec: Spec, block: Block) -> DocumentSymbol:
    name = block.name or block.keyword
    lines = list(_lines(spec, block.statements))
    last = block.statements[-1].span if block.statements else block.span
    return DocumentSymbol(
        name=name.text,
        detail=block.keyword.text,
        kind=_SYMBOLS.get(block.keyword.text, SymbolKind.Object),
        range=spec.positions.range(block.span.to(last)),
        selection_range=spec.positions.range(name.span),
        children=lines,
    )


def _lines(spec: Spec, statements: Iterable[Statement]) -> Iterator[DocumentSymbol]:
    for statement in statements:
        word = first_word(statement)
        label = statement.label.span.text if statement.label is not None else word.text
        inner = statement.statements if isinstance(statement, Nested) else ()
        last = inner[-1].span if inner else statement.span
        yield DocumentSymbol(
            name=label,
            detail=statement.steps[0].kind.text if isinstance(statement, Pipeline) and statement.label else "",
            kind=SymbolKind.Field,
            range=spec.positions.range(statement.span.to(last)),
            selection_range=spec.positions.range(word.span),
            children=list(_lines(spec, inner)) or None,
        )
