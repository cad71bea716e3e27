"""From the options of `alexc train` to a trainer that is ready: check, build, resume, open the run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alexc.printable import printable

from ..data.batch_loader import NOTHING_STORED, BatchLoader
from ..data.device_store import stored_on
from ..data.recipe_images import geometry_of, renderer_of
from ..data.views import TrainingViews, central_view
from ..errors import UserError
from ..files import write_error, write_text
from ..folder_lock import folder_lock
from ..parallel.rank import Rank, alone
from ..recipes import Float16
from ..runs.console import print_note
from ..runs.metrics import Metrics, NoMetrics, check_metrics
from ..runs.run_folder import RunFolder, check_room
from ..runs.starting_weights import starting_weights
from ..runs.wandb_log import WandbLog
from .compiled import compile_network
from .model import Model
from .needed_bytes import bytes_on_disk
from .options import FoundSpec, TrainOptions
from .plan import Plan, checked_plan
from .resume import check_epochs, check_same
from .run_record import identity_of, print_start, run_record
from .state import TrainingState
from .trainer import Data, Run, Trainer

_STEPS_AHEAD = 2  # of a GPU: while it computes one step, the next one is sent to it


@contextmanager
def set_up(options: TrainOptions, rank: Rank | None = None) -> Iterator[Trainer]:
    """Check everything, lock the folder of the run, print what is trained, and yield a trainer that is ready.

    Args:
        options: the options of the training.
        rank: this process among those that train; None for a training in one process.

    Raises:
        UserError: the options, the network file, the data and the run do not fit each other.
    """
    plan = checked_plan(options, rank or alone())
    with ExitStack() as held:
        plan.rank.on_rank_zero(lambda: _lock_folder(plan, held))
        model = _build(plan)
        state = _resume(plan, model) if plan.chosen.resumed else TrainingState()
        record = run_record(plan, state)
        held.enter_context(_leaving_nothing(plan))
        run = _open_run(plan, state, record, held)
        trainer = Trainer(plan.settings, model, _open_data(plan, held), run, state, _steps_ahead(plan))
        _write_first_files(plan, trainer, record)
        print_start(plan, trainer, record)
        yield trainer


def _lock_folder(plan: Plan, held: ExitStack) -> None:
    """Lock the folder of the run, and check that the disk has room for its checkpoints."""
    path = plan.chosen.folder.path
    try:
        held.enter_context(folder_lock(path))
        for left_over in path.glob("*.tmp"):  # of a training that was killed while it wrote a file
            left_over.unlink()
    except OSError as error:
        raise write_error(path, error, ", or name another folder with --out") from None
    check_room(path, bytes_on_disk(plan.whole, plan.settings.recipe, resumed=plan.chosen.resumed))


def _build(plan: Plan) -> Model:
    """The model with its initial values, or in a new run with the weights of --weights."""
    if plan.options.weights is not None and not plan.chosen.resumed:
        plan.network.load_state_dict(plan.rank.shard(_starting_weights(plan.options.weights, plan)))
    model = Model(plan)
    if plan.options.compile:
        compile_network(model.network, replayed=plan.settings.accumulate == 1)
    return model


def _resume(plan: Plan, model: Model) -> TrainingState:
    """Load the checkpoint to resume from into the model; returns how far the training had come.

    Raises:
        UserError: there is no whole checkpoint, or it is of another training.
    """
    rank, chosen = plan.rank, plan.chosen
    checkpoint = rank.on_rank_zero(chosen.load_checkpoint)
    rank.on_rank_zero(lambda: check_same(plan.options, chosen.folder, checkpoint, identity_of(plan), plan.whole))
    state = TrainingState()
    state.load_state_dict(checkpoint["state"])
    rank.on_rank_zero(lambda: check_epochs(plan.options, chosen.folder, state))
    rank.on_rank_zero(lambda: check_metrics(chosen.folder.metrics, state.metrics_bytes))
    rank.on_rank_zero(lambda: chosen.go_back_to(checkpoint))
    model.load_state_dict(checkpoint)
    return state


def _open_run(plan: Plan, state: TrainingState, record: dict[str, Any], held: ExitStack) -> Run:
    """Open the logs of the run where the training stands; rank 0 alone writes them."""
    options, folder = plan.options, plan.chosen.folder
    metrics: Metrics = NoMetrics()

    def open_logs() -> None:
        nonlocal metrics
        wandb = None
        if options.log_wandb:
            wandb = WandbLog(folder.path, record["wandb"])
            held.callback(wandb.close)
        events = folder.events if options.tensorboard else None
        metrics = held.enter_context(Metrics(folder.metrics, events, state.metrics_bytes, state.step, wandb))
        if wandb is not None:
            wandb.describe(record)

    plan.rank.on_rank_zero(open_logs)
    return Run(folder, metrics, identity_of(plan), options.save_every, options.print_freq)


def _open_data(plan: Plan, held: ExitStack) -> Data:
    """The images and the threads that render them."""
    file, settings, weights = plan.file, plan.settings, plan.class_weights
    on_gpu, stored = plan.device.type == "cuda", NOTHING_STORED
    if plan.options.cache is not None:
        free, _ = torch.cuda.mem_get_info(plan.device)
        stored = stored_on(plan.device, plan.store, settings.recipe.augment, free)
    loader = BatchLoader(
        renderer_of(file, plan.statistics),
        file.size,
        settings.recipe.batch,
        settings.workers,
        on_device=plan.device if on_gpu else None,
        stored=stored,
        share=plan.rank.batch_shard,
        outputs=plan.outputs,
    )
    return Data(
        store=plan.store,
        loader=held.enter_context(loader),
        views=TrainingViews(settings.recipe.augment, plan.statistics, file.size, settings.seed),
        validation_view=central_view(geometry_of(file).crop, file.size),
        class_weights=None if weights is None else np.array(weights, np.float32).astype(np.float64),
    )


def _steps_ahead(plan: Plan) -> int:
    """How far the device may be ahead of what is read; the loss scale of float16 needs each step's result at once."""
    waits = plan.device.type != "cuda" or isinstance(plan.settings.recipe.precision, Float16)
    return 0 if waits else _STEPS_AHEAD


def _write_first_files(plan: Plan, trainer: Trainer, record: dict[str, Any]) -> None:
    """Write the spec, a first checkpoint and run.json, so that a disk that cannot be written shows before a step."""
    folder, rank = plan.chosen.folder, plan.rank
    rank.on_rank_zero(lambda: _keep_spec(folder, plan.spec))
    if plan.chosen.resumed:
        rank.on_rank_zero(lambda: folder.write_record(record))
    else:
        trainer.save()
        rank.on_rank_zero(lambda: folder.create(plan.file, plan.statistics, record))


@contextmanager
def _leaving_nothing(plan: Plan) -> Iterator[None]:
    """Let a new run that cannot begin leave nothing but its lock.

    Enter it before the logs are opened: Windows removes no file that is open.
    """
    try:
        yield
    except UserError:
        folder = plan.chosen.folder
        if plan.rank.is_rank_zero and not plan.chosen.resumed and not folder.is_run():
            folder.clear(kept=plan.options.network)
        raise


def _keep_spec(folder: RunFolder, found: FoundSpec) -> None:
    """Write the spec into the folder of the run, unless it is there; print a note if it was not found."""
    if folder.spec.exists():
        return
    if found.text is not None:
        write_text(folder.spec, found.text)
    elif found.note is not None:
        print_note(found.note)


def _starting_weights(path: Path, plan: Plan) -> dict[str, Tensor]:
    """The whole weights to start from; rank 0 prints where they are from, and whether the last layer is new."""

    def read() -> tuple[dict[str, Tensor], str | None]:
        return starting_weights(path, plan.file.build(plan.settings.seed).state_dict())

    weights, new = plan.rank.on_rank_zero(read)
    if plan.rank.is_rank_zero:
        print_note(f"starting from the weights of {printable(path)}{f'; {new} is new' if new else ''}")
    return weights
