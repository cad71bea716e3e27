"""`alexc train`: trains a network file on images and writes a run: checkpoints, metrics and curves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..terminal import print_message, terminal_width


def train(
    network: Annotated[
        Path, typer.Argument(metavar="NETWORK", help="The Python file that `alexc compile` wrote.", show_default=False)
    ],
    data: Annotated[
        Path | None,
        typer.Option(metavar="DATA", help="A folder of images, or a store.", show_default="synthetic images"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="The folder of the run.", show_default="runs/NETWORK-DATE-TIME"
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Train for N epochs in total.", show_default="the recipe's")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Batch size, over all processes.", show_default="the recipe's")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Stop after N steps in total; --resume continues.", show_default="all")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1 or mps.", show_default="cuda if available, else cpu")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Data loader threads.", show_default="1 on the CPU, up to 8 on a GPU"),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="auto|PATH",
            help="Continue this run, or from this checkpoint. auto: continue the run in --out, or the newest run; "
            "start a new run if there is none.",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Random seed.", show_default="0")] = None,
    ranks: Annotated[
        int | None,
        typer.Option(min=1, help="Number of training processes.", show_default="the devices of the file's mesh"),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="WEIGHTS",
            help="Start from the weights of this run or file. A last layer of another shape is initialised.",
        ),
    ] = None,
    freeze: Annotated[
        list[str] | None, typer.Option(metavar="LAYER", help="Do not train this layer; may be repeated.")
    ] = None,
    amp: Annotated[bool, typer.Option("--amp", help="Use mixed precision; overrides the recipe.")] = False,
    amp_dtype: Annotated[
        Literal["bfloat16", "float16"] | None,
        typer.Option(metavar="bfloat16|float16", help="The type for --amp.", show_default="bfloat16"),
    ] = None,
    compile_: Annotated[bool, typer.Option("--compile", help="Compile the network with torch.compile.")] = False,
    cache: Annotated[
        Literal["device"] | None,
        typer.Option(metavar="device", help="Keep the images in the memory of the GPU.", show_default=False),
    ] = None,
    deterministic: Annotated[
        bool, typer.Option(help="Get the same bits in each run on a GPU; without, it may be faster.")
    ] = True,
    tf32: Annotated[
        bool, typer.Option("--tf32", help="Let a GPU multiply float32 numbers in TF32: faster, with a 10-bit mantissa.")
    ] = False,
    lr: Annotated[
        float | None, typer.Option(help="Learning rate; its schedule stays.", show_default="the recipe's")
    ] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Weight decay.", show_default="the recipe's")] = None,
    accumulate: Annotated[
        int | None,
        typer.Option(min=1, help="Accumulate gradients over N micro-batches, to save memory.", show_default="1"),
    ] = None,
    class_weights: Annotated[
        str | None,
        typer.Option(
            metavar="balanced|FILE",
            help="Weight the classes in the loss: balanced, or by a CSV file with the columns class,weight.",
        ),
    ] = None,
    sampler: Annotated[
        Literal["random", "weighted"] | None,
        typer.Option(
            metavar="random|weighted",
            help="How an epoch draws images. weighted: with replacement, every class equally often.",
            show_default="random",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=2, help="Train N times with consecutive seeds, starting at --seed; each run is a folder under --out."
        ),
    ] = None,
    print_freq: Annotated[
        int | None, typer.Option(min=1, help="Print a line every N steps.", show_default="one line per epoch")
    ] = None,
    tensorboard: Annotated[bool, typer.Option(help="Write event files for TensorBoard.")] = True,
    log_wandb: Annotated[
        bool, typer.Option("--log-wandb", help="Log to Weights & Biases; needs the package wandb.")
    ] = False,
    test_only: Annotated[
        bool,
        typer.Option("--test-only", help="Do not train: evaluate the weights given with --weights or --resume."),
    ] = False,
    spec: Annotated[
        Path | None,
        typer.Option(metavar="SPEC", help="The spec of NETWORK, to keep in the run.", show_default="searched by name"),
    ] = None,
    save_every: Annotated[int, typer.Option(min=1, help="Write a checkpoint every N steps.")] = 1000,
) -> None:
    """Train a network with the recipe in its file.

    --resume continues an interrupted run. The result is the same as without the interruption.
    """
    if amp_dtype is not None and not amp:
        raise typer.BadParameter("sets the type for --amp: add --amp", param_hint="--amp-dtype")
    from alexc.runtime.allocator import keep_freed_memory

    keep_freed_memory()
    from alexc.runtime.evaluation.run_evaluation import evaluation_text, images_note
    from alexc.runtime.training.class_balance import BALANCED
    from alexc.runtime.training.command import run_seeds, run_training
    from alexc.runtime.training.options import AMP, AUTO, TrainOptions
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
        lr=lr,
        weight_decay=weight_decay,
        accumulate=accumulate,
        class_weights=class_weights if class_weights in (None, BALANCED) else Path(class_weights),
        sampler=sampler,
        amp=AMP[amp_dtype or "bfloat16"] if amp else None,
        steps=steps,
        seed=seed,
        device=device,
        ranks=ranks,
        workers=workers,
        cache=cache,
        compile=compile_,
        deterministic=deterministic,
        tf32=tf32,
        save_every=save_every,
        print_freq=print_freq,
        tensorboard=tensorboard,
        log_wandb=log_wandb,
        command=tuple(sys.argv),
        find_spec=find_spec,
    )
    if test_only:
        evaluation = evaluate_weights(options)
        if data is not None:
            print_message(images_note(evaluation))
        print(evaluation_text(evaluation, terminal_width()))
        return
    code = run_training(options) if seeds is None else run_seeds(options, seeds)
    if code:
        raise typer.Exit(code)
