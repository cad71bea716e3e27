"""`alexc prepare`: writes the store that training reads."""

from __future__ import annotations

import sys
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

EXIT_INTERRUPTED = 130
DEFAULT_QUALITY = 90
_MOST_DIGITS = 10


class Format(StrEnum):
    """The image formats of a store."""

    RAW = "raw"
    JPEG = "jpeg"


class Bits(StrEnum):
    """The bits per channel of a store."""

    EIGHT = "8"
    SIXTEEN = "16"


def prepare(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="A folder or file of images, as listed above.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="STORE", help="The folder to write.", show_default="stores/NAME-CROP-HASH"),
    ] = None,
    resize: Annotated[
        str, typer.Option(metavar="N|HxW", help="Scale the shorter side to N pixels, or the image to HxW.")
    ] = "256",
    crop: Annotated[
        str, typer.Option(metavar="N|HxW", help="Keep the central square of N pixels per side, or the central HxW.")
    ] = "256",
    channels: Annotated[
        int, typer.Option(min=1, max=4, help="1 for grey images, 3 for RGB; 2 and 4 add the opacity (alpha).")
    ] = 3,
    bits: Annotated[
        Bits, typer.Option(help="Bits per pixel; with 16, grey images of 16 bits keep all their values.")
    ] = Bits.EIGHT,
    format: Annotated[
        Format, typer.Option(help="`jpeg` is about 9x smaller than `raw`, and slower to train on.")
    ] = Format.RAW,
    quality: Annotated[
        int | None, typer.Option(min=1, max=100, help="The JPEG quality.", show_default=str(DEFAULT_QUALITY))
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that decode images.", show_default="one per core")
    ] = None,
    exif: Annotated[bool, typer.Option("--exif/--no-exif", help="Apply the EXIF orientation of photographs.")] = False,
    whole: Annotated[
        bool, typer.Option("--whole", help="For testing only: take all images of DATA/<class>/, and hold none out.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing; estimate the size of the store and the time it takes.")
    ] = False,
    bad_share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Fail if more than this share of the files is unusable.")
    ] = 0.01,
) -> None:
    r"""Decode images once, into the store that training reads.

    If it is interrupted, run the same command again to continue. Unusable files are skipped and reported by name.

    DATA is one of these. Its content tells which, not its name:

    \b
    - a folder with train/<class>/ and val/<class>/, or with <class>/
    - a folder with labels.csv or labels.tsv: file,label or file,labels, and split
    - a zip or tar file of such a folder, compressed or not
    - a folder with ImageNet's tar files and devkit
    - idx files, as MNIST has, compressed or not
    - CIFAR's binary batches or CIFAR's Python batches, in a folder or an archive
    - WebDataset shards: tar files with KEY.jpg and KEY.cls
    - Parquet files with columns image and label, as the Hugging Face hub has
      (needs the package pyarrow)
    """
    if quality is not None and format is Format.RAW:
        raise typer.BadParameter("is the quality of JPEGs: add --format jpeg", param_hint="--quality")
    from alexc.runtime.cores import available_cores
    from alexc.runtime.data import prepare as preparing
    from alexc.runtime.data.prepare_report import preparation_report
    from alexc.runtime.data.store import Geometry

    stored = None if format is Format.RAW else quality or DEFAULT_QUALITY
    geometry = Geometry(_sides("--resize", resize), _sides("--crop", crop), channels, int(bits))
    processes = workers or available_cores()
    if dry_run:
        from alexc.runtime.data.estimate import estimate, estimate_text

        print(estimate_text(estimate(data, geometry, processes, exif, stored, whole)))
        return
    destination = out or preparing.default_destination(data, geometry, exif, jpeg=stored is not None, whole=whole)
    try:
        store = preparing.prepare(data, destination, geometry, processes, exif, bad_share, stored, whole)
    except (KeyboardInterrupt, SystemExit) as ending:  # Ctrl-C, SIGTERM or SIGHUP
        with suppress(OSError):  # of a terminal that is gone
            print("stopped; the work so far is kept: run the same command again to go on", file=sys.stderr)
        raise typer.Exit(int(ending.code or 1) if isinstance(ending, SystemExit) else EXIT_INTERRUPTED) from None
    print(preparation_report(store))


def _sides(option: str, text: str) -> int | tuple[int, int]:
    """One number, or height x width."""
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() and len(part) < _MOST_DIGITS for part in parts):
        raise typer.BadParameter("expected pixels as in 256, or height x width as in 480x640", param_hint=option)
    height, *rest = map(int, parts)
    return (height, rest[0]) if rest else height
