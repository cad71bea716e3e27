"""`tree_linear`: a fully connected layer over a class tree, cuda-convnet's `treefc` of 2012."""

from __future__ import annotations

from collections import Counter
from itertools import count
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from .arguments import LARGEST_SIZE, Count, Expects
from .initial_values import InitialBias, InitialWeight, Kaiming
from .kind import Shape, ShapeError, TorchCall, TorchModule, Weights
from .python_text import in_tuple
from .trained import Trained

_PARENTS = Expects("the parent of each node but the root, as in `parents(4, 4, 5, 5, 6, 6)`", calls=("parents",))
_Tree = Annotated[
    tuple[Annotated[int, Field(ge=1, le=LARGEST_SIZE)], ...] | None,
    BeforeValidator(_PARENTS.in_parentheses),
    Field(min_length=1, max_length=2**17),
    _PARENTS,
]


class TreeLinear(Trained):
    """A fully connected layer whose units are the leaves of a tree: similar classes share a part of their weights.

    Each node of the tree has a vector of weights. The weights of a unit are the sum of the vectors from its leaf to the
    root. `tree=parents(…)` has the parent of each node: first of the leaves 0 to `units` - 1, then of the inner nodes;
    the root is the last node and has none. A parent has a larger number than its children. Without `tree` there are no
    inner nodes, as in `linear`. Inner nodes start from zero. A node above n leaves has 1/n of the learning rate and of
    the weight decay. The units have biases, the inner nodes do not.
    """

    keyword: ClassVar[str] = "tree_linear"
    positional: ClassVar[tuple[str, ...]] = ("units",)
    reads_vector: ClassVar[bool] = True

    units: Count
    tree: _Tree = None
    weight: InitialWeight = Kaiming()
    bias: InitialBias = 0.0

    def output(self, given: Shape, towers: int) -> Shape:  # noqa: ARG002
        """Anything to (units,)."""
        if self.tree is not None:
            self._check_tree(self.tree)
        return Shape((self.units,))

    def weights(self, given: Shape, output: Shape) -> Weights:  # noqa: ARG002
        """(nodes, input values), and one bias per unit."""
        shape = (self.units if self.tree is None else len(self.tree) + 1, given.values)
        return Weights(shape, 0 if self.bias is None else self.units, self.weight, self.bias)

    def multiply_adds(self, given: Shape, output: Shape) -> int:  # noqa: ARG002
        """One per unit and input value."""
        return self.units * given.values

    def multipliers(self) -> dict[str, tuple[float, float]]:
        """Those of the leaves and biases, and of the inner nodes by the number of leaves below them."""
        shares = {leaves: (self.weight_rate / leaves, self.weight_decay / leaves) for leaves in self._leaves_below()}
        above = {f"above_{leaves}": pair for leaves, pair in shares.items() if pair != (1.0, 1.0)}
        return super().multipliers() | above

    def torch(self, given: Shape, output: Shape) -> TorchModule:  # noqa: ARG002
        """The runtime's `TreeLinear`."""
        arguments = [str(given.values), str(self.units)]
        if self.tree is not None:
            arguments.append(f"tree={in_tuple([str(parent) for parent in self.tree])}")
        if self.bias is None:
            arguments.append("bias=False")
        return TorchModule(
            TorchCall("TreeLinear", tuple(arguments)), ("from alexc.runtime.layers.tree_linear import TreeLinear",)
        )

    def _leaves_below(self) -> list[int]:
        """The numbers of leaves below the inner nodes, each once, in order."""
        below = Counter(range(self.units))
        for node, parent in enumerate(self.tree or ()):
            below[parent] += below[node]
        return sorted({leaves for node, leaves in below.items() if node >= self.units})

    def _check_tree(self, parents: tuple[int, ...]) -> None:
        root = len(parents)
        wrong = next((node for node, parent in zip(count(), parents) if not node < parent <= root), None)
        if wrong is not None:
            message = f"has a tree in which node {wrong} has the parent {parents[wrong]}, and {root} is the root"
            raise ShapeError("E0302", message, "tree", "a parent has a larger number than its child")
        inner = set(parents)
        if len(inner) != root + 1 - self.units or min(inner) != self.units:
            message = f"has {self.units} units, and a tree with {root + 1 - len(inner)} leaves"
            raise ShapeError("E0302", message, "tree", "the leaves are the nodes 0 to `units` - 1")
