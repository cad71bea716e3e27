"""A training whose options, network file, run and data were checked against each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..cores import available_cores
from ..data.dataset_statistics import DatasetStatistics, statistics_of
from ..data.prepare import store_for
from ..data.recipe_images import geometry_of
from ..data.store import Store, check_while_reading, open_store
from ..data.synthetic_images import synthetic_images
from ..device import choose_arithmetic, find_device
from ..network_file import NetworkFile, load_network_file
from ..parallel.rank import Rank
from ..runs.console import print_note
from .checks import check_data, check_even_batches, check_options, check_single_images
from .class_balance import check_sampler, class_weights_of
from .options import FoundSpec, TrainOptions
from .resume import ChosenRun, choose_run
from .settings import Settings, settings_of


@dataclass(frozen=True, eq=False)
class Plan:
    """What a training is built from; nothing is written yet but a store of the images.

    Attributes:
        options: the options of the training.
        rank: this process among those that train.
        file: the network file.
        device: where this process computes.
        chosen: the run, a new one or one to resume.
        before: the content of run.json of a run to resume; None for a new one.
        settings: the options with nothing left open.
        network: the part of the network that this rank has, with its initial values.
        whole: the whole network; of several ranks, on torch's meta device.
        outputs: the number of outputs of the network.
        spec: the spec of the network file.
        store: the images.
        statistics: the mean image, the colours and the classes of the training images.
        class_weights: the weight of each class in the loss; None without weights.
    """

    options: TrainOptions
    rank: Rank
    file: NetworkFile
    device: torch.device
    chosen: ChosenRun
    before: dict[str, Any] | None
    settings: Settings
    network: nn.Module
    whole: nn.Module
    outputs: int
    spec: FoundSpec
    store: Store
    statistics: DatasetStatistics
    class_weights: tuple[float, ...] | None = None


def checked_plan(options: TrainOptions, rank: Rank) -> Plan:
    """The plan of a training, after checks that the options, the network file, the run and the data fit each other.

    Raises:
        UserError: they do not.
    """
    file = load_network_file(options.network)
    geometry = geometry_of(file)
    device = find_device(options.device)
    choose_arithmetic(device, options.deterministic, options.tf32)
    chosen = rank.on_rank_zero(lambda: choose_run(options, file.name))
    before = rank.on_rank_zero(lambda: chosen.folder.read_record() if chosen.resumed else None)
    if chosen.note is not None:
        print_note(chosen.note)
    settings = rank.on_rank_zero(lambda: settings_of(options, file, before, device))
    network = rank.build(file, settings.seed)
    whole = network if rank.placement is None else file.build_without_memory()
    rank.on_rank_zero(lambda: check_options(options, settings, whole, rank, device))
    spec = rank.on_rank_zero(lambda: options.find_spec(file, options.spec))
    outputs = file.outputs(whole)
    store = open_store(rank.on_rank_zero(lambda: store_for(_data_folder(settings), geometry, available_cores()).path))
    rank.on_rank_zero(lambda: check_while_reading(store))
    rank.on_rank_zero(lambda: check_data(file, outputs, store, settings.recipe.batch))
    rank.on_rank_zero(lambda: check_even_batches(whole, rank.batch_shard, settings, store))
    rank.on_rank_zero(lambda: check_single_images(whole, file.input_shape, settings, len(store.train)))
    loss = settings.recipe.loss
    rank.on_rank_zero(lambda: check_sampler(settings.sampler, store))
    class_weights = rank.on_rank_zero(lambda: class_weights_of(options.class_weights, before, store, loss))
    return Plan(
        options=options,
        rank=rank,
        file=file,
        device=device,
        chosen=chosen,
        before=before,
        settings=settings,
        network=network,
        whole=whole,
        outputs=outputs,
        spec=spec,
        store=store,
        statistics=statistics_of(store),
        class_weights=class_weights,
    )


def _data_folder(settings: Settings) -> Path:
    if settings.data is not None:
        return settings.data
    print_note("no --data: training on the built-in data set of synthetic images")
    return synthetic_images()
