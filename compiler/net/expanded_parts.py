"""The flat list of layers that the lines of a network become when blocks and repetitions are expanded."""

from __future__ import annotations

from dataclasses import dataclass

from ..tree.tree import Argument, Step, Word


@dataclass(frozen=True, slots=True)
class Scope:
    """The scope in which the names that a part refers to are looked up.

    Attributes:
        prefix: "" in the network, "inc3a." inside the block instance `inc3a`.
        suffixes: the suffixes of names in the surrounding repetitions, outermost first.
    """

    prefix: str = ""
    suffixes: tuple[str, ...] = ()

    def candidates(self, name: str) -> list[str]:
        """The full names that `name` can mean in this scope, the innermost first."""
        return [f"{self.prefix}{name}{suffix}" for suffix in (*reversed(self.suffixes), "")]


@dataclass(frozen=True, slots=True)
class Part:
    """One layer of the expanded network, before its kind and arguments are checked.

    Attributes:
        name: its full name: `conv1`, `conv1.relu`, `inc3a.b1.relu`.
        line: the full name of its pipeline; a reference to a line means the last part of it.
        statement: the line of the network, outside all blocks, that it belongs to.
        kind: the word that names its kind.
        arguments: the arguments after the kind.
        changes: the arguments that variants change.
        start: the name that its line starts from; None to read the part before it.
        flows: whether a join also reads the part before it; not if the join begins a line without a start, because then
            it joins only the layers that it names.
        scope: the scope of `start` and of the names in `arguments`.
    """

    name: str
    line: str
    statement: str
    kind: Word
    arguments: tuple[Argument, ...]
    changes: tuple[Argument, ...]
    start: Word | None
    flows: bool
    scope: Scope


@dataclass(frozen=True, slots=True)
class Enter:
    """The beginning of a block instance: one use of a block.

    Attributes:
        prefix: the prefix of the scope inside.
        line: the full name of the pipeline that contains the instance.
        statement: the line of the network, outside all blocks, that it belongs to.
        step: the block's name and its arguments.
        start: the name that its line starts from; None to take the part before it as the `input` of the block.
        scope: the scope of `start`.
        within: the surrounding blocks and repetitions, outermost first.
    """

    prefix: str
    line: str
    statement: str
    step: Step
    start: Word | None
    scope: Scope
    within: tuple[str, ...]


Item = Part | Enter


def attribute_of(name: str) -> str:
    """The attribute of the generated class for the layer `name`: `conv1_lrn` for `conv1.lrn`."""
    return name.replace(".", "_")
