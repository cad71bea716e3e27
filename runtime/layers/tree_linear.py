"""A fully connected layer over a class tree: cuda-convnet's `treefc` layers of 2012."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TreeLinear(nn.Module):
    """Like `nn.Linear`, with weights that are sums over a tree.

    The weights of a unit are the sum of the vectors from its leaf to the root.
    `weight` is (units, features): the vectors of the leaves. `above_N` has those of the
    inner nodes above N leaves, (nodes, features), in the order of their numbers; they
    start from zero. `bias` is (units,).

    Args:
        features: the number of input values.
        units: the number of units, which are the leaves 0 to `units` - 1.
        tree: the parent of each node but the root, which is the last node; a parent has
            a larger number than its children. By default there are no inner nodes.
        bias: whether there are biases.
    """

    def __init__(
        self,
        features: int,
        units: int,
        *,
        tree: Sequence[int] = (),
        bias: bool = True,
    ) -> None:
        super().__init__()
        parents, nodes = list(tree), len(tree) + 1 if tree else units
        leaves, depth = [1] * units + [0] * (nodes - units), [0] * nodes
        for node, parent in enumerate(parents):
            leaves[parent] += leaves[node]
        for node in reversed(range(len(parents))):
            depth[node] = depth[parents[node]] + 1
        inner = range(units, nodes)
        self.weight = nn.Parameter(torch.empty(units, features))
        self.bias = nn.Parameter(torch.zeros(units)) if bias else None
        self._above = sorted({leaves[node] for node in inner})
        for number in self._above:
            alike = sum(leaves[node] == number for node in inner)
            vectors = nn.Parameter(torch.zeros(alike, features))
            self.register_parameter(f"above_{number}", vectors)
        # as the parameters lie one after the other
        ordered = sorted(inner, key=lambda node: (leaves[node], node))
        self._place = {node: place for place, node in enumerate(ordered)}
        self._levels = max((depth[node] for node in inner), default=0)
        for level in range(1, self._levels + 1):
            children = [node for node in inner if depth[node] == level]
            self._keep(f"children_{level}", children)
            self._keep(f"parents_{level}", [parents[node] for node in children])
        self._keep("parents_of_leaves", parents[:units])
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")

    def reset_inner_nodes(self) -> None:
        """Set the vectors of the inner nodes to zero."""
        with torch.no_grad():
            for number in self._above:
                self.get_parameter(f"above_{number}").zero_()

    def unit_weights(self) -> Tensor:
        """(units, features): the sum of the vectors from each leaf to the root."""
        if not self._above:
            return self.weight
        names = [f"above_{number}" for number in self._above]
        inner = torch.cat([self.get_parameter(name) for name in names])
        for level in range(1, self._levels + 1):  # from the root down
            children = self.get_buffer(f"children_{level}")
            parents = self.get_buffer(f"parents_{level}")
            inner = inner.index_add(0, children, inner[parents])
        return self.weight + inner[self.get_buffer("parents_of_leaves")]

    def forward(self, x: Tensor) -> Tensor:
        """(N, features) to (N, units)."""
        return F.linear(x, self.unit_weights(), self.bias)

    def extra_repr(self) -> str:
        """The arguments, for `repr`."""
        units, features = self.weight.shape
        return f"{features}, {units}, nodes={units + len(self._place)}"

    def _keep(self, name: str, nodes: Sequence[int]) -> None:
        places = torch.tensor([self._place[node] for node in nodes], dtype=torch.int64)
        self.register_buffer(name, places, persistent=False)
