"""A fully connected layer with independent groups: a `linear` with `reads=tower`."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GroupedLinear(nn.Module):
    """Fully connected layers side by side: block g of the outputs reads block g of x.

    `weight` is (out_features, in_features / groups), as in a grouped convolution.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        groups: int,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if in_features % groups or out_features % groups:
            sizes = f"{in_features} inputs and {out_features} outputs"
            raise ValueError(f"{groups} groups cannot share {sizes} evenly")
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(out_features, in_features // groups))
        self.bias = nn.Parameter(torch.zeros(out_features)) if bias else None
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_features) to (N, out_features)."""
        # (N, groups, in / groups)
        blocks = x.view(x.shape[0], self.groups, x.shape[1] // self.groups)
        # (groups, out / groups, in / groups)
        weight = self.weight.view(self.groups, -1, self.weight.shape[1])
        y = torch.einsum("ngi,goi->ngo", blocks, weight).flatten(1)
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        """The arguments, for `repr`."""
        out_features, in_block = self.weight.shape
        sizes = f"{in_block * self.groups}, {out_features}"
        return f"{sizes}, groups={self.groups}, bias={self.bias is not None}"
