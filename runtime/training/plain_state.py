"""The base of the parts of a training whose state is a few numbers, which a checkpoint stores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class PlainState:
    """Base of a class whose state is its public attributes: numbers and truth values."""

    def state_dict(self) -> dict[str, Any]:
        """The public attributes by name."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from a saved state."""
        vars(self).update(state_dict)
