"""`alexc evaluate`: measures the error of a trained network."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..terminal import print_message, terminal_width


class Format(StrEnum):
    """The output formats."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


def evaluate(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="The folder of a run, written by `alexc train`.", show_default=False)
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DATA", help="A folder of images or a store, with the same classes.", show_default="the run's data"
        ),
    ] = None,
    split: Annotated[
        Literal["train", "val", "test"] | None,
        typer.Option(
            metavar="train|val|test",
            help="The part of DATA to measure on.",
            show_default="val, or all images of a folder that is only tested",
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1 or mps.", show_default="cuda if available, else cpu")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Batch size, in views.")] = 128,
    format: Annotated[
        Format, typer.Option(help="The output format. `json` and `csv` have all classes and the confusion matrix.")
    ] = Format.TEXT,
    predictions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the probabilities of each image to a .csv or .jsonl file."),
    ] = None,
) -> None:
    """Measure the best weights of a run on the validation images.

    If DATA was not trained on and has no train and val folders, all its images are measured. The labels go by the names
    of the class folders.

    Reports the error over the views of the recipe (such as ten crops, averaged after the softmax), and over the central
    view alone.
    """
    from alexc.runtime.allocator import keep_freed_memory

    keep_freed_memory()
    from alexc.runtime.device import find_device
    from alexc.runtime.evaluation.run_evaluation import (
        evaluate_run,
        evaluation_csv,
        evaluation_json,
        evaluation_text,
        images_note,
    )
    from alexc.runtime.evaluation.trained_network import load_trained_network

    trained = load_trained_network(run, find_device(device))
    evaluation = evaluate_run(trained, data, batch, split, predictions)
    if data is not None:
        print_message(images_note(evaluation))
    if format is Format.TEXT:
        print(evaluation_text(evaluation, terminal_width()))
    else:
        print(evaluation_json(evaluation) if format is Format.JSON else evaluation_csv(evaluation))
