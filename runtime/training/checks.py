"""Whether the options, the network and the data of a training fit each other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor, nn

from alexc.printable import printable

from ..data.recipe_images import check_labels
from ..data.store import Store
from ..errors import UserError
from ..network_file import NetworkFile
from ..parallel.batch_shard import BatchShard
from ..parallel.rank import Rank
from ..runs.console import print_note
from ..runs.wandb_log import wandb_package
from .frozen_layers import check_frozen, require_layers
from .options import TrainOptions
from .settings import Settings


def check_options(
    options: TrainOptions, settings: Settings, network: nn.Module, rank: Rank, device: torch.device
) -> None:
    """Check that the options fit the network and each other.

    Raises:
        UserError: they do not, or a package is missing.
    """
    check_frozen(network, settings.freeze)
    require_layers(network, [step.layer for step in settings.recipe.layers], "the recipe's `layers` names")
    if options.compile and rank.placement is not None and device.type != "cpu":
        raise UserError(
            f"--compile compiles a placement for the CPU only, not for {device}: leave it out, or train a file without "
            "placement"
        )
    if options.cache is not None and device.type != "cuda":
        raise UserError(f"--cache device: {device} has no memory of its own: leave --cache out")
    if options.weights is not None and isinstance(options.resume, Path):
        raise UserError("--weights begins a run and --resume PATH continues one: leave one of them out")
    if settings.accumulate > settings.recipe.batch:
        raise UserError(
            f"--accumulate {settings.accumulate}: a batch of {settings.recipe.batch} has fewer images than that"
        )
    if options.log_wandb:
        wandb_package()


def check_data(file: NetworkFile, outputs: int, store: Store, batch: int) -> None:
    """Check that the network can be trained on this data; print a note if it has fewer classes than the network.

    Raises:
        UserError: there are too many classes, or too few images, or the loss does not fit the labels.
    """
    check_labels(file, store)
    classes = len(store.classes)
    if classes > outputs:
        raise UserError(
            f"{printable(store.path)} has {classes} classes, but {file.name} has {outputs} outputs: "
            f"change the last layer in the spec to `linear {classes}`, compile it and train that"
        )
    if batch > len(store.train):
        raise UserError(
            f"a batch of {batch} is larger than the training set of {len(store.train)} images: "
            "give a smaller --batch, or more images"
        )
    if len(store.val) == 0:
        raise UserError(f"{printable(store.path)} has no validation images: training needs some to measure the error")
    if classes < outputs:
        rest = "one is" if outputs - classes == 1 else f"{outputs - classes} are"
        print_note(
            f"note: the data has {classes} classes and {file.name} {outputs} outputs; the other {rest} never right"
        )


def check_even_batches(network: nn.Module, share: BatchShard, settings: Settings, store: Store) -> None:
    """Check that all devices get the same number of images, if the network has batch normalisation.

    A smaller last batch is filled up with empty rows, and batch normalisation would count them.

    Raises:
        UserError: a batch, or the last batch of an epoch, does not divide evenly.
    """
    if not any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in network.modules()):
        return
    batch = settings.recipe.batch
    left = len(store.train) % batch
    for rows, which in ((batch, f"a batch of {batch}"), (left, f"the last batch of an epoch, {left} images,")):
        size = settings.micro_batch_size(rows)
        if rows % share.multiple or size % share.multiple:
            cut = f", cut into parts of {size}," if settings.accumulate > 1 else ""
            raise UserError(
                f"{which}{cut} cannot be shared evenly by {share.multiple} devices, which batch normalisation needs: "
                f"choose --batch and the number of training images so that {share.multiple} divides every batch, the "
                "last one of an epoch, too, and with --accumulate every part"
            )


def check_single_images(network: nn.Module, input_shape: Sequence[int], settings: Settings, images: int) -> None:
    """Check that no batch and no micro-batch has one image only, if batch normalisation needs more.

    It needs two values per channel. The maps of one image have them, unless they are of one place, but a vector does
    not.

    Args:
        network: the whole network; it is left in evaluation mode.
        input_shape: (channels, height, width) of one image.
        settings: the batch size, the micro-batches and the frozen layers.
        images: the number of training images.

    Raises:
        UserError: a batch, the last batch of an epoch, or a part of one has a single image.
    """
    batch = settings.recipe.batch
    single = next((rows for rows in (batch, images % batch) if _leaves_one(rows, settings)), None)
    if single is None:
        return
    layers = [name for name in _norms_of_single_values(network, input_shape) if name not in settings.freeze]
    if not layers:
        return
    which = f"a batch of {batch}" if single == batch else "the last batch"
    if settings.accumulate > 1:
        which = f"with --accumulate {settings.accumulate}, a part of {which}"
    others = chain(range(batch - 1, settings.accumulate - 1, -1), range(batch + 1, images + 1))
    works = (each for each in others if not _leaves_one(each, settings) and not _leaves_one(images % each, settings))
    such = f", such as {size}" if (size := next(works, None)) else ""
    raise UserError(
        f"{images} images in batches of {batch}: {which} has 1 image, and batch normalisation in {layers[0]} needs at "
        f"least 2: give another --batch{such}, or another number of training images"
    )


def _leaves_one(rows: int, settings: Settings) -> bool:
    """Whether a batch of `rows` images has a micro-batch of one image; false for 0 rows."""
    if not rows:
        return False
    size = settings.micro_batch_size(rows)
    return size == 1 or rows % size == 1


def _norms_of_single_values(network: nn.Module, input_shape: Sequence[int]) -> list[str]:
    """The names of the batch normalisation layers that get one value per channel of an image."""
    found = []

    def look(name: str, _: nn.Module, given: tuple[Tensor]) -> None:
        if given[0].numel() == given[0].shape[0] * given[0].shape[1]:
            found.append(name)

    network.train()  # further heads are computed in training only
    norms = [
        (name, each) for name, each in network.named_modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)
    ]
    hooks = [layer.eval().register_forward_pre_hook(partial(look, name)) for name, layer in norms]
    with torch.no_grad():
        network(torch.zeros(2, *input_shape, device=next(network.parameters()).device))
    for hook in hooks:
        hook.remove()
    network.eval()
    return found
