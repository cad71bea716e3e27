"""What a network's lines come to once blocks and repetitions are written out: a flat list of parts."""

from __future__ import annotations

from dataclasses import dataclass

from ..tree.tree import Argument, Step, Word


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a part's references are looked up.

    Attributes:
        prefix: "" for the network, "inc3a." inside the block instance `inc3a`.
        suffixes: the endings that names get in the repetitions around, outermost first.
    """

    prefix: str = ""
    suffixes: tuple[str, ...] = ()

    def candidates(self, name: str) -> list[str]:
        """The full names that `name` may stand for here, the nearest first."""
        return [f"{self.prefix}{name}{suffix}" for suffix in (*reversed(self.suffixes), "")]


@dataclass(frozen=True, slots=True)
class Part:
    """One layer as it is written.

    Attributes:
        name: its full name: `conv1`, `conv1.relu`, `inc3a.b1.relu`.
        line: the full name of its pipeline; a reference to a line means the line's end.
        statement: the network's own line that it belongs to.
        kind: the word of its kind.
        arguments: what is written after the kind.
        changes: what variants write instead.
        start: the name that its line starts from, where it does; None reads what stands before.
        flows: whether something flows in, so that a join reads it beside what it names; what begins a line as it was
            written, and starts from no name, is joined of what it names alone.
        scope: where `start` and the names in `arguments` are looked up.
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
    """The beginning of a block instance.

    Attributes:
        prefix: that of the scope inside.
        line: the full name of the pipeline that the instance stands in.
        statement: the network's own line that it belongs to.
        step: the block's name and its arguments.
        start: the name that its line starts from; None takes what stands before as the block's `input`.
        scope: where `start` is looked up.
        within: the blocks and repetitions around, outermost first.
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
    """The attribute of the generated class that holds the layer `name`: `conv1.lrn` is `conv1_lrn`."""
    return name.replace(".", "_")
