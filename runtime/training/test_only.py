"""Evaluates a network instead of training it: what `alexc train --test-only` does."""

from __future__ import annotations

from pathlib import Path

import torch

from alexc.printable import printable

from ..data.dataset_statistics import statistics_of
from ..data.folder_layout import find_layout
from ..data.image_source import has_folders_of_classes
from ..data.recipe_images import check_labels, geometry_of
from ..device import find_device, place_network
from ..errors import UserError
from ..evaluation.measured_images import measured_images
from ..evaluation.run_evaluation import Evaluation, evaluate_run
from ..evaluation.trained_network import TrainedNetwork, load_trained_network
from ..network_file import NetworkFile, load_network_file
from ..runs.run_folder import RunFolder
from ..runs.starting_weights import starting_weights
from .options import AUTO, TrainOptions

_VIEWS_AT_ONCE = 128  # the most views in a batch without --batch


def evaluate_weights(options: TrainOptions) -> Evaluation:
    """Evaluate the network of a file with the weights of a run, of one of its checkpoints, or of a file of weights.

    Raises:
        UserError: no weights are named, or the weights, the network and the data do not fit each other.
    """
    named = [path for path in (options.weights, options.resume) if path is not None]
    if len(named) != 1 or named[0] == AUTO:
        raise UserError("--test-only: name what to test with --weights PATH: a run, a checkpoint or a file of weights")
    path = Path(named[0])
    file, device = load_network_file(options.network), find_device(options.device)
    run = RunFolder(path if path.is_dir() else path.parent)
    if path.is_dir() or (path.suffix == ".pt" and run.is_run()):
        trained, data = _of_run(file, run, None if path.is_dir() else path, device), options.data
    else:
        trained = _of_file(file, path, options.data, device)
        data = trained.data
    return evaluate_run(trained, data, options.batch or _VIEWS_AT_ONCE)


def _of_run(file: NetworkFile, run: RunFolder, checkpoint: Path | None, device: torch.device) -> TrainedNetwork:
    trained = load_trained_network(run.path, device, checkpoint)
    if trained.file.sha256 != file.sha256:
        raise UserError(
            f"{printable(file.path)} is not the file that {printable(run.path)} trains: test the run's own network, "
            f"{printable(run.network)}"
        )
    return trained


def _of_file(file: NetworkFile, path: Path, data: Path | None, device: torch.device) -> TrainedNetwork:
    """The network with the weights of a file, which does not say what data they were trained on."""
    if data is None:
        raise UserError(f"--test-only: {printable(path)} belongs to no run: name the images to test with --data")
    network = file.build(seed=0)
    weights, missing = starting_weights(path, network.state_dict())
    if missing is not None:
        raise UserError(f"--test-only: {printable(path)} has another last layer than the network, {missing}")
    # Where training images are beside those to test with, they give the mean.
    training = data.is_dir() and has_folders_of_classes(data) and find_layout(data.absolute()).holds_out
    store = measured_images(data, geometry_of(file), None, training).store
    outputs = file.outputs(network)
    if len(store.classes) > outputs:
        raise UserError(
            f"{printable(store.path)} has {len(store.classes)} classes, but {file.name} has {outputs} outputs: name "
            "data with the classes of the network with --data"
        )
    check_labels(file, store)
    network.load_state_dict(weights)
    place_network(network, device).eval()
    return TrainedNetwork(path, store.path, data, path, None, file, network, statistics_of(store), outputs)
