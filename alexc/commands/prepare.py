"""`alexc prepare`: writes the store that training reads."""

from __future__ import annotations

import sys
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alexc.runtime.errors import UserError

from ..__main__ import EXIT_INTERRUPTED
from ..printable import printable
from ..terminal import terminal_width

if TYPE_CHECKING:
    from alexc.runtime.data.store import Geometry

DEFAULT_QUALITY = 90
_DEFAULT_SIDES = "256"
_MOST_DIGITS = 9


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
    for_: Annotated[
        Path | None,
        typer.Option(
            "--for",
            metavar="SPEC",
            help="Make the store that this network trains from; replaces --resize, --crop, --channels and --bits.",
        ),
    ] = None,
    resize: Annotated[
        str | None,
        typer.Option(
            metavar="N|HxW",
            help="Scale the shorter side to N pixels, or the image to HxW.",
            show_default=_DEFAULT_SIDES,
        ),
    ] = None,
    crop: Annotated[
        str | None,
        typer.Option(
            metavar="N|HxW",
            help="Keep the central square of N pixels per side, or the central HxW.",
            show_default=_DEFAULT_SIDES,
        ),
    ] = None,
    channels: Annotated[
        int | None,
        typer.Option(
            min=1, max=4, help="1 for grey images, 3 for RGB; 2 and 4 add the opacity (alpha).", show_default="3"
        ),
    ] = None,
    bits: Annotated[
        Bits | None,
        typer.Option(help="Bits per pixel; with 16, grey images of 16 bits keep all their values.", show_default="8"),
    ] = None,
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
    """Decode images once, into the store that training reads.

    If it is interrupted, run the same command again to continue. Unusable files are skipped and reported by name.

    DATA is one of these. Its content tells which, not its name:

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
    sizes = {"--resize": resize, "--crop": crop, "--channels": channels, "--bits": bits}
    given = [option for option, value in sizes.items() if value is not None]
    if for_ is not None and given:
        raise typer.BadParameter(f"says how images are stored: leave {given[0]} out", param_hint="--for")
    from alexc.runtime.cores import available_cores
    from alexc.runtime.data import prepare as preparing
    from alexc.runtime.data.prepare_report import preparation_report
    from alexc.runtime.data.store import Geometry

    stored = None if format is Format.RAW else quality or DEFAULT_QUALITY
    geometry = (
        _geometry_for(for_)
        if for_ is not None
        else Geometry(_sides("--resize", resize), _sides("--crop", crop), channels or 3, int(bits or Bits.EIGHT))
    )
    processes = workers or available_cores()
    if dry_run:
        from alexc.runtime.data.estimate import estimate, estimate_text

        print(estimate_text(estimate(data, geometry, processes, exif, stored, whole), terminal_width()))
        return
    destination = out or preparing.default_destination(data, geometry, exif, jpeg=stored is not None, whole=whole)
    try:
        store = preparing.prepare(data, destination, geometry, processes, exif, bad_share, stored, whole)
    except (KeyboardInterrupt, SystemExit) as ending:  # Ctrl-C, SIGTERM or SIGHUP
        with suppress(OSError):  # of a terminal that is gone
            print("stopped; the work so far is kept: run the same command again to go on", file=sys.stderr)
        raise typer.Exit(int(ending.code or 1) if isinstance(ending, SystemExit) else EXIT_INTERRUPTED) from None
    print(preparation_report(store, terminal_width()))


def _sides(option: str, given: str | None) -> int | tuple[int, int]:
    """One number, or height x width."""
    text = _DEFAULT_SIDES if given is None else given
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() and len(part) <= _MOST_DIGITS for part in parts):
        raise typer.BadParameter("expected pixels as in 256, or height x width as in 480x640", param_hint=option)
    height, *rest = map(int, parts)
    return (height, rest[0]) if rest else height


def _geometry_for(network: Path) -> Geometry:
    """How the recipe of a spec, or of a compiled network, stores images.

    Raises:
        UserError: it cannot be read, has errors, or has no recipe.
    """
    if network.suffix == ".py":
        from alexc.runtime.data import recipe_images
        from alexc.runtime.network_file import load_network_file

        return recipe_images.geometry_of(load_network_file(network))
    from ..net_options import read_net
    from ..net_recipe import geometry_of

    net = read_net([network])
    if net.graph.net.recipe is None:
        raise UserError(
            f"--for {printable(network)}: the spec has no recipe: add a `train` block, or give --resize and --crop"
        )
    return geometry_of(net)
