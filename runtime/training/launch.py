"""Starts the ranks that train one network, joins them in a group, and ends them together."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import torch
import torch.distributed as dist
from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.elastic.rendezvous.api import RendezvousError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from alexc.printable import printable, shell_line
from alexc.terminal import print_message

from ..cores import available_cores
from ..data.prepare import store_for
from ..data.recipe_images import geometry_of
from ..data.synthetic_images import synthetic_images
from ..device import find_device
from ..errors import UserError
from ..network_file import NetworkFile
from ..parallel.mesh import make_mesh
from ..parallel.placement import Placement
from ..parallel.rank import Rank, ReportedElsewhere
from ..runs.run_folder import RunFolder
from ..runs.wandb_log import wandb_package
from ..temporary_folder import temporary_folder
from .options import TrainOptions, command_line, resume_command
from .resume import choose_run

_LONGEST_SILENCE = timedelta(minutes=10)  # a rank that waits longer for another one gives up
_PATIENCE = 10.0  # seconds for rank 0 to print an error that all ranks have found
_EXIT_LOST = 75  # the exit code of a rank that lost its peers: another rank is at fault
_EXIT_USER_ERROR, _EXIT_INTERNAL = 1, 70
_PASSED_ON = "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1"  # signals that the launcher passes on to the ranks
_LOST = ("gloo", "Connection closed by peer", "Connection reset", "NCCL", "Timed out waiting", "Broken pipe")


def placement_to_train(options: TrainOptions, file: NetworkFile) -> Placement | None:
    """The placement of a network file that is trained on several devices; None to train in one process.

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
    """Whether this process is one of the ranks that torchrun started."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def start_ranks(options: TrainOptions, file: NetworkFile, placement: Placement) -> int:
    """Start a rank for each device on this machine, as torchrun does, and wait for all of them.

    Returns:
        The exit code: 0; that of the rank that failed first; or 128 plus the number of the signal that ended all.

    Raises:
        UserError: there are too few devices, or the images cannot be prepared.
    """
    ranks = placement.devices
    _check_devices(options, ranks)
    if options.log_wandb:
        wandb_package()
    geometry = geometry_of(file)
    chosen = choose_run(options, file.name)
    if not chosen.resumed or options.data is not None:  # here, because ranks would wait for it
        store_for(options.data or synthetic_images(), geometry, available_cores())
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, available_cores() // ranks)))
    if Path("/sys/class/net/lo").exists():
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    elif sys.platform == "darwin":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0")
    named = isinstance(options.resume, Path) or options.out is not None
    asked = options if named else replace(options, out=chosen.folder.path)  # the same folder for all ranks
    return _in_processes(asked, ranks, chosen.folder)


def _in_processes(options: TrainOptions, ranks: int, run: RunFolder) -> int:
    try:
        with temporary_folder() as scratch, _quiet_launcher():
            elastic_launch(_launch_config(ranks, scratch), sys.executable)("-m", "alexc", *command_line(options))
    except ChildFailedError as failed:
        return _ending(failed.failures, options, run)
    except SignalException as ended:
        return 128 + ended.sigval
    except RendezvousError as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise UserError(
            f"torch cannot start {ranks} processes that work together here ({reason}): train on one device, from the "
            "file that `alexc compile SPEC` writes without a placement"
        ) from None
    return 0


@contextmanager
def _quiet_launcher() -> Iterator[None]:
    """Keep the launcher's log off, since `_ending` prints what matters, and restore the handlers of its signals."""
    disabled, names = logging.root.manager.disable, [name for name in _PASSED_ON.split(",") if hasattr(signal, name)]
    handlers = {signal.Signals[name]: signal.getsignal(signal.Signals[name]) for name in names}
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(disabled)
        if threading.current_thread() is threading.main_thread():  # the launcher has changed none in another thread
            for number, handler in handlers.items():
                signal.signal(number, handler)


def _launch_config(ranks: int, scratch: Path) -> LaunchConfig:
    """How to start the ranks on this machine; `scratch` is a folder for what they report to the launcher."""
    return LaunchConfig(
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
        logs_specs=DefaultLogsSpecs(str(scratch)),
    )


def work_as_rank(options: TrainOptions, placement: Placement, train: Callable[[TrainOptions, Rank], int]) -> NoReturn:
    """Join the group of ranks, train, and end this process.

    Only rank 0 prints. It also prints an error that all ranks have found; any other error is printed by the rank that
    raised it. Then all ranks end.

    Args:
        options: the options of the training.
        placement: the mesh; it must have as many devices as there are ranks.
        train: takes the options with the device of this rank, and the rank; returns the exit code.
    """
    number, ranks, local = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    errors = sys.stderr
    if number:
        sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - until this process ends
    try:
        if ranks != placement.devices:
            raise _wrong_count(options, placement, ranks)
        device = _own_device(options, local)
        kind = torch.device(device).type
        # NCCL does not support several ranks on one GPU, and does not exist on Windows.
        with_nccl = kind == "cuda" and not _names_one_gpu(options) and dist.is_nccl_available()
        backend = "cpu:gloo,cuda:nccl" if with_nccl else "gloo"
        dist.init_process_group(backend, timeout=_LONGEST_SILENCE)
        code = train(replace(options, device=device), Rank(make_mesh(placement.mesh, kind), placement))
        dist.barrier()
        dist.destroy_process_group()
        _end(code)
    except ReportedElsewhere:
        time.sleep(_PATIENCE)  # if this rank ended now, the launcher would stop rank 0 before it prints the error
        _end(_EXIT_USER_ERROR)
    except UserError as error:
        where = f"rank {number}: " if number else ""
        print_message(f"error: {where}{error}", errors, flush=True)
        _end(_EXIT_USER_ERROR)
    except Exception as error:
        if isinstance(error, RuntimeError) and any(word in str(error) for word in _LOST):
            _end(_EXIT_LOST)  # a collective fails like this when a peer is gone
        traceback.print_exc(file=errors)
        print(f"\nalexc: rank {number} has failed: see the lines above", file=errors, flush=True)
        _end(_EXIT_INTERNAL)


def torchrun_line(network: Path, ranks: int) -> str:
    """The torchrun command that trains on several machines, on as few as possible; it is run on each of them."""
    machines = next(count for count in range(2, ranks + 1) if ranks % count == 0)
    return (
        f"torchrun --nnodes {machines} --nproc-per-node {ranks // machines} --rdzv-backend c10d "
        f"--rdzv-endpoint HOST:29400 -m alexc train {shell_line(network)}"
    )


def _check_devices(options: TrainOptions, ranks: int) -> None:
    device = find_device(options.device)
    if device.type == "mps":
        raise UserError(f"--device mps: {ranks} ranks cannot share it; give --device cpu")
    if device.type == "cuda" and not _names_one_gpu(options) and torch.cuda.device_count() < ranks:
        raise UserError(
            f"the placement has {ranks} devices, and torch finds {torch.cuda.device_count()} GPUs here: give "
            "--device cpu, or --device cuda:0 to let all ranks share one GPU, or compile a smaller mesh"
        )


def _names_one_gpu(options: TrainOptions) -> bool:
    return options.device is not None and torch.device(options.device).index is not None


def _own_device(options: TrainOptions, local: int) -> str:
    device = find_device(options.device)
    if device.type != "cuda" or _names_one_gpu(options):
        return str(device)
    if local >= torch.cuda.device_count():
        raise UserError(f"local rank {local} has no GPU: torch finds {torch.cuda.device_count()} here")
    torch.cuda.set_device(local)
    return f"cuda:{local}"


def _wrong_count(options: TrainOptions, placement: Placement, ranks: int) -> UserError:
    error = UserError(
        f"{ranks} ranks were started, but the mesh of {printable(options.network)}, {placement.mesh_text}, has "
        f"{placement.devices} devices: start that many, or compile another placement"
    )
    return error if os.environ["RANK"] == "0" else ReportedElsewhere()


def _ending(failures: Mapping[int, ProcessFailure], options: TrainOptions, run: RunFolder) -> int:
    """Print why the ranks ended, unless the rank at fault did so; returns the exit code."""
    reported = [
        failure.exitcode for failure in failures.values() if failure.exitcode > 0 and failure.exitcode != _EXIT_LOST
    ]
    if reported:
        return reported[0]
    # After the first failure the launcher ends the other ranks by SIGTERM.
    killed = {rank: -failure.exitcode for rank, failure in failures.items() if -failure.exitcode != signal.SIGTERM}
    for rank, number in killed.items():
        if number > 0:
            killed_by = f"rank {rank} was killed by {signal.Signals(number).name}, and the others were stopped"
            print_message(f"error: {killed_by}. {_next_step(options, run)}")
            return _EXIT_USER_ERROR
    lost = f"the ranks lost each other: one was silent for {_LONGEST_SILENCE}, or a connection broke"
    print_message(f"error: {lost}. {_next_step(options, run)}")
    return _EXIT_USER_ERROR


def _next_step(options: TrainOptions, run: RunFolder) -> str:
    if not run.is_run():
        return "Nothing was saved yet: run the same command again with --resume auto"
    return f"The checkpoints are intact: continue with: {resume_command(options.network, run.path, options.device)}"


def _end(code: int) -> NoReturn:
    """End this process without closing the group, which would wait for ranks that are gone."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
