"""Tree to Net: the blocks of a file, each read by its own module."""

from __future__ import annotations

from alexc.compiler.diagnostics import Diagnostic, Label, did_you_mean
from alexc.compiler.names import objection
from alexc.compiler.net import Net, Placement
from alexc.compiler.network_block import read_network_block
from alexc.compiler.placement_block import read_placement_block
from alexc.compiler.source import Span
from alexc.compiler.train_block import read_train_block
from alexc.compiler.tree import Block, Tree

BLOCKS = ("network", "placement", "train")


def resolve(tree: Tree) -> tuple[Net | None, list[Diagnostic]]:
    """Bind names, apply defaults and validate every layer, placement and recipe of a file."""
    diagnostics = _unknown_blocks(tree)
    block = _only(tree, "network", diagnostics)
    train = _only(tree, "train", diagnostics)
    recipe = None
    if train is not None:
        recipe, problems = read_train_block(train, tree.source)
        diagnostics += problems
    if block is None:
        return None, diagnostics
    if block.name is None:
        diagnostics.append(
            Diagnostic("E0206", "a network needs a name", block.keyword.span, help="network MyNet { … }")
        )
    elif complaint := objection(block.name.text):
        message = f"`{block.name.text}` {complaint}"
        diagnostics.append(Diagnostic("E0206", message, block.name.span, help="choose another name"))
    network = read_network_block(block, tree.source)
    diagnostics += network.diagnostics
    placements = _placements(tree, network.statements, diagnostics)
    if diagnostics or block.name is None or network.input is None:
        return None, diagnostics
    return (
        Net(
            source=tree.source,
            name=block.name.text,
            name_span=block.name.span,
            input=network.input,
            input_span=network.input_span,
            towers=network.towers,
            layers=tuple(network.layers),
            placements=placements,
            recipe=recipe,
        ),
        [],
    )


def _unknown_blocks(tree: Tree) -> list[Diagnostic]:
    return [
        Diagnostic(
            "E0208",
            f"there is no kind of block `{block.keyword.text}`",
            block.keyword.span,
            help=did_you_mean(block.keyword.text, BLOCKS),
        )
        for block in tree.blocks
        if block.keyword.text not in BLOCKS
    ]


def _only(tree: Tree, keyword: str, diagnostics: list[Diagnostic]) -> Block | None:
    """The one block with this keyword, which a file must have if it is a network's."""
    found = [block for block in tree.blocks if block.keyword.text == keyword]
    for surplus in found[1:]:
        first = Label(found[0].span, "the first one")
        message = f"a file has one `{keyword}` block"
        diagnostics.append(Diagnostic("E0209", message, surplus.span, others=(first,), help="put it into its own file"))
    if not found and keyword == "network" and not diagnostics:
        end = len(tree.source.text.rstrip())
        message = "the file describes no network"
        diagnostics.append(Diagnostic("E0209", message, Span(end, end), help="add a block `network MyNet { … }`"))
    return found[0] if found else None


def _placements(tree: Tree, statements: list[str], diagnostics: list[Diagnostic]) -> tuple[Placement, ...]:
    placements: list[Placement] = []
    for block in tree.blocks:
        if block.keyword.text != "placement":
            continue
        if block.name is not None and block.name.text in [each.name for each in placements]:
            message = f"there are two placements `{block.name.text}`"
            diagnostics.append(Diagnostic("E0207", message, block.name.span, help="choose another name"))
        placement, problems = read_placement_block(block, statements, tree.source)
        diagnostics += problems
        if placement is not None:
            placements.append(placement)
    return tuple(placements)
