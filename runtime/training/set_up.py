"""From the options of `alexc train` to a training that is ready to run: everything is checked before the first step."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from alexc.printable import printable

from ..cores import available_cores
from ..data.batch_loader import BatchLoader
from ..data.dataset_statistics import statistics_of
from ..data.prepare import store_for
from ..data.random_streams import LARGEST_SEED
from ..data.recipe_check import geometry_of, renderer_of
from ..data.store import Store, open_store
from ..data.synthetic_images import synthetic_images
from ..data.views import TrainingViews, central_view
from ..device import device_text, find_device, make_deterministic, place_network
from ..errors import UserError
from ..files import write_bytes, write_error
from ..folder_lock import folder_lock
from ..network_file import NetworkFile, load_network_file
from ..parallel.batch_shard import BatchShard
from ..parallel.rank import Rank, alone
from ..recipes import BFloat16, Float16, Recipe
from ..runs.console import print_header, print_note
from ..runs.metrics import Metrics, NoMetrics
from ..runs.run_folder import RunFolder, check_room
from ..runs.wandb_log import WandbLog, new_wandb_id, wandb_package
from .averaged_weights import AveragedWeights
from .compiled import compile_network
from .early_stopping import EarlyStopping
from .frozen_layers import check_layers, freeze
from .loop import Training, part_size, save
from .needed_bytes import bytes_on_disk
from .optimizer import optimizer_of
from .options import FoundSpec, TrainOptions
from .precision import LossScale, loss_scale_of
from .resume import ChosenRun, check_same, choose_run
from .schedule import schedule_of
from .sgd import parameter_names
from .starting_weights import starting_weights
from .state import TrainingState

DEFAULT_SEED = 0
_PACKAGES = ("alexc", "torch", "torchvision", "numpy", "pillow", "simplejpeg")


@dataclass(frozen=True)
class _Plan:
    """The options with nothing left open."""

    data: Path | None
    epochs: int
    batch: int
    seed: int
    workers: int
    freeze: tuple[str, ...]
    amp: Literal["bf16", "fp16"] | None
    accumulate: int


@contextmanager
def set_up(options: TrainOptions, rank: Rank | None = None) -> Iterator[Training]:
    """Check everything, lock the run's folder, print what is trained, and hand out a training ready to run.

    Args:
        options: what to train.
        rank: which part of it this process has; all of it where nothing is said.

    Raises:
        UserError: when the options, the network file, the data and the run do not fit each other.
    """
    rank = rank or alone()
    file = load_network_file(options.network)
    geometry = geometry_of(file)
    device = find_device(options.device)
    make_deterministic(device)
    chosen = rank.on_rank_zero(lambda: choose_run(options, file.name))
    run = chosen.run
    before = rank.on_rank_zero(lambda: run.read_record() if chosen.resumed else None)
    if chosen.note is not None:
        print_note(chosen.note)
    plan = rank.on_rank_zero(lambda: _plan(options, file, before, device))
    network = rank.build(file, plan.seed)
    whole = network if rank.placement is None else file.build_without_memory()
    rank.on_rank_zero(lambda: _check_options(options, plan, whole, rank))
    found_spec = rank.on_rank_zero(lambda: options.find_spec(file))
    outputs = file.outputs(whole)
    store = open_store(rank.on_rank_zero(lambda: store_for(_data_folder(plan), geometry, available_cores()).path))
    rank.on_rank_zero(lambda: _check_data(file, outputs, store, plan.batch))
    rank.on_rank_zero(lambda: _check_even_batches(whole, rank.share, plan, store))
    facts, rules = statistics_of(store), file.recipe
    if plan.amp is not None:
        rules = replace(rules, precision=BFloat16() if plan.amp == "bf16" else Float16())
    identity = {
        "network": file.name,
        "network_sha256": file.sha256,
        "store": store.identity,
        "seed": plan.seed,
        "batch": plan.batch,
        "freeze": list(plan.freeze),
        "amp": plan.amp,
        "accumulate": plan.accumulate,
        "versions": _versions(),
    }
    with ExitStack() as held:
        rank.on_rank_zero(lambda: _take(run, whole, rules, held, begun=chosen.resumed))
        if options.weights is not None and not chosen.resumed:
            network.load_state_dict(rank.own(_starting_weights(options.weights, file, plan.seed, rank)))
        frozen = freeze(network, plan.freeze)
        place_network(network, device)
        optimizer = optimizer_of(rules.optimizer, network)
        schedule, early_stopping, state = schedule_of(rules, plan.epochs), EarlyStopping(rules.stop), TrainingState()
        loss_scale = loss_scale_of(rules.precision)
        checkpoint = None
        if chosen.resumed:
            checkpoint = rank.on_rank_zero(partial(_checkpoint, chosen))
            rank.on_rank_zero(partial(check_same, options, run, checkpoint, identity, whole))
            rank.on_rank_zero(partial(_go_back, chosen, checkpoint))
            network.load_state_dict(rank.own(checkpoint["weights"]))
            schedule.restore(checkpoint["schedule"])
            early_stopping.restore(checkpoint["early_stopping"])
            loss_scale = LossScale(**checkpoint["loss_scale"])
            state = TrainingState(**checkpoint["state"])
            moments = {name: _own(rank, whole, network, values) for name, values in checkpoint["moments"].items()}
            optimizer.restore(moments, state.step - loss_scale.skipped)
        average = AveragedWeights(network, rules.average.decay) if rules.average else None
        if checkpoint is not None and average is not None:
            average.restore(rank.own(checkpoint["average"]))
        if options.compile:
            compile_network(network)
        events = run.events if options.tensorboard else None
        wandb_id = (before or {}).get("wandb") or (new_wandb_id() if options.log_wandb else None)
        wandb: list[WandbLog] = []
        if options.log_wandb:
            rank.on_rank_zero(partial(_start_wandb, run, str(wandb_id), held, wandb))
        metrics = held.enter_context(
            Metrics(run.metrics, events, state.metrics_bytes, state.step, *wandb) if rank.is_rank_zero else NoMetrics()
        )
        feed = held.enter_context(
            BatchLoader(
                renderer_of(file, facts),
                file.size,
                plan.batch,
                plan.workers,
                pinned=device.type == "cuda",
                share=rank.share,
            )
        )
        training = Training(
            rank=rank,
            network=network,
            names=list(whole.state_dict()),
            moment_names=parameter_names(whole),
            device=device,
            outputs=outputs,
            optimizer=optimizer,
            gradients=rank.gradient_sum(network),
            loss_scale=loss_scale,
            average=average,
            early_stopping=early_stopping,
            recipe=rules,
            schedule=schedule,
            store=store,
            feed=feed,
            views=TrainingViews(rules.augment, facts, file.size, plan.seed),
            central=central_view(geometry.crop, file.size),
            state=state,
            epochs=plan.epochs,
            batch=plan.batch,
            seed=plan.seed,
            frozen=frozen,
            parts=plan.accumulate,
            print_every=options.print_freq,
            save_every=options.save_every,
            run=run,
            metrics=metrics,
            identity=identity,
        )
        record = _record(options, plan, training, before) | {"wandb": wandb_id}
        for each in wandb:
            each.describe(record)
        rank.on_rank_zero(partial(_keep_spec, run, found_spec))
        if before is None:
            _begin(training, lambda: run.create(file, facts, record))
        else:
            rank.on_rank_zero(lambda: run.write_record(record))
        _print_header(options, training, whole, before)
        yield training


def _begin(training: Training, fill: Callable[[], None]) -> None:
    """Save a first checkpoint and fill the run's folder: what cannot be written shows before the first step."""
    try:
        save(training)
        training.rank.on_rank_zero(fill)
    except UserError:
        if training.rank.is_rank_zero:
            training.run.clear()
        raise


def _checkpoint(chosen: ChosenRun) -> dict[str, Any]:
    if chosen.checkpoint is None:
        return chosen.run.newest_checkpoint()
    return chosen.run.named_checkpoint(chosen.checkpoint)


def _go_back(chosen: ChosenRun, checkpoint: Mapping[str, Any]) -> None:
    if chosen.checkpoint is not None:
        chosen.run.go_back_to(chosen.checkpoint, checkpoint)


def _keep_spec(run: RunFolder, found: FoundSpec) -> None:
    """Write the spec into the run's folder, unless there is one; say so where it was not found."""
    if run.spec.exists():
        return
    if found.text is not None:
        write_bytes(run.spec, found.text.encode())
    elif found.note is not None:
        print_note(found.note)


def _own(rank: Rank, whole: nn.Module, network: nn.Module, values: Sequence[Tensor]) -> list[Tensor]:
    """What belongs to the weights of this process, of tensors that belong to those of the whole network."""
    own = rank.own(dict(zip(parameter_names(whole), values, strict=True)))
    return [own[name] for name in parameter_names(network)]


def _check_options(options: TrainOptions, plan: _Plan, network: nn.Module, rank: Rank) -> None:
    """Refuse options that do not fit the network or each other."""
    check_layers(network, plan.freeze)
    if options.compile and rank.placement is not None:
        raise UserError("--compile compiles for one device: leave it out, or train a file without placement")
    if options.weights is not None and isinstance(options.resume, Path):
        raise UserError("--weights begins a run and --resume PATH goes on with one: leave one of them out")
    if plan.accumulate > plan.batch:
        raise UserError(f"--accumulate {plan.accumulate}: a batch of {plan.batch} has fewer images than that")
    if options.log_wandb:
        wandb_package()


def _starting_weights(path: Path, file: NetworkFile, seed: int, rank: Rank) -> dict[str, Tensor]:
    """Whole weights to start from; says so where the last layer is new."""

    def read() -> tuple[dict[str, Tensor], str | None]:
        return starting_weights(path, file.build(seed).state_dict())

    weights, new = rank.on_rank_zero(read)
    if rank.is_rank_zero:
        print_note(f"starting from the weights of {printable(path)}{f'; {new} is new' if new else ''}")
    return weights


def _plan(options: TrainOptions, file: NetworkFile, before: Mapping[str, Any] | None, device: torch.device) -> _Plan:
    """Fill what the options leave open: from the run to resume, else from the recipe.

    Raises:
        UserError: when the seed is larger than a generator takes.
    """
    if options.seed is not None and options.seed > LARGEST_SEED:
        raise UserError(f"--seed {options.seed} is too large: at most {LARGEST_SEED}")
    workers = options.workers or default_workers(device)
    data = None if options.data is None else options.data.absolute()
    if before is None:
        return _Plan(
            data=data,
            epochs=options.epochs or file.recipe.epochs,
            batch=options.batch or file.recipe.batch,
            seed=DEFAULT_SEED if options.seed is None else options.seed,
            workers=workers,
            freeze=options.freeze,
            amp=options.amp,
            accumulate=options.accumulate or 1,
        )
    given = before["data"]
    return _Plan(
        data=data or (None if given is None else Path(given)),
        epochs=options.epochs or before["epochs"],
        batch=options.batch or before["batch"],
        seed=before["seed"] if options.seed is None else options.seed,
        workers=workers,
        freeze=options.freeze or tuple(before.get("freeze", ())),
        amp=options.amp or before.get("amp"),
        accumulate=options.accumulate or before.get("accumulate", 1),
    )


def default_workers(device: torch.device) -> int:
    """Threads that prepare batches where nothing is said: on the CPU training itself wants the cores."""
    return 1 if device.type == "cpu" else min(8, max(1, available_cores() // 2))


def _data_folder(plan: _Plan) -> Path:
    if plan.data is not None:
        return plan.data
    print("no --data: training on the built-in data set, images that alexc draws itself", flush=True)
    return synthetic_images()


def _check_data(file: NetworkFile, outputs: int, store: Store, batch: int) -> None:
    """Refuse data that the network cannot learn; say so where it has fewer classes than the network."""
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
        raise UserError(f"{printable(store.path)} has no validation images: training needs some to measure with")
    if classes < outputs:
        rest = "one is" if outputs - classes == 1 else f"{outputs - classes} are"
        print_note(
            f"note: the data has {classes} classes and {file.name} {outputs} outputs; the other {rest} never right"
        )


def _check_even_batches(network: nn.Module, share: BatchShard, plan: _Plan, store: Store) -> None:
    """Refuse batches that devices cannot share evenly where empty rows would count: in batch normalisation."""
    if not any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in network.modules()):
        return
    left = len(store.train) % plan.batch
    for rows, which in (
        (plan.batch, f"a batch of {plan.batch}"),
        (left, f"the last batch of an epoch, {left} images,"),
    ):
        size = part_size(rows, plan.accumulate)
        if rows % share.multiple or size % share.multiple:
            cut = f", cut into parts of {size}," if plan.accumulate > 1 else ""
            raise UserError(
                f"{which}{cut} cannot be shared evenly by {share.multiple} devices, which batch normalisation needs: "
                f"give a --batch that {share.multiple} divides, and as many training images that what is left over "
                "does too; with --accumulate, each of the parts"
            )


def _take(run: RunFolder, network: nn.Module, rules: Recipe, held: ExitStack, begun: bool) -> None:
    """Lock the run's folder, and see that there is room in it."""
    _lock(run, held)
    check_room(run.path, bytes_on_disk(network, rules, begun))


def _start_wandb(run: RunFolder, identity: str, held: ExitStack, started: list[WandbLog]) -> None:
    """Start Weights & Biases in the first process alone, which keeps it in `started`."""
    started.append(WandbLog(run.path, identity))
    held.callback(started[0].close)


def _lock(run: RunFolder, held: ExitStack) -> None:
    try:
        held.enter_context(folder_lock(run.path))
    except OSError as error:
        raise write_error(run.path, error, ", or name another folder with --out") from None


def _record(options: TrainOptions, plan: _Plan, training: Training, before: Mapping[str, Any] | None) -> dict[str, Any]:
    """What run.json holds: the settings of the whole run, and one entry for each command that worked on it."""
    now = datetime.now().astimezone().isoformat(timespec="milliseconds")
    command = {
        "command": list(options.command),
        "started": now,
        "from_step": training.state.step,
        "host": platform.node(),
        "device": str(training.device),
        "device_name": device_text(training.device),
        "mesh": None if training.rank.placement is None else dict(training.rank.placement.mesh),
        "threads": torch.get_num_threads(),
        "workers": plan.workers,
        "save_every": options.save_every,
        "compile": options.compile,
        "versions": _versions(),
    }
    return {
        "network": training.identity["network"],
        "network_file": str(options.network.absolute()),
        "network_sha256": training.identity["network_sha256"],
        "started": before["started"] if before else now,
        "data": _path_text(plan.data),
        "store": {"path": str(training.store.path.absolute()), "identity": training.store.identity},
        "epochs": plan.epochs,
        "batch": plan.batch,
        "seed": plan.seed,
        "freeze": list(plan.freeze),
        "amp": plan.amp,
        "accumulate": plan.accumulate,
        "weights": before.get("weights") if before else _path_text(options.weights),
        "commands": [*(before["commands"] if before else []), command],
    }


def _path_text(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())


def _print_header(
    options: TrainOptions, training: Training, network: nn.Module, before: Mapping[str, Any] | None
) -> None:
    store = training.store
    parameters = sum(weight.numel() for weight in network.parameters())
    per_epoch = -(-len(store.train) // training.batch)
    print_header(
        [
            ("network", f"{training.identity['network']}, {parameters:,} parameters ({options.network})"),
            (
                "data",
                f"{len(store.train):,} images to train, {len(store.val):,} to validate, "
                f"{len(store.classes)} classes ({store.path})",
            ),
            ("device", device_text(training.device)),
            *_mesh_row(training.rank),
            ("batch", f"{training.batch} images, {per_epoch:,} steps an epoch"),
            ("epochs", str(training.epochs)),
            ("seed", str(training.seed)),
            ("run", str(training.run.path)),
        ],
        _resume_notes(training, before["commands"][-1], options.compile) if before else [],
    )


def _mesh_row(rank: Rank) -> list[tuple[str, str]]:
    """The devices that train together."""
    if rank.placement is None:
        return []
    return [("mesh", f"{rank.placement.mesh_text}: {rank.mesh.devices} ranks")]


def _resume_notes(training: Training, last: Mapping[str, Any], compiled: bool) -> list[str]:
    state = training.state
    notes = [
        f"nothing is left to do: this training ended after step {state.step:,}, in epoch {state.epoch}"
        if training.is_over
        else f"going on from step {state.step:,}, in epoch {state.epoch + 1}"
    ]
    now = {"device": str(training.device), "threads": torch.get_num_threads(), "versions": _versions()}
    now["compile"] = compiled
    changed = [name for name, value in now.items() if last.get(name) != value]
    if changed:
        notes.append(f"not as before: {', '.join(changed)} (see run.json); the last bits of results may differ")
    return notes


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {package: version(package) for package in _PACKAGES}
