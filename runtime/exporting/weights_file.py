"""The best weights of a run as one safetensors file that says where they come from: `alexc weights export`."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save

from ..evaluation.trained_network import load_trained_network
from ..files import check_new, write_new
from ..runs.metrics import read_metrics
from ..runs.run_folder import RunFolder
from .description import description


def export_weights(folder: Path, out: Path) -> dict[str, str]:
    """Write the best weights of a run, or the newest where no epoch has ended yet, under their own names.

    Args:
        folder: the run.
        out: the file to write, which must not be there.

    Returns:
        What the file's metadata say: as `description`, with the epoch, the validation error and the spec where the run
        has them.

    Raises:
        UserError: the folder is no run, a file in it is damaged, or `out` cannot be written.
    """
    check_new(out)
    trained = load_trained_network(folder, torch.device("cpu"))
    run = RunFolder(folder)
    metadata = {
        "format": "pt",  # how others tell that it is torch's
        **description(trained.file, trained.network, trained.facts),
        "epoch": str(trained.epochs),
        **_validation_error(run, trained.epochs),
        **_spec(run),
    }
    tensors = {name: tensor.contiguous() for name, tensor in trained.network.state_dict().items()}
    write_new(out, save(tensors, metadata))
    return metadata


def _validation_error(run: RunFolder, epoch: int | None) -> dict[str, str]:
    """The top-1 error, 0..1, of the central view after that epoch."""
    errors = [
        record["val_error"]
        for record in read_metrics(run.metrics)
        if record["kind"] == "epoch" and record["epoch"] == epoch
    ]
    return {"validation_error": str(errors[-1])} if errors else {}


def _spec(run: RunFolder) -> dict[str, str]:
    """The text of the spec, where the training found it."""
    return {"spec": run.spec.read_text(encoding="utf-8")} if run.spec.is_file() else {}
