"""The chain of blocks that a block extends."""

from __future__ import annotations

from collections.abc import Callable

from ..text.diagnostics import Diagnostic, Label
from ..text.fixes import Fix, Help, did_you_mean
from ..text.source import Source, Span
from ..tree.tree import Base, Block, Tree
from ..vocabulary import NETWORK

_LONGEST_CHAIN = 32

Load = Callable[[Base, Source], tuple[Tree | None, list[Diagnostic]]]


def chain_of(block: Block, tree: Tree, load: Load, diagnostics: list[Diagnostic]) -> list[tuple[Block, Tree]]:
    """All blocks from the one that extends no other up to `block`; empty after an error, which is reported."""
    chain = [(block, tree)]
    while (base := chain[-1][0].base) is not None:
        if len(chain) > _LONGEST_CHAIN:
            diagnostics.append(
                Diagnostic(
                    "E0601", f"the chain of blocks that extend each other is longer than {_LONGEST_CHAIN}", base.span
                )
            )
            return []
        step = _base_of(*chain[-1], base, load, diagnostics)
        if step is None:
            return []
        if any(step[0] is each for each, _ in chain):
            others = tuple(Label(each.span, "part of the circle") for each, _ in chain[1:])
            message = f"`{base.span.text}` extends itself through other blocks"
            helpful = Help("remove one `extends`", *(_without_base(each) for each, _ in reversed(chain)))
            diagnostics.append(Diagnostic("E0601", message, base.span, others=others, help=helpful))
            return []
        chain.append(step)
    return chain[::-1]


def _without_base(block: Block) -> Fix | None:
    if block.base is None or block.parameters:
        return None
    return Fix(Span(block.span.source, block.span.end, block.base.span.end), "")


def _base_of(
    block: Block, tree: Tree, base: Base, load: Load, diagnostics: list[Diagnostic]
) -> tuple[Block, Tree] | None:
    home: Tree | None = tree
    if base.path is not None:
        home, problems = load(base, tree.source)
        diagnostics += [each for each in problems if each not in diagnostics]
    if home is None:
        return None
    found = _base_block(block, base, home, diagnostics)
    return None if found is None else (found, home)


def _base_block(block: Block, base: Base, tree: Tree, diagnostics: list[Diagnostic]) -> Block | None:
    kind = block.keyword.text
    named = [each for each in tree.blocks if each.keyword.text == kind]
    found = [each for each in named if base.name is None or (each.name and each.name.text == base.name.text)]
    names = [each.name.text for each in named if each.name]
    if base.name is None and kind == NETWORK and found:
        return found[-1]  # a file's network is its last one
    if len(found) == 1:
        return found[0]
    if not found:
        what = f" `{base.name.text}`" if base.name else ""
        message = f"there is no {kind}{what} to extend in {tree.source.name}"
        helpful = did_you_mean(base.name.span, names) if base.name else ""
    else:
        message = f"{tree.source.name} has {len(found)} `{kind}` blocks, so `extends` must name one"
        bases = [f'"{base.path}" {name}' for name in names] if base.path else []
        helpful = Help(f"write `extends {bases[0]}`", *(Fix(base.span, each) for each in bases)) if bases else ""
    diagnostics.append(Diagnostic("E0602", message, base.span, help=helpful))
    return None
