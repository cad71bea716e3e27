"""Loads the weights of another run or of a file, to start a training from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from alexc.printable import printable, shell_line

from ..errors import UserError
from ..tensor_files import read_tensors
from .checkpoint import DamagedCheckpoint, load_checkpoint
from .run_folder import RunFolder
from .weight_shapes import differences_text, differing_names


def starting_weights(path: Path, network: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str | None]:
    """The weights and buffers to start from.

    The last layer may have another shape, as for another number of classes. It then keeps its initial values.

    Args:
        path: a run, for its best weights; a checkpoint; or a file that `alexc weights import` wrote.
        network: the `state_dict` of the network with its initial values.

    Returns:
        The weights and buffers under the names of `network`; and the name of the last layer if it keeps its initial
        values.

    Raises:
        UserError: the file cannot be read, or another layer differs.
    """
    given = _read(path)
    last = list(network)[-1].rpartition(".")[0]
    differing = differing_names(network, given)
    others = [name for name in differing if name.rpartition(".")[0] != last]
    if others:
        differences = differences_text(others, network, given, ("there", "in the network"))
        raise UserError(
            f"--weights {printable(path)} does not fit the network: {differences}. Only the last layer may differ; "
            "`alexc weights import` converts weights with other names"
        )
    weights = {name: network[name] if name in differing else given[name] for name in network}
    return weights, last if differing else None


def _read(path: Path) -> Mapping[str, Tensor]:
    if path.is_dir():
        run = RunFolder(path)
        run.read_record()
        path = run.best if run.best.exists() else run.last
    if path.suffix == ".pt":
        try:
            content = load_checkpoint(path)
        except DamagedCheckpoint as reason:
            raise UserError(
                f"--weights {printable(path)} cannot be used ({reason}): if another program wrote it, "
                f"`alexc weights import {shell_line(path)} --into NETWORK` converts it"
            ) from None
        weights: Mapping[str, Tensor] = content.get("weights", {})
        return weights
    return read_tensors(path)
