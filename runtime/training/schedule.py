"""How the learning rate changes over a training: what every schedule offers, and which one a recipe asks for."""

from __future__ import annotations

from typing import Any, Protocol

from alexc.runtime import recipe
from alexc.runtime.training.plateau import PlateauSchedule


class Schedule(Protocol):
    """The learning rate as training goes on."""

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""

    @property
    def ended(self) -> bool:
        """Whether the training is over."""

    @property
    def of(self) -> str:
        """The name of the figure that `after_epoch` wants: a field of `EpochFigures`."""

    def after_epoch(self, figure: float) -> str | None:
        """Count an epoch; returns what happened, for the log, when the rate changed or the training ended."""

    def state(self) -> Any:  # noqa: ANN401
        """Where the schedule stands: a dictionary of plain values, for a checkpoint."""

    def restore(self, state: Any) -> None:  # noqa: ANN401
        """Go on from where another one stood."""


class ConstantSchedule:
    """The same rate from the first step to the last."""

    of = "val_error"
    ended = False

    def __init__(self, lr: float) -> None:
        self.rate = lr

    def after_epoch(self, figure: float) -> None:
        """Nothing changes."""

    def state(self) -> dict[str, float]:
        """Nothing that changes."""
        return {}

    def restore(self, state: dict[str, float]) -> None:
        """Nothing to restore."""


def schedule_of(recipe_: recipe.Recipe) -> Schedule:
    """The schedule that a recipe asks for, at its beginning."""
    lr = recipe_.optimizer.lr
    if isinstance(recipe_.schedule, recipe.Plateau):
        return PlateauSchedule(recipe_.schedule, lr)
    return ConstantSchedule(lr)
