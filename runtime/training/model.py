"""The model of a training: the network and everything that moves, follows or ends the course of its weights."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from ..device import place_network
from .averaged_weights import AveragedWeights
from .base_optimizer import names_in_groups
from .clipping import clip_gradients
from .early_stopping import EarlyStopping
from .frozen_layers import freeze, frozen_later
from .norm_bounds import bound_norms
from .optimizer import optimizer_of
from .plan import Plan
from .precision import LossScale
from .rates import Rates


class Model:
    """The part of the network that this rank has, its optimiser, and all other state beside the counters.

    Args:
        plan: the training; its network is moved to the device, and the layers to freeze are frozen.
    """

    def __init__(self, plan: Plan) -> None:
        network, recipe = plan.network, plan.settings.recipe
        self.rank, self.network, self.device, self.outputs = plan.rank, network, plan.device, plan.outputs
        self._never_trained = freeze(network, plan.settings.freeze)
        self.class_weights = _class_weights(plan)
        self._frozen_later = frozen_later(network, recipe.layers)
        self._frozen = self._never_trained
        place_network(network, plan.device)
        self._rates = Rates(recipe, plan.settings.seed)
        self.schedule = self._rates.schedule
        self.optimizer = optimizer_of(recipe.optimizer, network, self._rates)
        self.early_stopping = EarlyStopping(recipe.stop)
        self.loss_scale = LossScale(recipe.precision)
        self.average = AveragedWeights(network, recipe.average.decay) if recipe.average else None
        self.gradient_sum = plan.rank.gradient_sum(network)
        self._clipping = recipe.gradients
        self._weights = list(plan.whole.state_dict())
        self._parameters = [name for name, _ in plan.whole.named_parameters()]

    def train(self, epoch: int) -> None:
        """Set training mode; the layers that are frozen in this epoch, counted from 0, are in evaluation mode.

        So their running statistics stay, too.
        """
        later = (layer for after, layer in self._frozen_later if epoch >= after)
        self._frozen = (*self._never_trained, *later)
        self.network.train()
        for layer in self._frozen:
            layer.eval()

    def set_rates(self, step: int, steps_per_epoch: int) -> None:
        """Set the learning rates of a step, counted from 0 over all epochs."""
        self.optimizer.set_rates(self._rates, step, steps_per_epoch)

    def gradients(self) -> list[Tensor]:
        """The gradients that this rank has."""
        return [parameter.grad for parameter in self.network.parameters() if parameter.grad is not None]

    def update(self, scale: float = 1.0, unless: Tensor | None = None) -> None:
        """Take an optimiser step with the gradients of the loss times `scale`, and update the average.

        Frozen layers have no gradient in it, so neither their weights nor the optimiser's state of them change.

        Args:
            scale: the factor of the loss.
            unless: (), float32, on the device: where it is 1, the optimiser changes nothing.
        """
        for layer in self._frozen:
            layer.zero_grad(set_to_none=True)
        if scale != 1.0:
            for gradient in self.gradients():
                gradient.mul_(1.0 / scale)
        clip_gradients(self.network, self._clipping, self.rank)
        self.optimizer.found_inf = unless
        self.optimizer.step()
        bound_norms(self.network)
        if self.average is not None:
            self.average.update()

    def validated_weights(self) -> AbstractContextManager[None]:
        """A context in which the network has the weights that are validated and saved as the best."""
        return nullcontext() if self.average is None else self.average.in_network()

    def whole_weights(self) -> dict[str, Tensor]:
        """The weights and buffers of the whole network; all ranks call this."""
        return self.rank.gather(self.network.state_dict(), self._weights)

    def state_dict(self) -> dict[str, Any]:
        """The state for a checkpoint: whole tensors by weight name, so that it fits every mesh. All ranks call this."""
        names, state = names_in_groups(self.network, self.optimizer), self.optimizer.state_dict()["state"]
        return {
            "weights": self.whole_weights(),
            "optimizer": {
                kind: self.rank.gather({names[index]: state[index][kind] for index in state}, self._parameters)
                for kind in state[0]
            },
            "average": {} if self.average is None else self.rank.gather(self.average.state_dict(), self._weights),
            "schedule": self.schedule.state_dict(),
            "early_stopping": self.early_stopping.state_dict(),
            "loss_scale": self.loss_scale.state_dict(),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from the state of a checkpoint, whatever the mesh that saved it."""
        self.network.load_state_dict(self.rank.shard(state_dict["weights"]))
        own = {kind: self.rank.shard(tensors) for kind, tensors in state_dict["optimizer"].items()}
        state = {
            index: {kind: tensors[name] for kind, tensors in own.items()}
            for index, name in enumerate(names_in_groups(self.network, self.optimizer))
        }
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": state})
        if self.average is not None:
            self.average.load_state_dict(self.rank.shard(state_dict["average"]))
        self.schedule.load_state_dict(state_dict["schedule"])
        self.early_stopping.load_state_dict(state_dict["early_stopping"])
        self.loss_scale.load_state_dict(state_dict["loss_scale"])


def _class_weights(plan: Plan) -> Tensor | None:
    """(outputs,), float32, on the device: the weight of each class in the loss; None without weights."""
    if plan.class_weights is None:
        return None
    without_class = [1.0] * (plan.outputs - len(plan.class_weights))
    return torch.tensor([*plan.class_weights, *without_class], dtype=torch.float32, device=plan.device)
