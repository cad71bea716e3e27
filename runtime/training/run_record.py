"""What a training says about itself at its start: the content of run.json, and the header on standard output."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from .. import recipes
from ..data.prepare_report import preparation_summary
from ..device import device_text
from ..evaluation.measure import top5_tells
from ..packages import PACKAGES
from ..parallel.rank import Rank
from ..runs.console import print_header
from ..runs.wandb_log import new_wandb_id
from .options import start_command
from .plan import Plan
from .precision import slow_type
from .schedule import schedule_of
from .state import TrainingState
from .trainer import Trainer

_COMPARED = ("device", "threads", "versions", "compile", "deterministic", "tf32")  # what the last bits depend on


def _versions() -> dict[str, str]:
    """The versions of Python and of the packages that results depend on."""
    return {"python": platform.python_version()} | {package: version(package) for package in PACKAGES}


def identity_of(plan: Plan) -> dict[str, Any]:
    """What every checkpoint of a run holds: a run to resume must agree in all of it but the versions."""
    return {
        "network": plan.file.name,
        "network_sha256": plan.file.sha256,
        "store": plan.store.identity,
        "seed": plan.settings.seed,
        "batch": plan.settings.recipe.batch,
        **_option_values(plan),
        "versions": _versions(),
    }


def run_record(plan: Plan, state: TrainingState) -> dict[str, Any]:
    """The content of run.json: the settings of the whole run, and one entry for each command that worked on it."""
    options, settings, before = plan.options, plan.settings, plan.before
    now = datetime.now().astimezone().isoformat(timespec="milliseconds")
    return {
        "network": plan.file.name,
        "network_file": str(options.network.absolute()),
        "network_sha256": plan.file.sha256,
        "started": before["started"] if before else now,
        "data": _path_text(settings.data),
        "store": {"path": str(plan.store.path.absolute()), "identity": plan.store.identity},
        "epochs": settings.epochs(len(plan.store.train)),
        "iterations": settings.recipe.iterations,
        "steps_per_epoch": settings.steps_per_epoch(len(plan.store.train)),
        "top5": top5_tells(plan.outputs),
        "batch": settings.recipe.batch,
        "seed": settings.seed,
        **_option_values(plan),
        "weights": before.get("weights") if before else _path_text(options.weights),
        "commands": [*(before["commands"] if before else []), _command(plan, state, now)],
        "wandb": (before or {}).get("wandb") or (new_wandb_id() if options.log_wandb else None),
    }


def _option_values(plan: Plan) -> dict[str, Any]:
    """The options beyond seed and batch size that hold for the whole run."""
    settings = plan.settings
    return {
        "freeze": list(settings.freeze),
        "amp": settings.amp,
        "lr": settings.lr,
        "weight_decay": settings.weight_decay,
        "accumulate": settings.accumulate,
        "class_weights": None if plan.class_weights is None else list(plan.class_weights),
        "sampler": settings.sampler,
    }


def _command(plan: Plan, state: TrainingState, started: str) -> dict[str, Any]:
    """The entry of this command in run.json."""
    options, placement = plan.options, plan.rank.placement
    return {
        "command": list(options.command),
        "started": started,
        "from_step": state.step,
        "host": platform.node(),
        "device": str(plan.device),
        "device_name": device_text(plan.device),
        "mesh": None if placement is None else dict(placement.mesh),
        "threads": torch.get_num_threads(),
        "workers": plan.settings.workers,
        "save_every": options.save_every,
        "compile": options.compile,
        "deterministic": options.deterministic,
        "tf32": options.tf32,
        "versions": _versions(),
    }


def print_start(plan: Plan, trainer: Trainer, record: Mapping[str, Any]) -> None:
    """Print what is trained, and how a resumed run continues."""
    store, settings = plan.store, plan.settings
    parameters = sum(weight.numel() for weight in plan.whole.parameters())
    print_header(
        [
            ("network", f"{plan.file.name}, {parameters:,} parameters ({plan.options.network})"),
            (
                "data",
                f"{len(store.train):,} images to train, {len(store.val):,} to validate, "
                f"{len(store.classes)} classes ({store.path})",
            ),
            ("prepared", preparation_summary(store)),
            ("device", f"{device_text(plan.device)}{_arithmetic_text(plan)}"),
            *_mesh_row(plan.rank),
            ("batch", f"{settings.recipe.batch} images, {trainer.steps_per_epoch:,} steps per epoch"),
            ("epochs", _length_text(trainer)),
            *_optimizer_rows(plan),
            *_balance_rows(plan),
            ("seed", str(settings.seed)),
            ("run", str(plan.chosen.folder.path)),
        ],
        [
            *_precision_notes(plan),
            *(_resume_notes(plan, trainer, *record["commands"][-2:]) if len(record["commands"]) > 1 else []),
        ],
        top5_tells(plan.outputs),
    )


def _optimizer_rows(plan: Plan) -> list[tuple[str, str]]:
    """What the options change of the recipe's optimizer."""
    recipe = plan.file.recipe.optimizer
    rows = []
    if plan.settings.lr is not None:
        rows.append(("rate", f"{plan.settings.lr:g}, in place of the recipe's {recipe.lr:g}"))
    if plan.settings.weight_decay is not None:
        rows.append(("decay", f"{plan.settings.weight_decay:g}, in place of the recipe's {recipe.weight_decay:g}"))
    return rows


def _balance_rows(plan: Plan) -> list[tuple[str, str]]:
    """How classes with different numbers of images are balanced."""
    rows = []
    if plan.class_weights is not None:
        least, most = min(plan.class_weights), max(plan.class_weights)
        rows.append(("weights", f"of the classes in the loss, {least:.3g} to {most:.3g}"))
    if plan.settings.sampler == "weighted":
        rows.append(("sampler", "weighted: every class is drawn equally often"))
    return rows


def _length_text(trainer: Trainer) -> str:
    """The length of the training: `90`, or `3, which end after 12,000 steps`."""
    iterations = trainer.settings.recipe.iterations
    return str(trainer.epochs) if iterations is None else f"{trainer.epochs}, which end after {iterations:,} steps"


def _arithmetic_text(plan: Plan) -> str:
    """What the options change in the arithmetic of a GPU."""
    if plan.device.type != "cuda":
        return ""
    chosen = {"TF32": plan.options.tf32, "not deterministic": not plan.options.deterministic}
    return "".join(f", {name}" for name, is_chosen in chosen.items() if is_chosen)


def _precision_notes(plan: Plan) -> list[str]:
    """What to do about numbers for which this CPU has no instructions."""
    name = slow_type(plan.settings.recipe.precision, plan.device)
    if name is None:
        return []
    instead = "leave --amp out" if plan.settings.amp else "take `precision` out of the recipe"
    if plan.chosen.resumed:  # the run keeps its precision
        more = start_command(plan.options.network, plan.chosen.folder.path)
        instead += f" in a new run from its weights: {more}"
    return [f"this CPU has no instructions for {name}, so steps take many times as long as in float32: {instead}"]


def _mesh_row(rank: Rank) -> list[tuple[str, str]]:
    """The devices that train together."""
    if rank.placement is None:
        return []
    return [("mesh", f"{rank.placement.mesh_text}: {rank.mesh.devices} ranks")]


def _resume_notes(plan: Plan, trainer: Trainer, last: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    state, model = trainer.state, trainer.model
    if trainer.is_over:
        notes = [f"nothing is left to do: this training ended after step {state.step:,}, in epoch {state.epoch}"]
        ended = "its schedule" if model.schedule.ended else "early stopping" if model.early_stopping.ended else None
        if ended:
            more = start_command(plan.options.network, plan.chosen.folder.path)
            notes.append(f"{ended} ended it, so --epochs does not continue it; a new run from its weights: {more}")
        else:
            notes.append(f"all {state.epoch} epochs are done; a larger --epochs continues it")
    else:
        notes = [f"continuing from step {state.step:,}, in epoch {state.epoch + 1}", *_rate_note(plan, trainer)]
    last = {"deterministic": True, "tf32": False} | dict(last)
    changed = [name for name in _COMPARED if last.get(name) != now[name]]
    if changed:
        notes.append(f"not as before: {', '.join(changed)} (see run.json); the last bits of results may differ")
    return notes


def _rate_note(plan: Plan, trainer: Trainer) -> list[str]:
    """Another number of epochs stretches some schedules, so that the rate changes where the training continues."""
    assert plan.before is not None
    recipe, step = plan.settings.recipe, trainer.state.step
    epochs, iterations = plan.before["epochs"], plan.before.get("iterations")
    before = schedule_of(replace(recipe, epochs=None if iterations else epochs, iterations=iterations))
    rates = [each.rate_at(step, trainer.steps_per_epoch) for each in (before, trainer.model.schedule)]
    if isinstance(recipe.schedule, recipes.Plateau) or rates[0] == rates[1]:
        return []
    return [
        f"note: the schedule spreads over all epochs, {trainer.epochs} now and {epochs} before: the rate "
        f"of the next step is {rates[1]:.3g}, not {rates[0]:.3g}; to keep a small rate, begin a new run with --weights"
    ]


def _path_text(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())
