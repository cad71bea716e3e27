"""Reading of spec files that the user names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from alexc.compiler.graph.shapes import MOST_PARAMETERS
from alexc.compiler.pipeline import Checked, check_file, check_text
from alexc.compiler.text.diagnostics import Diagnostic
from alexc.compiler.text.reading import read_source
from alexc.compiler.text.source import Source

from .nearby import nearby
from .printable import printable
from .shipped import shipped_specs
from .spec_error import SpecError

_FOREIGN = (".prototxt", ".cfg")
_WEIGHTS = (".caffemodel", ".weights", ".safetensors", ".pt", ".pth")


def read_spec(path: Path, most_parameters: int = MOST_PARAMETERS) -> Checked:
    """Read and check a spec; more parameters than `most_parameters` are an error.

    Args:
        path: the file. A name alone is also that of a shipped spec, if there is no such file in the current folder.
        most_parameters: the limit.

    Raises:
        SpecError: the file cannot be read.
    """
    with _reading(path):
        if path.exists() or str(path) not in shipped_specs():
            return check_file(path, most_parameters)
        shipped = shipped_specs()[str(path)]
        return check_text(shipped.read_text(encoding="utf-8"), str(path), shipped, most_parameters=most_parameters)


def read_unchecked(path: Path) -> tuple[Source, list[Diagnostic]]:
    """Read a spec without checking it. If the file is not text, the source is empty and the diagnostics say why.

    Raises:
        SpecError: the file cannot be read.
    """
    with _reading(path):
        return read_source(path, str(path))


def read_foreign(path: Path) -> tuple[Source, list[Diagnostic]]:
    """Read a file of another program. If the file is not text, the source is empty and the diagnostics say why.

    Raises:
        SpecError: the file cannot be read.
    """
    if path.suffix in _WEIGHTS:
        raise SpecError(
            f"{printable(path)}: this file contains weights; give the files that describe the network, and import the "
            "weights afterwards with `alexc weights import`"
        )
    expected = "expected a .prototxt of Caffe, a .cfg of darknet or cuda-convnet, or torchvision:NAME"
    with _reading(path, expected, _FOREIGN):
        return read_source(path, str(path))


@contextmanager
def _reading(
    path: Path,
    expected: str = "a spec is a `.net` file, such as spec/alexnet.net",
    suffixes: Sequence[str] = (".net",),
) -> Iterator[None]:
    shown = printable(path)
    if path.suffix == ".py" and path.is_file():
        raise SpecError(f"{shown}: this is a Python file; {expected}; if the content is one, rename the file")
    try:
        yield
    except FileNotFoundError:
        if str(path) in shipped_specs():
            expected = f"`alexc examples {path.stem}` copies the one that ships with alexc"
        raise SpecError(f"{shown}: there is no such file; {expected}{nearby(path, *suffixes)}") from None
    except IsADirectoryError:
        raise SpecError(f"{shown}: this is a folder; {expected}") from None
    except OSError as error:
        raise SpecError(f"{shown}: cannot be read: {error.strerror}") from None
