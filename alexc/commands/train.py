"""`alexc train`: a network file and images to a run with checkpoints, metrics and curves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

_AMP: dict[str, Literal["bf16", "fp16"]] = {"bfloat16": "bf16", "float16": "fp16"}


def train(
    network: Annotated[
        Path, typer.Argument(metavar="NETWORK", help="The Python file that `alexc compile` wrote.", show_default=False)
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DATA", help="A folder of images, or a store made of one.", show_default="the built-in images"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="The folder of the run.", show_default="runs/NETWORK-DATE-TIME"
        ),
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
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="auto|PATH",
            help="Go on with this run, or from this checkpoint of one; auto: with the run in --out, or the newest one, "
            "and where there is none begin one.",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of every random draw.", show_default="0")] = None,
    ranks: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that train together.", show_default="the devices of the file's mesh"),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="WEIGHTS", help="Start from the weights of this run or file; a last layer of another shape is new."
        ),
    ] = None,
    freeze: Annotated[
        list[str] | None, typer.Option(metavar="LAYER", help="Leave this layer as it is; may be given again.")
    ] = None,
    amp: Annotated[bool, typer.Option("--amp", help="Compute in mixed precision, whatever the recipe says.")] = False,
    amp_dtype: Annotated[
        Literal["bfloat16", "float16"] | None,
        typer.Option(metavar="bfloat16|float16", help="The type that --amp takes.", show_default="bfloat16"),
    ] = None,
    compile_: Annotated[bool, typer.Option("--compile", help="Run what torch.compile makes of the network.")] = False,
    accumulate: Annotated[
        int | None,
        typer.Option(min=1, help="Compute each batch in so many parts, to save memory.", show_default="1"),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=2, help="Train so many times, with --seed and the next ones, each in a folder under --out."),
    ] = None,
    print_freq: Annotated[
        int | None, typer.Option(min=1, help="Print a line every so many steps.", show_default="a line an epoch")
    ] = None,
    tensorboard: Annotated[bool, typer.Option(help="Write event files for TensorBoard.")] = True,
    log_wandb: Annotated[
        bool, typer.Option("--log-wandb", help="Tell Weights & Biases, too; needs the package wandb.")
    ] = False,
    test_only: Annotated[
        bool,
        typer.Option("--test-only", help="Train nothing: measure the weights that --weights or --resume names."),
    ] = False,
    spec: Annotated[
        Path | None,
        typer.Option(metavar="SPEC", help="The spec of NETWORK, kept with the run.", show_default="looked for by name"),
    ] = None,
    save_every: Annotated[int, typer.Option(min=1, help="Steps from one checkpoint to the next.")] = 1000,
) -> None:
    """Train a network with the recipe in its file.

    A training that was stopped or killed continues with --resume, with the same result as without the interruption.
    """
    if amp_dtype is not None and not amp:
        raise typer.BadParameter("says which type --amp takes: add --amp", param_hint="--amp-dtype")
    from alexc.runtime.allocator import keep_freed_memory

    keep_freed_memory()
    from alexc.runtime.evaluation.run_evaluation import evaluation_text
    from alexc.runtime.training.command import run_seeds, run_training
    from alexc.runtime.training.options import AUTO, TrainOptions
    from alexc.runtime.training.test_only import evaluate_weights

    from ..spec_search import find_spec

    options = TrainOptions(
        network=network,
        data=data,
        spec=spec,
        out=out,
        resume=AUTO if resume == AUTO else None if resume is None else Path(resume),
        weights=weights,
        freeze=tuple(freeze or ()),
        epochs=epochs,
        batch=batch,
        accumulate=accumulate,
        amp=_AMP[amp_dtype or "bfloat16"] if amp else None,
        steps=steps,
        seed=seed,
        device=device,
        ranks=ranks,
        workers=workers,
        compile=compile_,
        save_every=save_every,
        print_freq=print_freq,
        tensorboard=tensorboard,
        log_wandb=log_wandb,
        command=tuple(sys.argv),
        find_spec=find_spec,
    )
    if test_only:
        print(evaluation_text(evaluate_weights(options)))
        return
    code = run_training(options) if seeds is None else run_seeds(options, seeds)
    if code:
        raise typer.Exit(code)
