"""Writes the best weights of a run as one safetensors file with metadata, for `alexc weights export`."""

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
    """Write the best weights of a run; before the end of the first epoch, the newest.

    Args:
        folder: the run.
        out: the file to write, which must not exist.

    Returns:
        The file's metadata: those of `description`, with the epoch, the validation error and the spec, if the run has
        them.

    Raises:
        UserError: the folder is not a run, a file in it is damaged, or `out` cannot be written.
    """
    check_new(out)
    trained = load_trained_network(folder, torch.device("cpu"))
    run = RunFolder(folder)
    metadata = {
        "format": "pt",  # other programs recognise torch's files by it
        **description(trained.file, trained.network, trained.statistics),
        "epoch": str(trained.epochs),
        **_validation_error(run, trained.epochs),
        **_spec(run),
    }
    tensors = {name: tensor.contiguous() for name, tensor in trained.network.state_dict().items()}
    write_new(out, save(tensors, metadata))
    return metadata


def _validation_error(run: RunFolder, epoch: int | None) -> dict[str, str]:
    """The top-1 error, 0..1, with the central view after that epoch."""
    errors = [
        record["val_error"]
        for record in read_metrics(run.metrics)
        if record["kind"] == "epoch" and record["epoch"] == epoch
    ]
    return {"validation_error": str(errors[-1])} if errors else {}


def _spec(run: RunFolder) -> dict[str, str]:
    """The text of the spec, if the training found it."""
    return {"spec": run.spec.read_text(encoding="utf-8")} if run.spec.is_file() else {}
