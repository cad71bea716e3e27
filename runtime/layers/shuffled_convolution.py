"""A grouped convolution over random maps: cuda-convnet's `randSparse` (Krizhevsky 2011)."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn


class ShuffledConv2d(nn.Conv2d):
    """A convolution whose groups read the maps in the order of random permutations.

    Each tower has `groups` groups. For each tower that it reads, it has `shuffles`
    permutations of the maps in a row; group g reads the g-th part of this list. The
    buffer `order` has the maps of all groups. `draw_order` draws it.

    Args:
        channels: the maps of the input.
        kernels: the kernels of all towers.
        kernel_size: as in `nn.Conv2d`.
        groups: the groups of one tower.
        shuffles: the permutations.
        towers: the towers that the kernels are split into.
        reads: whether a tower reads its own maps, or those of all `sources`.
        sources: the towers that the maps of the input are split into.
        others: further arguments of `nn.Conv2d`.
    """

    order: Tensor

    def __init__(
        self,
        channels: int,
        kernels: int,
        kernel_size: int | tuple[int, int],
        *,
        groups: int,
        shuffles: int = 1,
        towers: int = 1,
        reads: Literal["tower", "all"] = "all",
        sources: int = 1,
        **others: Any,
    ) -> None:
        per_tower = channels // sources if reads == "tower" else channels
        count = towers * shuffles * per_tower
        super().__init__(count, kernels, kernel_size, groups=towers * groups, **others)
        self.shuffles, self.towers = shuffles, towers
        self.reads, self.sources = reads, sources
        self.register_buffer("order", torch.empty(count, dtype=torch.int64))
        self.draw_order(None)

    def draw_order(self, generator: torch.Generator | None) -> None:
        """Draw new permutations, on the CPU."""
        if self.order.is_meta:
            return
        groups, lists = self.groups // self.towers, []
        for tower in range(self.towers):
            own = [tower] if self.reads == "tower" else range(self.sources)
            # the maps of a tower that it reads
            each = len(self.order) // (self.towers * self.shuffles * len(own))
            runs = []
            for source in own:
                drawn = []
                for _ in range(self.shuffles):
                    order = torch.randperm(each, generator=generator, device="cpu")
                    drawn.append(order + source * each)
                runs.append(torch.cat(drawn).view(groups, -1))
            # group by group, in each the maps of every source
            lists.append(torch.cat(runs, 1).flatten())
        self.order.copy_(torch.cat(lists))

    def forward(self, input: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, kernels, H', W')."""
        return super().forward(input[:, self.order])
