"""`alexc prepare`: a folder of images to the store that training reads."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

EXIT_INTERRUPTED = 130


def prepare(
    data: Annotated[
        Path, typer.Argument(help="A folder with train/<class>/ and val/<class>/, or <class>/.", show_default=False)
    ],
    out: Annotated[Path | None, typer.Option(help="The store to make.", show_default="stores/NAME-CROP-HASH")] = None,
    resize: Annotated[int, typer.Option(help="Pixels of the shorter side after scaling.")] = 256,
    crop: Annotated[int, typer.Option(help="Pixels of the central square that is kept.")] = 256,
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
    """Decode a folder of images once, into the store that training reads.

    Stopped at any moment, it goes on when run again. Unusable files are left out and reported by name.
    """
    from alexc.runtime.cores import available_cores
    from alexc.runtime.data import prepare as preparing
    from alexc.runtime.data.preparation_report import preparation_report
    from alexc.runtime.data.store import Geometry

    geometry = Geometry(resize, crop)
    if dry_run:
        from alexc.runtime.data.estimate import estimate, estimate_text

        print(estimate_text(estimate(data, geometry, workers or available_cores(), exif)))
        return
    destination = out or preparing.default_destination(data, geometry, exif)
    try:
        store = preparing.prepare(data, destination, geometry, workers or available_cores(), exif, bad_share)
    except KeyboardInterrupt:
        print("stopped; the work so far is kept: run the same command again to go on", file=sys.stderr)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    print(preparation_report(store))
