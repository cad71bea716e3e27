"""`alexc inspect`: shows what a store contains, as text and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..printable import printable
from ..terminal import terminal_width


def inspect(
    store: Annotated[
        Path, typer.Argument(metavar="STORE", help="A store, written by `alexc prepare`.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="The picture to write.", show_default="STORE's name with .png"
        ),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read all pixels, and compare them with their hashes.")
    ] = False,
) -> None:
    """Show what a store contains.

    Prints counts, colour statistics, the files that were left out and the classes, and writes a contact sheet as a PNG.
    """
    from alexc.runtime.data.contact_sheet import write_contact_sheet
    from alexc.runtime.data.prepare_report import class_table, preparation_report
    from alexc.runtime.data.store import check_store, open_store
    from alexc.runtime.files import write_error

    opened = open_store(store)
    if verify:
        check_store(opened)
    picture = out or Path(f"{store.resolve().name}.png")
    width = terminal_width()
    print(f"{preparation_report(opened, width)}\n\n{class_table(opened, width)}")
    if verify:
        print("\nverified: every file is as it was written")
    try:
        write_contact_sheet(opened, picture)
    except OSError as error:
        raise write_error(picture, error, ", or name another with --out") from None
    print(f"\n{printable(picture)}  written")
