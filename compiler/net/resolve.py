"""Tree to Net. Each kind of block is read by a module of its own."""

from __future__ import annotations

from ..text.diagnostics import Diagnostic, Label
from ..text.fixes import Help, add_words, did_you_mean
from ..text.source import Span
from ..tree.tree import Block, Tree
from ..vocabulary import BLOCK, BLOCKS, NETWORK, PLACEMENT, TRAIN
from .base_chain import Load, chain_of
from .name_check import objection
from .net import Net, Placement, Recipe
from .network_block import read_network
from .placement_block import read_placement_block
from .train_block import read_train_block


def resolve(tree: Tree, load: Load) -> tuple[Net | None, list[Diagnostic]]:
    """Resolve names, expand variants and blocks, and validate every layer, placement and recipe of a file.

    Args:
        tree: the file.
        load: returns the tree of another file that a block extends.
    """
    diagnostics = _unknown_blocks(tree)
    block = _main_network(tree, diagnostics)
    if block is None:
        _recipe(_train_block([tree], []), load, diagnostics)
        return None, diagnostics
    _check_name(block, diagnostics)
    chain = chain_of(block, tree, load, diagnostics)
    _check_others(tree, chain, diagnostics)
    homes = list(dict.fromkeys([tree, *(home for _, home in reversed(chain))]))
    recipe = _recipe(_train_block(homes, diagnostics), load, diagnostics)
    if not chain:
        return None, diagnostics
    definitions = [each for home in reversed(homes) for each in home.blocks if each.keyword.text == BLOCK]
    network = read_network([each for each, _ in chain], definitions)
    diagnostics += network.diagnostics
    placements = _placements(tree, network.lines, load, diagnostics)
    if diagnostics or block.name is None or network.input is None:
        return None, diagnostics
    net = Net(
        source=tree.source,
        name=block.name.text,
        name_span=block.name.span,
        input=network.input,
        input_span=network.input_span,
        towers=network.towers,
        layers=tuple(network.layers),
        placements=placements,
        recipe=recipe,
    )
    return net, []


def _check_name(block: Block, diagnostics: list[Diagnostic]) -> None:
    if block.name is None:
        message = "a network needs a name"
        helpful = Help("write `network MyNet { … }`", add_words(block.keyword.span, "MyNet"))
        diagnostics.append(Diagnostic("E0206", message, block.keyword.span, help=helpful))
    elif complaint := objection(block.name.text):
        message = f"`{block.name.text}` {complaint}"
        diagnostics.append(Diagnostic("E0206", message, block.name.span, help="choose another name"))


def _unknown_blocks(tree: Tree) -> list[Diagnostic]:
    return [
        Diagnostic(
            "E0208",
            f"unknown block `{block.keyword.text}`",
            block.keyword.span,
            help=did_you_mean(block.keyword.span, BLOCKS),
        )
        for block in tree.blocks
        if block.keyword.text not in BLOCKS
    ]


def _main_network(tree: Tree, diagnostics: list[Diagnostic]) -> Block | None:
    """The last network of a file. It can extend the ones before it."""
    found = [block for block in tree.blocks if block.keyword.text == NETWORK]
    if not found and not diagnostics:
        end = len(tree.source.text.rstrip())
        message = "the file has no `network` block"
        helpful = "add a block: `network MyNet { … }`"
        diagnostics.append(Diagnostic("E0209", message, Span(tree.source, end, end), help=helpful))
    return found[-1] if found else None


def _check_others(tree: Tree, chain: list[tuple[Block, Tree]], diagnostics: list[Diagnostic]) -> None:
    used = {id(block) for block, _ in chain}
    for block in tree.blocks:
        if chain and block.keyword.text == NETWORK and id(block) not in used:
            last = Label(chain[-1][0].span, "the network of this file")
            message = "this network is not used, because the last network of a file does not extend it"
            helpful = "move it to a file of its own, or extend it"
            diagnostics.append(Diagnostic("E0209", message, block.span, others=(last,), help=helpful))


def _train_block(homes: list[Tree], diagnostics: list[Diagnostic]) -> tuple[Block, Tree] | None:
    """The `train` block of the file, or else of the nearest file that the network extends, with its file."""
    for home in homes:
        found = [block for block in home.blocks if block.keyword.text == TRAIN]
        for surplus in found[1:]:
            first = Label(found[0].span, "first given here")
            message = "the file has two `train` blocks"
            diagnostics.append(
                Diagnostic("E0209", message, surplus.span, others=(first,), help="remove one of the two")
            )
        if found:
            return found[0], home
    return None


def _recipe(found: tuple[Block, Tree] | None, load: Load, diagnostics: list[Diagnostic]) -> Recipe | None:
    if found is None:
        return None
    chain = chain_of(*found, load, diagnostics)
    if not chain:
        return None
    recipe, problems = read_train_block([block for block, _ in chain])
    diagnostics += problems
    return recipe


def _placements(tree: Tree, lines: list[str], load: Load, diagnostics: list[Diagnostic]) -> tuple[Placement, ...]:
    placements: list[Placement] = []
    seen: dict[str, Span] = {}
    for block in tree.blocks:
        if block.keyword.text != PLACEMENT:
            continue
        if block.name is not None and block.name.text in seen:
            first = Label(seen[block.name.text], "first defined here")
            message = f"there are two placements `{block.name.text}`"
            helpful = "choose another name"
            diagnostics.append(Diagnostic("E0207", message, block.name.span, others=(first,), help=helpful))
        if block.name is not None:
            seen[block.name.text] = block.name.span
        chain = chain_of(block, tree, load, diagnostics)
        if chain:
            placement, problems = read_placement_block([each for each, _ in chain], lines)
            diagnostics += problems
            placements += [placement] if placement is not None else []
    return tuple(placements)
