"""`alexc train`: a network file and images to a run with checkpoints, metrics and curves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def train(
    network: Annotated[Path, typer.Argument(help="The Python file that `alexc compile` wrote.", show_default=False)],
    data: Annotated[
        Path | None,
        typer.Option(help="A folder of images, or a store made of one.", show_default="the built-in images"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The folder of the run.", show_default="runs/NETWORK-DATE-TIME")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs in all.", show_default="the recipe's")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Images a step.", show_default="the recipe's")] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many steps in all; --resume goes on.", show_default="all")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1 or mps.", show_default="cuda if there, else cpu")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, max=64, help="Threads that prepare batches.", show_default="1 on the CPU, up to 8 on a GPU"
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out, or the newest one.")] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of every random draw.", show_default="0")] = None,
    ranks: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that train together.", show_default="the devices of the file's mesh"),
    ] = None,
    save_every: Annotated[int, typer.Option(min=1, help="Steps from one checkpoint to the next.")] = 1000,
) -> None:
    """Train a network by the recipe in its file.

    Killed or stopped at any moment, it goes on with --resume as if nothing had happened.
    """
    from alexc.runtime.training.run import run_training
    from alexc.runtime.training.set_up import TrainOptions

    options = TrainOptions(
        network, data, out, epochs, batch, device, workers, resume, seed, save_every, ranks, tuple(sys.argv)
    )
    code = run_training(options, steps)
    if code:
        raise typer.Exit(code)
