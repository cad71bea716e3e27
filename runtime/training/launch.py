"""Several processes that train one network: how they are started, how they find each other, how they end."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import torch
import torch.distributed as dist
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from alexc.printable import printable

from ..cores import available_cores
from ..data.prepare import store_for
from ..data.recipe_check import geometry_of
from ..data.synthetic_images import synthetic_images
from ..device import find_device
from ..errors import UserError
from ..network_file import NetworkFile
from ..parallel.mesh import make_mesh
from ..parallel.placement import Placement
from ..parallel.rank import Rank, ReportedElsewhere
from ..runs.run_folder import RunFolder
from ..runs.wandb_log import wandb_package
from .options import TrainOptions, resume_command
from .resume import choose_run

LONGEST_SILENCE = timedelta(minutes=10)  # after which a process gives up waiting for another one
PATIENCE = 10.0  # seconds in which the first process tells of a mistake that all have found
EXIT_LOST = 75  # of a process whose peers are gone: it is not the one at fault
EXIT_MISTAKE, EXIT_INTERNAL = 1, 70
_PASSED_ON = "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1"  # to the processes that were started
_LOST = ("gloo", "Connection closed by peer", "Connection reset", "NCCL", "Timed out waiting", "Broken pipe")


def placement_to_train(options: TrainOptions, file: NetworkFile) -> Placement | None:
    """How the network of a file is trained: on a mesh of several devices, or (None) in one process.

    Raises:
        UserError: `--ranks` does not fit the file.
    """
    placement = file.placement
    if placement is None:
        if (options.ranks or 1) > 1:
            raise UserError(
                f"--ranks {options.ranks}: {printable(options.network)} is for one device; write a placement in the "
                "spec and compile that: alexc compile SPEC --placement NAME"
            )
        return None
    if options.ranks not in (None, placement.devices):
        raise UserError(
            f"--ranks {options.ranks}: the mesh of {printable(options.network)}, {placement.mesh_text}, has "
            f"{placement.devices} devices; leave the option out, or change the mesh in the spec and compile it again"
        )
    return placement if placement.devices > 1 else None


def is_started_by_torchrun() -> bool:
    """Whether this process is one of several already."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def start_ranks(options: TrainOptions, file: NetworkFile, placement: Placement) -> int:
    """Start a process for each device on this machine, as torchrun does, and wait for them.

    Returns:
        The exit code: 0; that of the process that failed first; or 128 and the number of the signal that ended all.

    Raises:
        UserError: there are too few devices, or the images cannot be prepared.
    """
    ranks = placement.devices
    _check_devices(options, ranks)
    if options.log_wandb:
        wandb_package()
    geometry = geometry_of(file)
    chosen = choose_run(options, file.name)
    if not chosen.resumed or options.data is not None:  # once, before there are ranks that would wait for it
        store_for(options.data or synthetic_images(), geometry, available_cores())
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, available_cores() // ranks)))
    if Path("/sys/class/net/lo").exists():
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    logging.disable(logging.CRITICAL)  # this process only watches: what matters of the end it says itself
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=ranks,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
        monitor_interval=0.1,
        signals_to_handle=_PASSED_ON,
    )
    named = isinstance(options.resume, Path) or options.out is not None
    out = [] if named else ["--out", str(chosen.run.path)]  # all know the run's folder, this process too
    try:
        elastic_launch(config, sys.executable)("-m", "alexc", *sys.argv[1:], *out)
    except ChildFailedError as failed:
        return _ending(failed.failures, options, chosen.run)
    except SignalException as ended:
        return 128 + ended.sigval
    return 0


def work_as_rank(options: TrainOptions, placement: Placement, train: Callable[[TrainOptions, Rank], int]) -> NoReturn:
    """Take this process's place among the others, train, and end it.

    The first one alone prints. A mistake that all have found is told by it, any other by the process that made it; then
    all of them end.

    Args:
        options: what to train.
        placement: the mesh, which must have as many devices as there are processes.
        train: given the options with this process's own device, and its part; returns the exit code.
    """
    number, ranks, local = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    errors = sys.stderr
    if number:
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - until this process ends
    try:
        if ranks != placement.devices:
            raise _wrong_count(options, placement, ranks)
        device = _own_device(options, local)
        kind = torch.device(device).type
        # One GPU that several processes share is beyond NCCL.
        backend = "cpu:gloo,cuda:nccl" if kind == "cuda" and not _names_one_gpu(options) else "gloo"
        dist.init_process_group(backend, timeout=LONGEST_SILENCE)
        code = train(replace(options, device=device), Rank(make_mesh(placement.mesh, kind), placement))
        dist.barrier()
        dist.destroy_process_group()
        _end(code)
    except ReportedElsewhere:
        time.sleep(PATIENCE)  # or this process's end would have the first one stopped before it has said why
        _end(EXIT_MISTAKE)
    except UserError as mistake:
        where = f"rank {number}: " if number else ""
        print(f"error: {where}{mistake}", file=errors, flush=True)
        _end(EXIT_MISTAKE)
    except Exception as error:
        if isinstance(error, RuntimeError) and any(word in str(error) for word in _LOST):
            _end(EXIT_LOST)  # so the collectives tell that a peer is gone
        traceback.print_exc(file=errors)
        print(f"\nalexc: rank {number} has failed: see the lines above", file=errors, flush=True)
        _end(EXIT_INTERNAL)


def torchrun_line(network: Path, ranks: int) -> str:
    """What starts a training on several machines, as few as can be, run on each of them."""
    machines = next(count for count in range(2, ranks + 1) if ranks % count == 0)
    return (
        f"torchrun --nnodes {machines} --nproc-per-node {ranks // machines} --rdzv-backend c10d "
        f"--rdzv-endpoint HOST:29400 -m alexc train {shlex.quote(printable(network))}"
    )


def _check_devices(options: TrainOptions, ranks: int) -> None:
    device = find_device(options.device)
    if device.type == "mps":
        raise UserError(f"--device mps: {ranks} ranks cannot share it; give --device cpu")
    if device.type == "cuda" and not _names_one_gpu(options) and torch.cuda.device_count() < ranks:
        raise UserError(
            f"the placement has {ranks} devices, and this machine shows torch {torch.cuda.device_count()} GPUs: give "
            "--device cpu, or --device cuda:0 to let all ranks share one GPU, or compile a smaller mesh"
        )


def _names_one_gpu(options: TrainOptions) -> bool:
    return options.device is not None and torch.device(options.device).index is not None


def _own_device(options: TrainOptions, local: int) -> str:
    device = find_device(options.device)
    if device.type != "cuda" or _names_one_gpu(options):
        return str(device)
    if local >= torch.cuda.device_count():
        raise UserError(f"local rank {local} has no GPU: this machine shows torch {torch.cuda.device_count()}")
    torch.cuda.set_device(local)
    return f"cuda:{local}"


def _wrong_count(options: TrainOptions, placement: Placement, ranks: int) -> UserError:
    mistake = UserError(
        f"{ranks} ranks were started, but the mesh of {printable(options.network)}, {placement.mesh_text}, has "
        f"{placement.devices} devices: start as many, or compile another placement"
    )
    return mistake if os.environ["RANK"] == "0" else ReportedElsewhere()


def _ending(failures: Mapping[int, ProcessFailure], options: TrainOptions, run: RunFolder) -> int:
    """Say why the processes ended, unless the one at fault has said so, and with what exit code."""
    told = [failure.exitcode for failure in failures.values() if failure.exitcode > 0 and failure.exitcode != EXIT_LOST]
    if told:
        return told[0]
    # Those that the end of the first one left behind were ended by SIGTERM.
    killed = {rank: -failure.exitcode for rank, failure in failures.items() if -failure.exitcode != signal.SIGTERM}
    for rank, number in killed.items():
        if number > 0:
            killed_by = f"rank {rank} was killed by {signal.Signals(number).name}, and the others were stopped"
            print(f"error: {killed_by}. {_next_step(options, run)}", file=sys.stderr)
            return EXIT_MISTAKE
    lost = f"the ranks have lost each other: one was silent for {LONGEST_SILENCE}, or a connection broke"
    print(f"error: {lost}. {_next_step(options, run)}", file=sys.stderr)
    return EXIT_MISTAKE


def _next_step(options: TrainOptions, run: RunFolder) -> str:
    if not run.is_run():
        return "Nothing was saved yet: give the same command again, with --resume auto"
    return f"The checkpoints are whole: go on with: {resume_command(options.network, run.path, options.device)}"


def _end(code: int) -> NoReturn:
    """End at once: closing the group would wait for processes that are gone, and its threads can abort the exit."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
