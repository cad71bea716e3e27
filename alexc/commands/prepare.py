"""`alexc prepare`: a source of images to the store that training reads."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

EXIT_INTERRUPTED = 130
DEFAULT_QUALITY = 90


class Format(StrEnum):
    """What a store holds."""

    RAW = "raw"
    JPEG = "jpeg"


def prepare(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="A folder with train/<class>/ and val/<class>/, or <class>/; or with ImageNet's tar files and devkit.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="STORE", help="The store to make.", show_default="stores/NAME-CROP-HASH"),
    ] = None,
    resize: Annotated[int, typer.Option(help="Pixels of the shorter side after scaling.")] = 256,
    crop: Annotated[int, typer.Option(help="Pixels of the central square that is kept.")] = 256,
    format: Annotated[
        Format, typer.Option(help="`jpeg` takes about a ninth of the room of `raw`, and more time in training.")
    ] = Format.RAW,
    quality: Annotated[
        int | None, typer.Option(min=1, max=100, help="Of the JPEGs.", show_default=str(DEFAULT_QUALITY))
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that decode images.", show_default="one per core")
    ] = None,
    exif: Annotated[
        bool, typer.Option("--exif/--no-exif", help="Turn photographs upright as their EXIF data says.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing; tell how large the store will be and how long it takes.")
    ] = False,
    bad_share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Fail when more than this share of the files is unusable.")
    ] = 0.01,
) -> None:
    """Decode images once, into the store that training reads.

    Stopped at any moment, it goes on when run again. Unusable files are left out and reported by name.
    """
    if quality is not None and format is Format.RAW:
        raise typer.BadParameter("is that of JPEGs: add --format jpeg", param_hint="--quality")
    from alexc.runtime.cores import available_cores
    from alexc.runtime.data import prepare as preparing
    from alexc.runtime.data.prepare_report import preparation_report
    from alexc.runtime.data.store import Geometry

    stored = None if format is Format.RAW else quality or DEFAULT_QUALITY
    geometry = Geometry(resize, crop)
    processes = workers or available_cores()
    if dry_run:
        from alexc.runtime.data.estimate import estimate, estimate_text

        print(estimate_text(estimate(data, geometry, processes, exif, stored)))
        return
    destination = out or preparing.default_destination(data, geometry, exif, jpeg=stored is not None)
    try:
        store = preparing.prepare(data, destination, geometry, processes, exif, bad_share, stored)
    except KeyboardInterrupt:
        print("stopped; the work so far is kept: run the same command again to go on", file=sys.stderr)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    print(preparation_report(store))
