"""The result of `Net.draw`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from itertools import count
from os import PathLike
from pathlib import Path
from typing import Literal, get_args
from zlib import crc32

from alexc.compiler.drawing import elements
from alexc.compiler.drawing.svg import MADE_BY, svg_of
from alexc.runtime.errors import UserError
from alexc.runtime.files import check_overwritable, write_bytes, write_error, write_text

from .printable import printable

Theme = Literal["light", "dark"]

_PNG_MADE_BY = "Software\0alexc"  # marks a PNG that alexc wrote
_PNG_HEAD = 33  # bytes of the signature and the first chunk
_WIDTH = 760  # the units of an SVG that fit into a notebook
_SHOWN = count(1)  # numbers the pictures of a notebook, so that their identifiers differ
_PIXELS = 40e6  # the largest PNG; a network that needs more is scaled down


@dataclass(frozen=True, repr=False)
class Drawing:
    """A drawing of a network. Jupyter shows it.

    Attributes:
        figure: the lines, faces and texts of the drawing.
    """

    figure: elements.Drawing

    @property
    def svg(self) -> str:
        """The text of an SVG file that follows the viewer's theme."""
        return svg_of(self.figure, "either")

    def save(self, path: str | PathLike[str], theme: Theme | None = None) -> None:
        """Write the drawing to a file, as `alexc draw` does.

        Args:
            path: the file; its name ends in .svg or .png.
            theme: the colours. By default, an SVG follows the viewer's theme and a PNG is light.

        Raises:
            UserError: the name has another ending, the theme is unknown, alexc did not write the file that is there,
                or it cannot be written.
        """
        target = checked_target(Path(path))
        if theme is not None:
            check_theme(theme)
        if target.suffix.lower() == ".svg":
            write_text(target, svg_of(self.figure, theme or "either"))
        else:
            _write_png(target, self.figure, svg_of(self.figure, theme or "light"))

    def __repr__(self) -> str:
        return f"<Drawing of {printable(self.figure.title)}>"

    def _repr_svg_(self) -> str:
        return self._shown(None)

    def _repr_html_(self) -> str:
        """The SVG as HTML, so that it follows the theme of the notebook.

        JupyterLab shows plain SVG as an image, which does not know the theme. In a notebook that is not trusted,
        JupyterLab removes SVG and styles; then a line says so.
        """
        words = escape(self.figure.title)
        return (
            f'<div class="alexc-shown" hidden="hidden">\n{self._shown(next(_SHOWN))}</div>\n'
            f'<p class="alexc-not-shown">{words}: trust this notebook to see the picture.</p>\n'
            "<style>.alexc-shown[hidden] { display: block !important } .alexc-not-shown { display: none }</style>"
        )

    def _shown(self, number: int | None) -> str:
        """The SVG for Jupyter; a wide one has no width of its own, so that it is as wide as the notebook."""
        svg = svg_of(self.figure, "either", number)
        return svg if self.figure.size[0] <= _WIDTH else as_wide_as_the_notebook(svg)


def as_wide_as_the_notebook(svg: str) -> str:
    """An SVG without a width of its own."""
    return re.sub(r' width="[^"]*" height="[^"]*"', ' width="100%"', svg, count=1)


def check_theme(theme: str) -> None:
    """Check the name of a theme.

    Raises:
        UserError: there is no such theme.
    """
    if theme not in get_args(Theme):
        raise UserError(f"theme {theme!r}: expected one of {', '.join(get_args(Theme))}")


def checked_ending(path: Path, name: str | None = None) -> str:
    """The ending of the name of a picture.

    Args:
        path: the file.
        name: the name in the example of the message; by default that of the file.

    Raises:
        UserError: it is neither .svg nor .png.
    """
    ending = path.suffix.lower()
    if ending not in (".svg", ".png"):
        example = printable(path.stem if name is None else name)
        raise UserError(f"{printable(path)}: a picture's name ends in .svg or .png, as in {example}.svg")
    return ending


def checked_target(path: Path, name: str | None = None) -> Path:
    """The file of a picture; the arguments are those of `checked_ending`.

    Raises:
        UserError: its name does not end in .svg or .png, or alexc did not write the file that is there.
    """
    ending = checked_ending(path, name)
    check_overwritable(path, MADE_BY if ending == ".svg" else _PNG_MADE_BY, "give another name with -o")
    return path


def _write_png(target: Path, picture: elements.Drawing, svg: str) -> None:
    """Write the picture at two pixels per SVG unit."""
    from .png import png_of

    width, height = picture.size
    png = png_of(svg, min(2.0, (_PIXELS / (width * height)) ** 0.5))
    try:
        write_bytes(target, _marked(png))
    except OSError as error:
        raise write_error(target, error) from None


def _marked(png: bytes) -> bytes:
    """The PNG with a text chunk after the first chunk that names alexc."""
    chunk = b"tEXt" + _PNG_MADE_BY.encode()
    size, check = len(chunk) - 4, crc32(chunk)
    return png[:_PNG_HEAD] + size.to_bytes(4, "big") + chunk + check.to_bytes(4, "big") + png[_PNG_HEAD:]
