"""A grouped convolution over randomly chosen maps: cuda-convnet's `randSparse` (Krizhevsky 2011)."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn


class ShuffledConv2d(nn.Conv2d):
    """A convolution whose groups read the maps in the order of random permutations.

    Each tower has `groups` groups. For each tower that it reads, it has `shuffles` permutations of the maps in a row;
    group g reads the g-th part of this list. The buffer `order` has the maps of all groups. `draw_order` draws it.

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
        **others: Any,  # noqa: ANN401
    ) -> None:
        per_tower = shuffles * (channels // sources if reads == "tower" else channels)
        super().__init__(towers * per_tower, kernels, kernel_size, groups=towers * groups, **others)
        self.shuffles, self.towers, self.reads, self.sources = shuffles, towers, reads, sources
        self.register_buffer("order", torch.empty(towers * per_tower, dtype=torch.int64))
        self.draw_order(None)

    def draw_order(self, generator: torch.Generator | None) -> None:
        """Draw new permutations, on the CPU."""
        if self.order.is_meta:
            return
        groups = self.groups // self.towers
        lists = []
        for tower in range(self.towers):
            own = [tower] if self.reads == "tower" else range(self.sources)
            each = len(self.order) // (self.towers * self.shuffles * len(own))  # the maps of a tower that it reads
            runs = []
            for source in own:
                drawn = [torch.randperm(each, generator=generator, device="cpu") for _ in range(self.shuffles)]
                runs.append((torch.cat(drawn) + source * each).view(groups, -1))
            lists.append(torch.cat(runs, 1).flatten())  # group by group, in each the maps of every source
        self.order.copy_(torch.cat(lists))

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, kernels, H', W')."""
        return super().forward(x[:, self.order])
